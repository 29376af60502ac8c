"""How the shape of a dynamic receptive field changes, movement along lags aside."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check
from ._measures import default_span, effective_rank, products

__all__ = ["shape_change"]

_ROUNDS = 100
_SMOOTH = 9  # lags over which the profile of strength is averaged


def shape_change(dstrf: ArrayLike, *, max_shift: int | None = None) -> np.ndarray:
    """Measure how much the shape of each target's dSTRF changes.

    All frames are moved along lags until each fits their mean best; what complexity
    is left then is a change of shape.

    Parameters
    ----------
    dstrf : array (n_times, n_targets, n_lags, n_features)
        Receptive field at every time, lags ascending.
    max_shift : int, optional
        Lags added at either end to make room. Default:
        ``max(n_lags - 10, min(n_lags, 5))``.

    Returns
    -------
    array (n_targets,)
        :func:`complexity` of the aligned frames, float64; NaN where a dSTRF is zero
        throughout. Frames that are constant are not moved.

    Raises
    ------
    ValueError
        If `dstrf` has not four axes or `max_shift` is below 1.

    Notes
    -----
    Circular moves keep mean and norm of a frame, so the best correlation is that of
    the largest inner product, found for all moves at once in the Fourier domain. Two
    moves whose inner products agree to rounding are a near-tie: which of them wins
    depends on the order of summation here as in the reference, and with it the last
    digits of the result.

    References
    ----------
    .. [1] Keshishian et al., eLife, 2020, doi:10.7554/eLife.53445. Numbers of the
       DSTRF toolbox (naplab), whose centring filter has ten taps.
    """
    dstrf = check.float_array("dstrf", dstrf, ndim=4)
    n_lags = dstrf.shape[2]
    span = default_span(n_lags) if max_shift is None else max_shift
    if span < 1:
        raise ValueError(f"max_shift is {span} but must be 1 or more.")
    result = []
    for target in range(dstrf.shape[1]):
        # The reference counts lags from the oldest.
        aligned = _align(dstrf[:, target, ::-1], span)
        result.append(effective_rank(products(np.asarray(aligned))))
    return np.array(result)


class _State(NamedTuple):
    shift: jax.Array  # (n_times,) moves so far
    moved: jax.Array  # () whether the last round moved any frame
    rounds: jax.Array


@partial(jax.jit, static_argnames="span")
def _align(frames: jax.Array, span: int) -> jax.Array:
    """Align frames with their mean along lags.

    Parameters
    ----------
    frames : array (n_times, n_lags, n_features)
        One target, oldest lag first.
    span : int
        Lags added at either end.

    Returns
    -------
    array (n_times, n_lags, n_features)
        Moved frames.
    """
    n_times, n_lags, n_features = frames.shape
    size = n_lags + 2 * span
    room = n_lags // 2 + span
    padded = jnp.pad(frames, ((0, 0), (span, span), (0, 0)))
    spectra = jnp.fft.rfft(padded, axis=1)
    profiles = jnp.fft.rfft(jnp.abs(padded).sum(2), axis=1)  # (n_times, size // 2 + 1)
    flat = padded.reshape(n_times, -1)
    constant = flat.max(1) == flat.min(1)
    moves = jnp.arange(-room, room + 1, dtype=jnp.int32)
    turns = jnp.arange(size // 2 + 1, dtype=frames.dtype)[None, :]
    turns = turns * (-2 * jnp.pi / size)

    def phase(shift: jax.Array) -> jax.Array:
        angle = (shift % size).astype(frames.dtype)[:, None] * turns
        return jax.lax.complex(jnp.cos(angle), jnp.sin(angle)).astype(spectra.dtype)

    def strength(shift: jax.Array) -> jax.Array:
        return jnp.fft.irfft((profiles * phase(shift)).mean(0), size)

    def one_round(state: _State) -> _State:
        now = phase(state.shift)
        mean = jnp.einsum("twf,tw->wf", spectra, now, precision="highest") / n_times
        match = jnp.einsum(
            "twf,wf->tw", jnp.conj(spectra), mean, precision="highest"
        ) * jnp.conj(now)
        product = jnp.fft.irfft(match, size, axis=1)  # (n_times, size)
        best = moves[jnp.argmax(product[:, moves % size], 1)]
        best = jnp.where(constant, 0, best)
        shift = state.shift + best
        centre = jnp.argmax(_smooth(strength(shift))).astype(shift.dtype)
        return _State(shift + room - centre, (best != 0).any(), state.rounds + 1)

    start = _State(jnp.zeros(n_times, jnp.int32), jnp.array(True), jnp.array(0))
    state = jax.lax.while_loop(
        lambda s: s.moved & (s.rounds < _ROUNDS), one_round, start
    )
    # Keep within the original lags as much of the strength as possible.
    power = strength(state.shift)
    final = jnp.arange(-span, span + 1, dtype=jnp.int32)
    place = jnp.arange(span, span + n_lags, dtype=jnp.int32)[None, :]
    window = (place - final[:, None]) % size
    shift = state.shift + final[jnp.argmax(power[window].sum(1))]
    source = (place - shift[:, None]) % size
    return jnp.take_along_axis(padded, source[:, :, None], axis=1)


def _smooth(power: jax.Array) -> jax.Array:
    """Average a profile as the reference does: ten taps, on a padded circle."""
    half = _SMOOTH // 2
    padded = jnp.pad(power, half)
    taps = [jnp.roll(padded, k) for k in range(-half - 1, half + 1)]
    return sum(taps[1:], taps[0]) / _SMOOTH
