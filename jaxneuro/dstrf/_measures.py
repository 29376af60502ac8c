"""How nonlinear a dynamic receptive field is: rank, gain and hold over time."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats
from jax.typing import ArrayLike

from ..core import check

__all__ = ["complexity", "gain_change", "temporal_hold"]

_P_HOLD = 1e-3  # level of the signed-rank test, that of the reference
_ROWS = 32  # frames whose products are formed together


def complexity(dstrf: ArrayLike) -> np.ndarray:
    """Measure the effective rank of each target's dSTRF over time.

    The sum of the singular values of the ``n_times x (n_lags n_features)`` matrix of
    frames over the largest of them: 1 for a linear model, more for every independent
    receptive field that the network switches between.

    Parameters
    ----------
    dstrf : array (n_times, n_targets, n_lags, n_features)
        Receptive field at every time.

    Returns
    -------
    array (n_targets,)
        At least 1, float64; NaN where a dSTRF is zero throughout. Frames that are
        zero change nothing.

    Raises
    ------
    ValueError
        If `dstrf` has not four axes.

    Notes
    -----
    Small singular values add up, so the products of frames are formed in float64, on
    the host, one target at a time; beside the input this takes two copies of one
    target's frames and ``min(n_times, n_lags n_features)**2`` numbers.

    References
    ----------
    .. [1] Keshishian et al., Understanding auditory processing with dynamic
       spectrotemporal receptive fields, eLife, 2020, doi:10.7554/eLife.53445.
       Numbers of the DSTRF toolbox (naplab).
    """
    return np.array([effective_rank(products(one)) for one in target_frames(dstrf)])


def products(frames: np.ndarray) -> np.ndarray:
    """Multiply frames with frames, or entries with entries, whichever are fewer.

    Parameters
    ----------
    frames : array (n_times, n_lags, n_features)
        One target's receptive field at every time.

    Returns
    -------
    array (n, n)
        Float64.
    """
    flat = np.asarray(frames, np.float64).reshape(len(frames), -1)
    return flat @ flat.T if flat.shape[0] < flat.shape[1] else flat.T @ flat


def effective_rank(gram: np.ndarray) -> float:
    """Sum of singular values over the largest, from products of frames.

    Parameters
    ----------
    gram : array (n, n)
        Gram matrix.

    Returns
    -------
    float
        NaN if all is zero.
    """
    # NumPy's, as the products: threads of two BLAS libraries wait for each other.
    squares = np.linalg.eigvalsh(gram)
    largest = squares[-1]
    if not largest > 0:
        return np.nan
    return float(np.sqrt(np.maximum(squares, 0)).sum() / np.sqrt(largest))


@jax.jit
def gain_change(dstrf: ArrayLike) -> jax.Array:
    """Measure how much the strength of each target's dSTRF varies over time.

    Parameters
    ----------
    dstrf : array (n_times, n_targets, n_lags, n_features)
        Receptive field at every time.

    Returns
    -------
    array (n_targets,)
        Standard deviation over time, with ``n_times - 1`` in the denominator, of the
        root of the summed squares of a frame. NaN for a single frame.

    Raises
    ------
    ValueError
        If `dstrf` has not four axes.

    References
    ----------
    .. [1] Keshishian et al., eLife, 2020, doi:10.7554/eLife.53445. Numbers of the
       DSTRF toolbox (naplab).
    """
    dstrf = check.float_array("dstrf", dstrf, ndim=4)
    # Squares of half precision overflow.
    dstrf = dstrf.astype(np.result_type(dstrf.dtype, np.float32))
    power = (dstrf**2).sum((2, 3))
    silent = power == 0
    # The slope of a root at zero is infinite.
    gain = jnp.where(silent, 0, jnp.sqrt(jnp.where(silent, 1, power)))
    return gain.std(0, ddof=1)


def temporal_hold(dstrf: ArrayLike, *, max_hold: int | None = None) -> np.ndarray:
    """Measure for how long each target's dSTRF stays on a piece of the stimulus.

    A field that is held moves to longer lags as time goes on. Frame ``t`` is compared
    with frame ``t + k`` as it is and moved back by ``k`` lags; the hold is the largest
    ``k`` up to which moving back makes frames more alike (one-sided signed-rank test
    over time, p < 0.001) at every step.

    Parameters
    ----------
    dstrf : array (n_times, n_targets, n_lags, n_features)
        Receptive field at every time, lags ascending.
    max_hold : int, optional
        Longest hold in samples. Default: ``max(n_lags - 10, min(n_lags, 5))``.

    Returns
    -------
    array (n_targets,)
        Hold in samples, float64; NaN where a dSTRF is constant in every frame. Frames
        that are constant change nothing.

    Raises
    ------
    ValueError
        If `dstrf` has not four axes, `max_hold` is below 1, or there are not more
        frames than `max_hold`.

    Notes
    -----
    Correlations at all steps come from matrix products of short blocks of frames; no
    shifted copy of the dSTRF is made.

    References
    ----------
    .. [1] Keshishian et al., eLife, 2020, doi:10.7554/eLife.53445. Numbers of the
       DSTRF toolbox (naplab), but for frames of zeros, which raise its hold to the
       longest.
    """
    dstrf = np.asarray(dstrf)
    frames = target_frames(dstrf)
    n_times, _, n_lags, _ = dstrf.shape
    max_hold = default_span(n_lags) if max_hold is None else max_hold
    if max_hold < 1:
        raise ValueError(f"max_hold is {max_hold} but must be 1 or more.")
    if n_times <= max_hold:
        raise ValueError(
            f"dstrf has {n_times} time points but a hold of up to {max_hold} samples "
            "needs more; give a longer piece or a smaller max_hold."
        )
    return np.array([_hold(_gain_of_moving(one, max_hold)) for one in frames])


def default_span(n_lags: int) -> int:
    """Longest move along lags that the reference considers.

    Parameters
    ----------
    n_lags : int
        Number of lags.

    Returns
    -------
    int
        Samples.
    """
    return max(n_lags - 10, min(n_lags, 5))


def target_frames(dstrf: ArrayLike) -> Iterator[np.ndarray]:
    """Split a dSTRF by target, on the host, in float32 or better.

    Parameters
    ----------
    dstrf : array (n_times, n_targets, n_lags, n_features)
        Receptive field at every time.

    Returns
    -------
    iterator of array (n_times, n_lags, n_features)
        One target after the other.

    Raises
    ------
    TypeError
        If `dstrf` does not hold real numbers.
    ValueError
        If it has not four axes.
    """
    dstrf = np.asarray(dstrf)
    check.float_array("dstrf", dstrf[:0], ndim=4)  # as nothing need be copied
    dtype = np.result_type(dstrf, np.float32)
    return (
        np.ascontiguousarray(dstrf[:, t], dtype=dtype) for t in range(dstrf.shape[1])
    )


def _hold(gain: np.ndarray) -> float:
    """Hold of one target, from what moving gains (n_times - max_hold, max_hold)."""
    valid = np.isfinite(gain)
    if not valid.any():
        return np.nan
    # The test leaves out differences of zero, so an undefined one has no say.
    gain[~valid] = 0
    gain[0, ~gain.any(0)] = -1  # nothing to rank: no gain
    p = np.asarray(scipy.stats.wilcoxon(gain, alternative="greater", axis=0)[1])
    return float(np.argmin(np.append(p < _P_HOLD, False)))


def _gain_of_moving(frames: np.ndarray, max_hold: int) -> np.ndarray:
    """Correlate each frame with later ones, moved back and as they are.

    Parameters
    ----------
    frames : array (n_times, n_lags, n_features)
        One target.
    max_hold : int
        Number of later frames.

    Returns
    -------
    array (n_times - max_hold, max_hold)
        What moving adds to the Pearson correlation over lags and features, lags
        padded so that a moved frame stays whole; NaN for constant frames.
    """
    n_times, n_lags, n_features = frames.shape
    n_pairs = n_times - max_hold
    gain = np.empty((n_pairs, max_hold), frames.dtype)
    for start in range(0, n_pairs, _ROWS):
        rows = slice(start, min(start + _ROWS, n_pairs))
        piece = frames[start : rows.stop + max_hold]
        plain = piece.reshape(len(piece), -1)
        # Laid out by the time of the stimulus, a held field stands still.
        held = _skew(piece[:, ::-1])
        gain[rows] = _products_ahead(held, max_hold) - _products_ahead(plain, max_hold)
    size = (n_lags + max_hold) * n_features
    power = np.einsum("tlf,tlf->t", frames, frames)
    spread = np.maximum(power - frames.sum((1, 2)) ** 2 / size, 0)
    later = np.lib.stride_tricks.sliding_window_view(spread[1:], max_hold)
    scale = np.sqrt(spread[:n_pairs, None] * later)
    return gain / np.where(scale > 0, scale, np.nan)


def _skew(rows: np.ndarray) -> np.ndarray:
    """Move row ``i`` right by ``i``: (n, m, f) to (n, (n + m - 1) f)."""
    n, m, f = rows.shape
    wide = np.zeros((n, n + m, f), rows.dtype)
    wide[:, :m] = rows
    return wide.reshape(-1)[: n * (n + m - 1) * f].reshape(n, -1)


def _products_ahead(rows: np.ndarray, n: int) -> np.ndarray:
    """Multiply each row but the last `n` with the `n` that follow it."""
    square = rows[:-n] @ rows.T
    # The row below begins one column further on.
    flat = np.pad(square.ravel(), (0, len(square)))
    return flat.reshape(len(square), -1)[:, 1 : n + 1]
