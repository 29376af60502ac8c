"""How nonlinear a dynamic receptive field is: rank, gain and hold over time."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
import scipy.stats
from jax.typing import ArrayLike

from ..core import check
from ..core.linalg import dot

__all__ = ["complexity", "gain_change", "temporal_hold"]

_P_HOLD = 1e-3  # level of the signed-rank test, that of the reference
_ROWS = 64  # frames whose products are formed together


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
    dstrf = _frames(dstrf)
    return np.array(
        [effective_rank(products(dstrf[:, t])) for t in range(dstrf.shape[1])]
    )


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
    squares = scipy.linalg.eigvalsh(gram, check_finite=False)
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
    dstrf = check.float_array("dstrf", dstrf, ndim=4)
    n_times, _, n_lags, _ = dstrf.shape
    max_hold = default_span(n_lags) if max_hold is None else max_hold
    if max_hold < 1:
        raise ValueError(f"max_hold is {max_hold} but must be 1 or more.")
    if n_times <= max_hold:
        raise ValueError(
            f"dstrf has {n_times} time points but a hold of up to {max_hold} samples "
            "needs more; give a longer piece or a smaller max_hold."
        )
    return np.array(
        [_hold(gain) for gain in np.array(_gain_of_moving(dstrf, max_hold))]
    )


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


def _frames(dstrf: ArrayLike) -> np.ndarray:
    dstrf = np.asarray(dstrf)
    check.has_ndim("dstrf", dstrf, 4)
    return dstrf


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


@partial(jax.jit, static_argnames="max_hold")
def _gain_of_moving(dstrf: jax.Array, max_hold: int) -> jax.Array:
    """Correlations with later frames moved back, minus those as they are."""
    return jax.lax.map(
        lambda frames: jnp.subtract(*_similarity(frames, max_hold)),
        jnp.moveaxis(dstrf, 1, 0),
    )


def _similarity(frames: jax.Array, max_hold: int) -> tuple[jax.Array, jax.Array]:
    """Correlate each frame with later ones, as they are and moved back.

    Parameters
    ----------
    frames : array (n_times, n_lags, n_features)
        One target.
    max_hold : int
        Number of later frames.

    Returns
    -------
    moved, plain : array (n_times - max_hold, max_hold)
        Pearson correlations over lags and features, lags padded so that a moved frame
        stays whole; NaN for constant frames.
    """
    n_times, n_lags, n_features = frames.shape
    n_pairs = n_times - max_hold
    n_rows = min(_ROWS, n_pairs)
    n_blocks = -(-n_pairs // n_rows)
    length = n_rows + max_hold
    frames = jnp.pad(
        frames, ((0, n_blocks * n_rows + max_hold - n_times), (0, 0), (0, 0))
    )

    def block(start: jax.Array) -> tuple[jax.Array, jax.Array]:
        piece = jax.lax.dynamic_slice_in_dim(frames, start, length)
        flat = piece.reshape(length, -1)
        plain = dot(flat[:n_rows], flat.T)
        # Laid out by the time of the stimulus, a held field stands still.
        held = _skew(piece[:, ::-1]).reshape(length, -1)
        moved = dot(held[:n_rows], held.T)
        return _diagonals(plain, max_hold), _diagonals(moved, max_hold)

    starts = n_rows * jnp.arange(n_blocks)
    plain, moved = (
        x.reshape(-1, max_hold)[:n_pairs] for x in jax.lax.map(block, starts)
    )
    size = (n_lags + max_hold) * n_features
    total = frames.sum((1, 2))
    spread = jnp.maximum((frames**2).sum((1, 2)) - total**2 / size, 0)
    pairs = jnp.arange(n_pairs)[:, None] + jnp.arange(1, max_hold + 1)[None, :]
    common = total[:n_pairs, None] * total[pairs] / size
    scale = jnp.sqrt(spread[:n_pairs, None] * spread[pairs])
    scale = jnp.where(scale > 0, scale, jnp.nan)
    return (moved - common) / scale, (plain - common) / scale


def _skew(rows: jax.Array) -> jax.Array:
    """Move row ``i`` right by ``i``: (n, m, f) to (n, n + m - 1, f)."""
    n, m, f = rows.shape
    wide = jnp.pad(rows, ((0, 0), (0, n), (0, 0))).reshape(-1, f)
    return wide[: n * (n + m - 1)].reshape(n, n + m - 1, f)


def _diagonals(square: jax.Array, n: int) -> jax.Array:
    """First `n` diagonals above the main one, (n_rows, n)."""
    rows, columns = square.shape
    flat = jnp.pad(square.ravel(), (0, rows))
    return flat.reshape(rows, columns + 1)[:, 1 : n + 1]
