"""Neurons whose receptive fields change over time in planted ways."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check
from ..core.struct import struct
from ._strfs import _bump, _cut, _positive, _spectrograms

__all__ = ["StrfTruth", "nonlinear_response", "nonlinear_strf", "nonlinear_truth"]

_FIELD = _HOLD = 0.1  # seconds; together they are the window of 0.2 s
_PACE = 20.0  # modulations are so much quicker than those of natural sounds
_KINDS = ("linear", "gain", "hold", "shape")


@struct
class StrfTruth:
    """What :func:`nonlinear_strf` planted.

    Attributes
    ----------
    kind : int array (n_targets,)
        0: linear. 1: gain control. 2: temporal hold. 3: change of shape. Targets take
        turns.
    strength : array (n_targets,)
        From above 0 to 1, growing from one target of a kind to the next; 0 for linear
        ones.
    hold : int array (n_targets,)
        Longest hold in samples, 0 where the kind is another.
    fields : array (2, n_field, n_bands, n_targets)
        Two receptive fields of unit norm, lags ascending from 0; the second one
        matters for changes of shape only.
    """

    kind: jax.Array
    strength: jax.Array
    hold: jax.Array
    fields: jax.Array


def nonlinear_strf(
    key: jax.Array,
    *,
    n_trials: int = 8,
    n_bands: int = 16,
    n_targets: int = 8,
    sfreq: float = 100.0,
    duration: float = 20.0,
    snr: float = 4.0,
) -> tuple[list[jax.Array], list[jax.Array]]:
    """Simulate responses to sounds by neurons that are nonlinear in known ways.

    With the drives ``u1`` and ``u2`` by two receptive fields, the four kinds of
    :class:`StrfTruth` respond with ``u1``; with ``u1 / (1 + strength |u1|)``, whose
    gain falls where the drive is strong; with the largest ``u1`` of the last `hold`
    samples, which stays on a piece of the sound while it ages; and with the larger of
    ``u1`` and ``u2``, two fields that are the more alike the weaker the strength.

    Parameters
    ----------
    key : array
        Random key.
    n_trials, n_bands, n_targets : int
        Sizes.
    sfreq : float
        Samples per second, in hertz.
    duration : float
        Mean length of a trial in seconds; trials differ by up to a fifth of it.
    snr : float
        Variance of each target's response over that of its noise.

    Returns
    -------
    spec : list of array (n_times_i, n_bands)
        Spectrograms, not negative, modulated more quickly than natural sounds so that
        pieces can be held.
    resp : list of array (n_times_i, n_targets)
        Responses with white noise.

    Raises
    ------
    ValueError
        If a size, the duration or the signal-to-noise ratio is not positive, or
        `sfreq` leaves fewer than 5 samples in 0.1 s.

    Examples
    --------
    >>> spec, resp = nonlinear_strf(jax.random.key(0), n_trials=2, duration=2.0)
    >>> len(spec), spec[0].shape[1], resp[0].shape[1]
    (2, 16, 8)
    """
    truth = nonlinear_truth(key, n_bands=n_bands, n_targets=n_targets, sfreq=sfreq)
    _positive(n_trials=n_trials, duration=duration, snr=snr)
    k_length, k_sound, k_noise = jax.random.split(_keys(key)[1], 3)
    stretch = 0.8 + 0.4 * np.asarray(jax.random.uniform(k_length, (n_trials,)))
    n_times = np.maximum(1, np.rint(duration * sfreq * stretch)).astype(int)
    longest = (n_trials, int(n_times.max()))
    noise = jax.random.normal(k_sound, (*longest, n_bands + 1))
    sounds = _spectrograms(noise, sfreq / _PACE)
    noise = jax.random.normal(k_noise, (*longest, n_targets))
    resp = _recorded(truth, sounds, noise, snr)
    return _cut(sounds, n_times), _cut(resp, n_times)


def nonlinear_truth(
    key: jax.Array, *, n_bands: int = 16, n_targets: int = 8, sfreq: float = 100.0
) -> StrfTruth:
    """Draw what :func:`nonlinear_strf` plants for the same key and sizes.

    Parameters
    ----------
    key : array
        Random key.
    n_bands, n_targets : int
        Sizes.
    sfreq : float
        Samples per second, in hertz.

    Returns
    -------
    StrfTruth
        Neurons; a window of 0.2 s, ``Lags(0.0, 0.2, sfreq)``, holds all that they see.

    Raises
    ------
    ValueError
        If a size is not positive or `sfreq` leaves fewer than 5 samples in 0.1 s.
    """
    _positive(n_bands=n_bands, n_targets=n_targets, sfreq=sfreq)
    if round(_FIELD * sfreq) < 5:
        raise ValueError(
            f"sfreq is {sfreq:g} Hz but must leave 5 samples in {_FIELD} s; take 50 Hz "
            "or more."
        )
    order, kind = np.divmod(np.arange(n_targets), len(_KINDS))
    strength = (order + 1) / np.bincount(kind)[kind] * (kind > 0)
    hold = np.rint(strength * _HOLD * sfreq).astype(np.int32) * (kind == 2)
    hold = np.where(kind == 2, np.maximum(hold, 1), 0)
    fields = _fields(
        _keys(key)[0],
        sfreq,
        strength * (kind == 3),
        kind == 2,
        n_field=round(_FIELD * sfreq) + 1,
        n_bands=n_bands,
    )
    return StrfTruth(
        kind=jnp.asarray(kind, jnp.int32),
        strength=jnp.asarray(strength, fields.dtype),
        hold=jnp.asarray(hold, jnp.int32),
        fields=fields,
    )


@jax.jit
def nonlinear_response(truth: StrfTruth, windows: ArrayLike) -> jax.Array:
    """Compute the exact response to windows of sound.

    It has the form of a network, so that ``dstrf.estimate(nonlinear_response, truth,
    X, lags)`` is the exact dSTRF.

    Parameters
    ----------
    truth : StrfTruth
        Neurons.
    windows : array (batch, n_lags, n_bands)
        Spectrograms, lags ascending from 0.

    Returns
    -------
    array (batch, n_targets)
        Responses without noise.

    Raises
    ------
    ValueError
        If windows are shorter than the receptive fields or have other bands.
    """
    windows = check.float_array("windows", windows, ndim=3)
    _, n_field, n_bands, _ = truth.fields.shape
    if windows.shape[1] < n_field or windows.shape[2] != n_bands:
        raise ValueError(
            f"windows has shape {windows.shape} but must be (batch, {n_field} lags or "
            f"more, {n_bands} bands)."
        )
    return _bend(truth, _drives(truth, windows[:, ::-1])[:, ::-1])


def _keys(key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Keys of the neurons and of the recording."""
    neurons, recording = jax.random.split(key)
    return neurons, recording


