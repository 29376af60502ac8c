"""Scores of predictions against what permuted responses reach."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check
from ..core.multiple import fdr
from ..core.progress import track
from ..core.struct import struct
from ._cube import defined, ratio

__all__ = ["Significance", "permutation_test"]


@struct
class Significance:
    """Scores beside what permuted responses reach.

    Attributes
    ----------
    scores : array (n_targets,)
        Score of the predictions; NaN for constant targets.
    p_value : array (n_targets,)
        One-sided, ``(1 + count of permuted >= score) / (1 + n_permutations)``.
    p_fdr : array (n_targets,)
        Adjusted for the false discovery rate over targets.
    p_corrected : array (n_targets,)
        Against the largest permuted score over targets: family-wise error.
    null_max : array (n_permutations,)
        That largest score of each permutation.
    """

    scores: jax.Array
    p_value: jax.Array
    p_fdr: jax.Array
    p_corrected: jax.Array
    null_max: jax.Array


def permutation_test(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    key: jax.Array,
    n_permutations: int = 1000,
    method: str = "block",
    block_size: int = 10,
    run_id: ArrayLike | None = None,
    metric: str = "correlation",
    batch_size: int = 8192,
    show_progress: bool = False,
) -> Significance:
    """Test held-out scores against permutations of the responses in time.

    Slow signals correlate by chance more than white ones. Blocks of neighbouring
    samples that are permuted as a whole, and circular shifts, keep their
    autocorrelation. The model is not fitted again: only the products of permuted
    responses and predictions change, and the null distribution is counted, not kept.

    Parameters
    ----------
    y_true, y_pred : array (n_samples, n_targets)
        Measured and predicted responses that no fit has seen together. Anything
        sliceable: targets are read in batches.
    key : jax.Array
        Random key. All targets share their permutations.
    n_permutations : int
        Number of permutations.
    method : {"block", "shift"}
        Permute blocks, within runs; or shift each run by a random number of samples,
        its end wrapped to its start.
    block_size : int
        Samples of a block; 1 for samples without order. The last of a run may be
        shorter.
    run_id : int array (n_samples,), optional
        Run of each sample, concrete. Default: one run.
    metric : {"correlation", "r2"}
        Score.
    batch_size : int
        Targets that are held on the device at a time.
    show_progress : bool
        Whether to draw a progress bar over batches of targets.

    Returns
    -------
    Significance
        Scores and p values.

    Raises
    ------
    ValueError
        If shapes disagree, an option is unknown or out of its range, or a run allows no
        permutation at all.

    References
    ----------
    .. [1] Nichols & Holmes, Human Brain Mapping 15, 2002, doi:10.1002/hbm.1058.
    .. [2] Benjamini & Hochberg, Journal of the Royal Statistical Society B 57, 1995,
       doi:10.1111/j.2517-6161.1995.tb02031.x.
    .. [3] Phipson & Smyth, Statistical Applications in Genetics and Molecular Biology
       9, 2010, doi:10.2202/1544-6115.1585.
    """
    check.choice("method", method, ("block", "shift"))
    check.choice("metric", metric, ("correlation", "r2"))
    if len(check.shape_of(y_true)) != 2 or (
        check.shape_of(y_true) != check.shape_of(y_pred)
    ):
        raise ValueError(
            f"y_pred has shape {check.shape_of(y_pred)} but y_true has shape "
            f"{check.shape_of(y_true)}; both must be (n_samples, n_targets)."
        )
    for name, value in (("n_permutations", n_permutations), ("block_size", block_size)):
        if value < 1:
            raise ValueError(f"{name} is {value} but must be at least 1.")
    n_samples, n_targets = check.shape_of(y_true)
    sizes = _runs(run_id, n_samples)
    if method == "block" and (sizes <= block_size).all():
        raise ValueError(
            f"block_size is {block_size} but the longest run has {sizes.max()} "
            "samples; shorter blocks can be permuted."
        )
    if method == "block":
        rows = _blocks(key, tuple(sizes.tolist()), n_permutations, block_size)
    else:
        rows = _shifts(key, tuple(sizes.tolist()), n_permutations)
    parts = []
    starts = range(0, n_targets, max(1, batch_size))
    for start in track(starts, show=show_progress, desc="permutations"):
        pair = [
            check.float_array(name, y[:, start : start + batch_size])  # type: ignore[index]  # sliceable, of unknown type
            for name, y in (("y_true", y_true), ("y_pred", y_pred))
        ]
        parts.append(_test(*pair, rows, metric=metric))
    scores, count, largest = (list(part) for part in zip(*parts, strict=True))
    null_max = jnp.stack(largest).max(axis=0)
    result = _finish(jnp.concatenate(scores), jnp.concatenate(count), null_max)
    defined("score", result.scores, "which are constant")
    return result


def _runs(run_id: ArrayLike | None, n_samples: int) -> np.ndarray:
    """Lengths of the runs."""
    if run_id is None:
        return np.array([n_samples])
    run = np.asarray(run_id)
    if run.shape != (n_samples,):
        raise ValueError(
            f"run_id has shape {run.shape} but must name the run of each of the "
            f"{n_samples} samples."
        )
    edges = np.flatnonzero(np.diff(run)) + 1
    if edges.size + 1 != np.unique(run).size:
        raise ValueError("run_id comes back to a run it had left; sort the runs.")
    return np.diff(np.concatenate([[0], edges, [n_samples]]))


@partial(jax.jit, static_argnums=(1, 2, 3))
def _blocks(
    key: jax.Array, lengths: tuple[int, ...], n_permutations: int, block_size: int
) -> jax.Array:
    """Rows of permuted blocks, (n_permutations, n_samples)."""
    sizes = np.array(lengths)
    run = np.repeat(np.arange(sizes.size), sizes)
    within = np.arange(run.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    new = within % block_size == 0
    block = np.cumsum(new) - 1
    offset = jnp.asarray(within % block_size)
    run_of_block = jnp.asarray(run[new])

    def one(key: jax.Array) -> jax.Array:
        # Sorting by run, then at random, then by place in the block, moves whole
        # blocks: also a short one, wherever it lands.
        chance = jax.random.uniform(key, run_of_block.shape)
        order = jnp.lexsort((chance, run_of_block))
        place = jnp.argsort(order)[jnp.asarray(block)]
        return jnp.lexsort((offset, place))

    return jax.lax.map(one, jax.random.split(key, n_permutations))


@partial(jax.jit, static_argnums=(1, 2))
def _shifts(key: jax.Array, lengths: tuple[int, ...], n_permutations: int) -> jax.Array:
    """Rows of circular shifts, (n_permutations, n_samples)."""
    sizes = np.array(lengths)
    if (sizes < 2).all():
        raise ValueError("run_id has runs of one sample only, which cannot be shifted.")
    start = np.repeat(np.cumsum(sizes) - sizes, sizes)
    size = np.repeat(sizes, sizes)
    within = np.arange(start.size) - start
    run = np.repeat(np.arange(sizes.size), sizes)

    def one(key: jax.Array) -> jax.Array:
        low = np.minimum(1, sizes - 1)
        step = jax.random.randint(key, sizes.shape, low, np.maximum(sizes, 1))
        return jnp.asarray(start) + (jnp.asarray(within) + step[run]) % size

    return jax.lax.map(one, jax.random.split(key, n_permutations))


@partial(jax.jit, static_argnames="metric")
def _test(
    y_true: jax.Array, y_pred: jax.Array, rows: jax.Array, *, metric: str
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Scores, counts of permuted scores as high, and largest permuted scores."""
    y, x = (_centered(part) for part in (y_true, y_pred))
    scale = jnp.sqrt((y**2).sum(axis=0)) * jnp.sqrt((x**2).sum(axis=0))
    total = (y**2).sum(axis=0)
    offset = y_true.mean(axis=0) - y_pred.mean(axis=0)
    # Neither term changes when rows are permuted.
    rest = (x**2).sum(axis=0) + y.shape[0] * offset**2

    def score(rows: jax.Array) -> jax.Array:
        product = (y[rows] * x).sum(axis=0)
        if metric == "correlation":
            return ratio(product, scale)
        return ratio(2 * product - rest, total)

    found = score(jnp.arange(y.shape[0]))
    # Equal permutations must count as equal whatever the order of their sums.
    margin = 8 * jnp.finfo(y.dtype).eps * jnp.maximum(jnp.abs(found), 1)

    def step(count: jax.Array, rows: jax.Array) -> tuple[jax.Array, jax.Array]:
        permuted = score(rows)
        count = count + (permuted >= found - margin).astype(count.dtype)
        return count, jnp.where(jnp.isnan(permuted), -jnp.inf, permuted).max()

    count, largest = jax.lax.scan(step, jnp.zeros(found.shape, jnp.int32), rows)
    return found, count, largest


def _centered(y: jax.Array) -> jax.Array:
    y = y - y.mean(axis=0, keepdims=True)
    y = y - y.mean(axis=0, keepdims=True)
    return jnp.where(jnp.ptp(y, axis=0, keepdims=True) == 0, 0, y)


@jax.jit
def _finish(scores: jax.Array, count: jax.Array, null_max: jax.Array) -> Significance:
    known = ~jnp.isnan(scores)
    n = jnp.asarray(null_max.size + 1, scores.dtype)
    p = jnp.where(known, (count.astype(scores.dtype) + 1) / n, jnp.nan)
    rank = jnp.searchsorted(jnp.sort(null_max), scores, side="left")
    larger = (null_max.size - rank).astype(scores.dtype)
    corrected = jnp.where(known, (larger + 1) / n, jnp.nan)
    return Significance(
        scores=scores,
        p_value=p,
        p_fdr=fdr(p),
        p_corrected=corrected,
        null_max=null_max,
    )
