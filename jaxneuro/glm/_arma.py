"""ARMA(1,1) noise of every voxel, chosen on a grid by restricted maximum likelihood.

The correlation at lag k is ``lam a**(k - 1)`` with ``lam = (a + b) (1 + a b) / (1 + 2 a
b + b**2)``: an autoregression of coefficient `a` on top of white noise, where b < 0.
It counts time, so scans that are left out only leave out rows of the covariance; runs
are independent. All voxels share the grid: at each of its points the design is
whitened and factored once, by the one-step predictions of the process, whose steps
are scalars whatever the gaps are.

References
----------
.. [1] AFNI ``3dREMLfit``, whose grid takes steps of 0.1 up to 0.8, and whose function
   of the likelihood this is; positive correlations only, as there.
"""

import jax
import jax.numpy as jnp
import numpy as np

from ..core.linalg import dot
from ..core.struct import struct
from ._sampling_error import NoiseError, is_short, likelihood_errors, record_errors

__all__ = [
    "ARMAGrid",
    "Filter",
    "grid_error",
    "grid_gram",
    "grid_squares",
    "make_grid",
    "normal",
    "reml",
]

_STEPS = 9  # of 0.1, for a from 0 and for b on both sides of it


@struct
class ARMAGrid:
    """What contrasts need of the grid.

    Attributes
    ----------
    points : array (2, n_points)
        Autoregressive and moving average coefficients, the first point white.
    root : array (n_points, rank, rank)
        ``root @ root.T`` is the inverse of the information at a point.
    q : array (n_kept, rank)
        Orthonormal design.
    step : int array (n_kept,)
        Scans to the next one; 0 where a run ends.
    """

    points: np.ndarray
    root: np.ndarray
    q: np.ndarray
    step: np.ndarray


@struct
class Filter:
    """What the search needs besides.

    Attributes
    ----------
    keep, gain, weight : array (n_kept, n_points)
        The next prediction is `keep` times the last and `gain` times its error, whose
        variance is one over `weight`.
    half : array (n_points, rank, n_kept)
        From residuals to the coordinates of what the whitened design explains.
    penalty : array (n_points,)
        Log determinants of the noise and of the information.
    """

    keep: np.ndarray
    gain: np.ndarray
    weight: np.ndarray
    half: np.ndarray
    penalty: np.ndarray


def make_grid(q: np.ndarray, run_id: np.ndarray, keep: np.ndarray) -> tuple:
    """Whiten and factor a design at every point (host, float64).

    Parameters
    ----------
    q : array (n_kept, rank)
        Orthonormal design.
    run_id, keep : array (n_times,)
        Run of each scan, and whether it is used.

    Returns
    -------
    ARMAGrid, Filter
        In float64.
    """
    kept = np.flatnonzero(keep)
    number = np.cumsum(np.diff(run_id, prepend=run_id[0]) != 0)[keep]
    step = np.zeros(kept.size, int)
    step[:-1] = np.where(number[1:] == number[:-1], np.diff(kept), 0)
    steps = np.arange(_STEPS + 1)
    pairs = [(i, j) for i in steps for j in range(1 - i, _STEPS + 1)]
    points = np.array([(0, 0), *pairs]).T / 10
    table = _steps(points[0], points[1], step)
    roots, halves, sizes = [], [], []
    # A few points at a time: whitened designs of all are larger than what remains.
    for one in np.array_split(np.arange(points.shape[1]), _STEPS + 1):
        keep_, gain, weight = (values[:, one] for values in table)
        white = _whiten(q, keep_, gain, weight)  # (n_kept, n_points, rank)
        factor = np.linalg.cholesky(np.einsum("tgi,tgj->gij", white, white))
        inverse = np.linalg.inv(factor)
        back = _whiten_back(white, keep_, gain, weight)
        halves.append(inverse @ np.moveaxis(back, 0, 2))
        roots.append(np.swapaxes(inverse, 1, 2))
        diagonal = np.diagonal(factor, axis1=1, axis2=2)
        sizes.append(2 * np.log(diagonal).sum(1) - np.log(weight).sum(0))
    grid = ARMAGrid(points=points, root=np.concatenate(roots), q=q, step=step)
    names = ("keep", "gain", "weight")
    search = Filter(
        **dict(zip(names, table, strict=True)),
        half=np.concatenate(halves),
        penalty=np.concatenate(sizes),
    )
    return grid, search