@partial(jax.jit, static_argnames=("n_field", "n_bands"))
def _fields(
    key: jax.Array,
    sfreq: ArrayLike,
    turn: ArrayLike,
    held: ArrayLike,
    *,
    n_field: int,
    n_bands: int,
) -> jax.Array:
    """Pairs of fields of unit norm, apart by `turn` times a right angle."""
    place, width, latency = jax.random.uniform(key, (3, 2, np.size(turn)))
    dtype = place.dtype
    band = (jnp.arange(n_bands, dtype=dtype)[:, None, None] + 0.5) / n_bands
    # The second field lies half of all bands away.
    center = (0.5 * place + jnp.asarray([[0.0], [0.5]], dtype)) % 1
    spectral = jnp.exp(
        -0.5 * ((band - center[None]) / (0.08 + 0.06 * width[None])) ** 2
    )
    time = jnp.arange(n_field, dtype=dtype)[:, None, None] / jnp.asarray(sfreq, dtype)
    peak = (0.006 + 0.003 * latency)[None]  # seconds; quick, so that holds are seen
    early, late = _bump(time, peak), _bump(time, 2 * peak)
    # Steady sound drives only neurons that hold: suppression, which follows excitation
    # by a moment, would make moved fields look alike by itself.
    late = jnp.where(held, 0, early.sum(0) / late.sum(0))[None] * late
    temporal = early - late
    one, other = jnp.moveaxis(temporal[:, None] * spectral[None], 2, 0)
    one = one / jnp.sqrt((one**2).sum((0, 1), keepdims=True))
    other = other - (one * other).sum((0, 1), keepdims=True) * one
    other = other / jnp.sqrt((other**2).sum((0, 1), keepdims=True))
    angle = jnp.asarray(turn, dtype)[None, None] * (jnp.pi / 2)
    return jnp.stack([one, jnp.cos(angle) * one + jnp.sin(angle) * other])


def _drives(truth: StrfTruth, x: jax.Array) -> jax.Array:
    """Filter signals in time order: (n, n_times - n_field + 1, 2, n_targets)."""
    _, n_field, n_bands, n_targets = truth.fields.shape
    kernel = jnp.moveaxis(truth.fields[:, ::-1], 0, 2)
    flat = jax.lax.conv_general_dilated(
        x,
        kernel.reshape(n_field, n_bands, 2 * n_targets).astype(x.dtype),
        window_strides=(1,),
        padding="VALID",
        dimension_numbers=("NWC", "WIO", "NWC"),
        precision="highest",
    )
    return flat.reshape(*flat.shape[:2], 2, n_targets)


def _bend(truth: StrfTruth, u: jax.Array) -> jax.Array:
    """Responses from drives (n, n_delays, 2, n_targets), the newest first."""
    now, other = u[:, 0, 0], u[:, 0, 1]
    delay = jnp.arange(u.shape[1], dtype=truth.hold.dtype)[:, None]
    reached = delay <= truth.hold[None]
    held = jnp.where(reached[None], u[:, :, 0], -jnp.inf).max(1)
    strength = truth.strength[None].astype(now.dtype)
    kinds = (
        now,
        now / (1 + strength * jnp.abs(now)),
        held,
        jnp.maximum(now, other),
    )
    return jnp.stack(kinds)[truth.kind, :, jnp.arange(truth.kind.size)].T


@jax.jit
def _recorded(
    truth: StrfTruth, sounds: jax.Array, noise: jax.Array, snr: ArrayLike
) -> jax.Array:
    """Responses to trials (n_trials, n_times, n_bands), with noise."""
    n_field, longest = truth.fields.shape[1], truth.fields.shape[1] - 1

    def trial(sound: jax.Array) -> jax.Array:
        padded = jnp.pad(sound, ((n_field - 1 + longest, 0), (0, 0)))
        u = _drives(truth, padded[None])[0]
        n_times = sound.shape[0]
        rows = [u[longest - k : longest - k + n_times] for k in range(longest + 1)]
        return _bend(truth, jnp.stack(rows, axis=1))

    clean = jax.lax.map(trial, sounds)
    level = clean.std((0, 1), keepdims=True)
    return clean + level / jnp.sqrt(jnp.asarray(snr, clean.dtype)) * noise
