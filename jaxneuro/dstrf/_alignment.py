"""How the shape of a dynamic receptive field changes, movement along lags aside."""

import numpy as np
from jax.typing import ArrayLike

from ._measures import default_span, effective_rank, products, target_frames

__all__ = ["shape_change"]

_ROUNDS = 100
_SMOOTH = 9  # lags over which the profile of strength is averaged
_TIE = 1e-5  # beyond what rounding in float32 can decide


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
        throughout. Frames of zeros are not moved.

    Raises
    ------
    ValueError
        If `dstrf` has not four axes or `max_shift` is below 1.

    Notes
    -----
    Circular moves keep mean and norm of a frame, so the best correlation is that of
    the largest inner product, found for all moves at once in the Fourier domain.

    Moves whose inner products differ by less than 1e-5 of that frame's largest are a
    near-tie, which the shortest of them wins, and the earlier of two that are equally
    short; so the result does not hang on rounding. In the reference rounding decides.
    Frames that are against the mean wherever they meet it are such: every move that
    keeps them apart from it gives zero.

    References
    ----------
    .. [1] Keshishian et al., eLife, 2020, doi:10.7554/eLife.53445. Numbers of the
       DSTRF toolbox (naplab), whose centring filter has ten taps.
    """
    dstrf = np.asarray(dstrf)
    frames = target_frames(dstrf)
    n_lags = dstrf.shape[2]
    span = default_span(n_lags) if max_shift is None else max_shift
    if span < 1:
        raise ValueError(f"max_shift is {span} but must be 1 or more.")
    # The reference counts lags from the oldest.
    aligned = (_align(one[:, ::-1], span) for one in frames)
    return np.array([effective_rank(products(one)) for one in aligned])


def _align(frames: np.ndarray, span: int) -> np.ndarray:
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
    n_times, n_lags, _ = frames.shape
    size = n_lags + 2 * span
    room = n_lags // 2 + span
    # (size // 2 + 1, n_times, n_features)
    spectra = np.moveaxis(np.fft.rfft(frames, size, axis=1), 1, 0)
    profiles = np.fft.rfft(np.abs(frames).sum(2), size, axis=1)
    silent = ~frames.any((1, 2))
    turn = np.exp(-2j * np.pi / size * np.arange(size)).astype(profiles.dtype)
    moves = _shortest_first(room)

    def phase(shift: np.ndarray) -> np.ndarray:
        return turn[shift[:, None] * np.arange(size // 2 + 1) % size]

    def strength(shift: np.ndarray) -> np.ndarray:
        return np.fft.irfft((profiles * phase(shift)).mean(0), size)

    shift = np.full(n_times, span)
    for _ in range(_ROUNDS):
        now = phase(shift)
        mean = now.T[:, None] @ spectra / n_times
        match = (spectra @ mean.conj().swapaxes(1, 2))[:, :, 0].T * now
        product = np.fft.irfft(match.conj(), size, axis=1)
        best = np.where(silent, 0, moves[_best(product[:, moves % size])])
        shift += best
        shift += room - _best(_smooth(strength(shift)))
        if not best.any():
            break
    # Keep within the original lags as much of the strength as possible.
    final = _shortest_first(span)
    place = np.arange(span, span + n_lags)
    kept = strength(shift)[(place - final[:, None]) % size].sum(1)
    source = (place - shift[:, None] - final[_best(kept)]) % size
    moved = frames[np.arange(n_times)[:, None], np.minimum(source, n_lags - 1)]
    moved[source >= n_lags] = 0
    return moved


def _shortest_first(n: int) -> np.ndarray:
    """List moves of up to `n`: 0, -1, 1, -2, 2 and so on."""
    return np.array(sorted(range(-n, n + 1), key=abs))


def _best(value: np.ndarray) -> np.ndarray:
    """Position of the first value along the last axis that ties with the largest."""
    slack = _TIE * np.abs(value).max(-1, keepdims=True)
    return (value >= value.max(-1, keepdims=True) - slack).argmax(-1)


def _smooth(power: np.ndarray) -> np.ndarray:
    """Average a profile as the reference does: ten taps, on a padded circle."""
    half = _SMOOTH // 2
    padded = np.pad(power, half)
    taps = [np.roll(padded, k) for k in range(-half - 1, half + 1)]
    return np.sum(taps, 0) / _SMOOTH
