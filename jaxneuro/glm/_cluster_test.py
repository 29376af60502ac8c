"""Permutation tests of clusters and of enhanced maps."""

from collections.abc import Callable, Iterator
from functools import partial

import jax
import numpy as np
import scipy.stats
from jax.typing import ArrayLike

from ..core import check
from ..core.linalg import dot
from ..core.progress import track
from ..core.struct import static, struct
from ._clusters import Clusters, clusters, largest, neighbor_table
from ._resample import (
    Draws,
    Problem,
    draws,
    observed_t,
    partial_r2,
    problem,
    resampled,
    t_of,
)
from ._tfce import check_powers, enhance

__all__ = ["ClusterTest", "TFCETest", "cluster_test", "tfce_test"]

# Elements of the block of t maps that is on its way to the host.
_ELEMENTS = 2**22


@struct
class ClusterTest:
    """Clusters beside the permutation distribution of the largest.

    Attributes
    ----------
    stat : array (n_targets,)
        t of the data.
    clusters : Clusters
        Clusters of `stat` beyond `threshold`.
    p_extent, p_mass : array (n_clusters,)
        Family-wise corrected p of each cluster's extent and mass.
    null_extent, null_mass : array (n_permutations,)
        Largest of each resampling.
    threshold : float
        In units of t.
    """

    stat: jax.Array
    clusters: Clusters
    p_extent: np.ndarray
    p_mass: np.ndarray
    null_extent: np.ndarray
    null_mass: np.ndarray
    threshold: float = static()  # type: ignore[assignment]  # a dataclass field


@struct
class TFCETest:
    """Enhanced statistics beside the permutation distribution of the largest.

    Attributes
    ----------
    stat : array (n_targets,)
        t of the data.
    score : array (n_targets,)
        Enhanced `stat`.
    p_corrected : array (n_targets,)
        Family-wise corrected p of the scores.
    null : array (n_permutations,)
        Largest size of a score in each resampling.
    """

    stat: jax.Array
    score: np.ndarray
    p_corrected: np.ndarray
    null: np.ndarray


def cluster_test(
    maps: ArrayLike,
    tested: ArrayLike,
    edges: ArrayLike,
    *,
    p_threshold: float = 0.001,
    confounds: ArrayLike | None = None,
    key: jax.Array | None = None,
    n_permutations: int = 10_000,
    permutations: ArrayLike | None = None,
    two_sided: bool = True,
    sign_flip: bool | None = None,
    fit_intercept: bool = True,
    show_progress: bool = False,
) -> ClusterTest:
    """Test the extent and mass of clusters by resampling, corrected by the maximum.

    Memory: one block of t maps (at most 4 million values) beside the maps.

    Parameters
    ----------
    maps : array (n_samples, n_targets)
        One map per subject, or per image.
    tested : array (n_samples,)
        Variate. Ones test the mean.
    edges : int array (n_edges, 2)
        Pairs of neighbouring targets, from :func:`volume_edges` or
        :func:`mesh_edges`.
    p_threshold : float
        Uncorrected p of t beyond which targets form clusters.
    confounds, key, n_permutations, permutations, two_sided, sign_flip, fit_intercept
        As in :func:`permutation_test`.
    show_progress : bool
        Whether to draw a progress bar.

    Returns
    -------
    ClusterTest
        Clusters with corrected p values, and the nulls.

    Raises
    ------
    ValueError
        As in :func:`permutation_test`, and if `tested` is not one variate, `edges`
        are no pairs of targets or `p_threshold` is not between 0 and 1.

    References
    ----------
    .. [1] Bullmore et al., IEEE Transactions on Medical Imaging 18 (1999) 32-42,
       doi:10.1109/42.750253. Given the same resamplings the nulls equal those of
       nilearn's ``permuted_ols``.
    """
    if not 0 < p_threshold < 1:
        raise ValueError(f"p_threshold is {p_threshold} but must be between 0 and 1.")
    p = _one_variate(maps, tested, confounds, sign_flip, fit_intercept)
    table = neighbor_table(edges, p.maps.shape[1])
    tail = p_threshold / 2 if two_sided else p_threshold
    threshold = float(scipy.stats.t.isf(tail, p.dof))
    d = draws(p, key, n_permutations, permutations, block=_block(p))
    measure = partial(largest, table=table, threshold=threshold, two_sided=two_sided)
    null = _null(p, d, measure, show=show_progress)
    stat = observed_t(p)[0]
    found = clusters(stat, edges, threshold, two_sided=two_sided)
    return ClusterTest(
        stat=stat,
        clusters=found,
        p_extent=_corrected(found.extent, null[:, 0], p.maps.dtype),
        p_mass=_corrected(found.mass, null[:, 1], p.maps.dtype),
        null_extent=null[:, 0],
        null_mass=null[:, 1],
        threshold=threshold,
    )