def _steps(a: np.ndarray, b: np.ndarray, step: np.ndarray) -> tuple[np.ndarray, ...]:
    """Find the steps of the predictions, `keep`, `gain` and `weight`."""
    lam = (a + b) * (1 + a * b) / (1 + 2 * a * b + b**2)
    known = np.zeros_like(a)  # variance of the prediction, that of the data being 1
    rows = []
    for ahead in step:
        left = 1 - known
        gain = (lam - a * known) / left
        decay = a ** (ahead - 1) if ahead else 0 * a
        rows.append((a * decay, gain * decay, 1 / left))
        known = decay**2 * (a**2 * known + gain**2 * left)
    keep, gain, weight = np.moveaxis(np.array(rows), 1, 0)
    return keep, gain, weight


def _whiten(
    q: np.ndarray, keep: np.ndarray, gain: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Errors of prediction, scaled (n_times, n_points, rank)."""
    out = np.empty((*keep.shape, q.shape[1]))
    guess = np.zeros(out.shape[1:])
    for t, row in enumerate(q):
        error = row - guess
        out[t] = np.sqrt(weight[t])[:, None] * error
        guess = keep[t][:, None] * guess + gain[t][:, None] * error
    return out


def _whiten_back(
    white: np.ndarray, keep: np.ndarray, gain: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Apply the transpose of :func:`_whiten`."""
    out = np.empty_like(white)
    later = np.zeros(white.shape[1:])
    for t in reversed(range(len(white))):
        out[t] = np.sqrt(weight[t])[:, None] * white[t] + gain[t][:, None] * later
        later = keep[t][:, None] * later - out[t]
    return out


def reml(
    grid: ARMAGrid, search: Filter, e: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Choose the point of every voxel and solve its normal equations.

    Parameters
    ----------
    grid, search
        Of the design.
    e : array (n_kept, n_targets)
        Least squares residuals.

    Returns
    -------
    array (rank, n_targets)
        What generalised least squares adds to the coordinates.
    array (n_targets,)
        Sum of squares that is left, whitened; the data have variance 1.
    array (2, n_targets)
        Coefficients.
    """
    n_points, rank, n_times = search.half.shape
    flat = jnp.zeros((n_points, e.shape[1]), e.dtype)

    def predict(state: tuple, row: tuple) -> tuple[tuple, None]:
        guess, squares = state
        y, keep, gain, weight = row
        error = y[None] - guess
        guess = keep[:, None] * guess + gain[:, None] * error
        return (guess, squares + weight[:, None] * error**2), None

    steps = (e, search.keep, search.gain, search.weight)
    (_, squares), _ = jax.lax.scan(predict, (flat, flat), steps)

    def compare(best: tuple, point: tuple) -> tuple[tuple, None]:
        half, penalty, own, index = point
        inside = dot(half, e)
        left = jnp.maximum(own - jnp.sum(inside**2, axis=0), 0)
        cost = (n_times - rank) * jnp.log(left) + penalty
        better = cost < best[0]
        new = (cost, left, jnp.broadcast_to(index, better.shape), inside)
        chosen = [jnp.where(better, n, b) for n, b in zip(new[:3], best, strict=False)]
        return (*chosen, jnp.where(better[None], inside, best[3])), None

    worst, undefined = jnp.full_like(e[0], jnp.inf), jnp.full_like(e[0], jnp.nan)
    start = (worst, undefined, jnp.zeros(e.shape[1], int), jnp.zeros_like(e[:rank]))
    each = (search.half, search.penalty, squares, jnp.arange(n_points))
    (_, left, index, inside), _ = jax.lax.scan(compare, start, each)
    root = jnp.asarray(grid.root)[index]
    step = jnp.einsum("nij,jn->in", root, inside, precision="highest")
    return step, left, jnp.asarray(grid.points)[:, index]


def grid_gram(grid: ARMAGrid, ar: jax.Array, rows: jax.Array) -> jax.Array:
    """Quadratic forms of the inverse information, as :func:`gram` of normal equations.

    Parameters
    ----------
    grid : ARMAGrid
        Of the design.
    ar : array (2, n_targets)
        Points of the grid.
    rows : array (n_rows, rank)
        Contrasts.

    Returns
    -------
    array (n_rows, n_rows, n_targets)
        Symmetric.
    """
    half = dot(rows[None], grid.root)
    return jnp.moveaxis(dot(half, jnp.swapaxes(half, 1, 2)), 0, 2)[..., _at(grid, ar)]


def grid_squares(grid: ARMAGrid, ar: jax.Array, rows: jax.Array) -> jax.Array:
    """Diagonal of :func:`grid_gram`.

    Parameters
    ----------
    grid, ar, rows
        As in :func:`grid_gram`.

    Returns
    -------
    array (n_rows, n_targets)
        Variance of each contrast per unit of noise variance.
    """
    return jnp.sum(dot(rows[None], grid.root) ** 2, axis=2).T[:, _at(grid, ar)]


def _at(grid: ARMAGrid, ar: jax.Array) -> jax.Array:
    """Index of the point that coefficients are."""
    points = jnp.asarray(grid.points)
    return jnp.argmin(jnp.sum(jnp.abs(points[:, :, None] - ar[:, None]), axis=0), 0)


def normal(grid: ARMAGrid, ar: np.ndarray) -> np.ndarray:
    """Information at coefficients beside the grid (host).

    Parameters
    ----------
    grid : ARMAGrid
        Of the design.
    ar : array (2,)
        Coefficients.

    Returns
    -------
    array (rank, rank)
        Per unit of the variance of the innovations.
    """
    a, b = np.asarray(ar)[:, None]
    white = _whiten(grid.q, *_steps(a, b, grid.step))[:, 0]
    # The variance of the innovations over that of the data.
    return white.T @ white * (1 - a**2) / (1 + 2 * a * b + b**2)


def grid_error(grid: ARMAGrid, ar: np.ndarray) -> NoiseError:
    """Find the errors of the coefficients of one target (host, float64).

    Parameters
    ----------
    grid : ARMAGrid
        Of the design.
    ar : array (2,)
        Coefficients, their sum not 0.

    Returns
    -------
    NoiseError
        For a long series by the formula of these [1]_, without the weights'.

    References
    ----------
    .. [1] Box & Jenkins, Time Series Analysis, 1976, section 7.2.6.
    """
    n_times = len(grid.q)
    if not is_short(n_times, 2):
        return record_errors(ar, _spread(ar) / n_times, grid.q)
    border = np.append(0, np.cumsum(grid.step[:-1] == 0))
    time = np.append(0, np.cumsum(grid.step[:-1]))
    lag = np.abs(np.subtract.outer(time, time))
    together = border[:, None] == border

    def dense(values: np.ndarray) -> np.ndarray:
        a, b = values
        first = (a + b) * (1 + a * b)  # the covariance at lag 1, unscaled
        below = first * a ** (np.arange(1, lag.max() + 1) - 1.0)
        return np.append(1 + 2 * a * b + b**2, below)[lag] * together / (1 - a**2)

    return record_errors(ar, likelihood_errors(dense, ar, grid.q), grid.q, dense)


def _spread(ar: np.ndarray) -> np.ndarray:
    """Covariance of the estimates times the number of scans, for long series."""
    a, b = ar
    scale = (1 + a * b) / (a + b) ** 2
    one, two, both = 1 - a**2, 1 - b**2, 1 + a * b
    return scale * np.array([[one * both, -one * two], [-one * two, two * both]])