def tfce_test(
    maps: ArrayLike,
    tested: ArrayLike,
    edges: ArrayLike,
    *,
    extent_power: float = 0.5,
    height_power: float = 2.0,
    n_steps: int | None = None,
    confounds: ArrayLike | None = None,
    key: jax.Array | None = None,
    n_permutations: int = 10_000,
    permutations: ArrayLike | None = None,
    two_sided: bool = True,
    sign_flip: bool | None = None,
    fit_intercept: bool = True,
    show_progress: bool = False,
) -> TFCETest:
    """Test enhanced maps by resampling, corrected by the maximum.

    Memory: one block of t maps (at most 4 million values) beside the maps.

    Parameters
    ----------
    maps : array (n_samples, n_targets)
        One map per subject, or per image.
    tested : array (n_samples,)
        Variate. Ones test the mean.
    edges : int array (n_edges, 2)
        Pairs of neighbouring targets, from :func:`volume_edges` or
        :func:`mesh_edges`.
    extent_power, height_power, n_steps
        As in :func:`tfce`.
    confounds, key, n_permutations, permutations, two_sided, sign_flip, fit_intercept
        As in :func:`permutation_test`.
    show_progress : bool
        Whether to draw a progress bar.

    Returns
    -------
    TFCETest
        Scores with corrected p values, and the null.

    Raises
    ------
    ValueError
        As in :func:`permutation_test` and :func:`tfce`, and if `tested` is not one
        variate.

    References
    ----------
    .. [1] Smith & Nichols, NeuroImage 44 (2009) 83-98,
       doi:10.1016/j.neuroimage.2008.03.061.
    """
    check_powers(extent_power, height_power, n_steps)
    p = _one_variate(maps, tested, confounds, sign_flip, fit_intercept)
    raised = partial(
        enhance,
        table=neighbor_table(edges, p.maps.shape[1]),
        extent_power=extent_power,
        height_power=height_power,
        n_steps=n_steps,
        two_sided=two_sided,
    )
    d = draws(p, key, n_permutations, permutations, block=_block(p))
    null = _null(p, d, lambda t: (np.abs(raised(t)).max(),), show=show_progress)
    stat = observed_t(p)[0]
    t = np.asarray(stat, np.float64)
    score = np.where(np.isfinite(t), raised(t), np.nan)
    p_corrected = _corrected(np.abs(score), null[:, 0], p.maps.dtype)
    return TFCETest(stat=stat, score=score, p_corrected=p_corrected, null=null[:, 0])


def _one_variate(
    maps: ArrayLike,
    tested: ArrayLike,
    confounds: ArrayLike | None,
    sign_flip: bool | None,
    fit_intercept: bool,
) -> Problem:
    check.has_ndim("tested", tested, 1)
    return problem(
        maps, tested, confounds, sign_flip=sign_flip, fit_intercept=fit_intercept
    )


def _block(p: Problem) -> int:
    return max(_ELEMENTS // (p.maps.shape[1] * p.rows.shape[1]), 1)


def _null(
    p: Problem, d: Draws, measure: Callable[[np.ndarray], tuple], *, show: bool
) -> np.ndarray:
    """Measures of the t map of each resampling, (n_permutations, n_measures)."""
    steps = track(range(d.total), show=show, desc="permutations")
    pairs = zip(steps, _t_maps(p, d), strict=True)
    return np.array([measure(t) for _, t in pairs], dtype=np.float64)


def _t_maps(p: Problem, d: Draws) -> Iterator[np.ndarray]:
    left = d.total
    for block in d.blocks:
        yield from np.asarray(_t_block(p, d, block), np.float64)[:left]
        left -= d.size


@jax.jit
def _t_block(p: Problem, d: Draws, block: jax.Array) -> jax.Array:
    """Give the t maps of a block of resamplings, (size, n_targets)."""
    rows = p.rows[0]
    W = resampled(rows, p, d, block).reshape(-1, rows.shape[1])
    values = dot(W, p.maps).reshape(rows.shape[0], d.size, -1)
    return t_of(partial_r2(values, two_sided=False), p.dof)


def _corrected(score: np.ndarray, null: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Give p against the maxima; equal within rounding counts as reached."""
    slack = 1e3 * np.finfo(dtype).eps
    reached = null.size - np.searchsorted(np.sort(null), score * (1 - slack))
    return np.where(np.isnan(score), np.nan, (1 + reached) / (1 + null.size))
