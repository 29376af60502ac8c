"""Proximal gradient steps along a path of penalties, all targets in one product.

Every target walks down its own path at its own pace: one that has converged goes on
to its next penalty while others still work on theirs. Between penalties a solution
moves almost linearly, which gives a start that often is the solution.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ..core.linalg import dot
from ..core.struct import static, struct

__all__ = ["Penalty", "Walk", "floor_tol", "walk"]

# Above this condition number momentum is worth its cost.
_CONDITION = 16.0


@struct
class Penalty:
    """Strengths of a path of penalties.

    Attributes
    ----------
    l1, l2 : array (n_alphas, n_targets)
        Weight of the absolute values, and of half the squares.
    weight : array (n_features,)
        One over the deviations by which the predictors were divided.
    ridged : bool
        Whether `l2` is not zero.
    positive : bool
        Whether coefficients are constrained to be positive.
    """

    l1: jax.Array
    l2: jax.Array
    weight: jax.Array
    ridged: bool = static()  # type: ignore[assignment]  # a dataclass field
    positive: bool = static()  # type: ignore[assignment]  # as above


class Walk(NamedTuple):
    """Where the targets are on their paths.

    Attributes
    ----------
    coef, slope : array (p, n_targets)
        Where the next product is taken; solution of the last penalty at the end.
    old, old_slope : array (p, n_targets)
        The solution of the penalty before, and the slope there.
    last : array (p, n_targets), or None
        The step before, where there is momentum.
    at : int array (n_targets,)
        Which penalty comes next.
    count, total : int array (n_targets,)
        Iterations at this penalty, and at all.
    since : array (n_targets,)
        Iterations since momentum was lost.
    error : array (n_alphas, n_targets)
        Held-out squared error of each solution, less that of the mean.
    solved : bool array (n_targets,)
        Whether every penalty was solved within the tolerance.
    """

    coef: jax.Array
    old: jax.Array
    old_slope: jax.Array
    last: jax.Array | None
    at: jax.Array
    count: jax.Array
    total: jax.Array
    since: jax.Array
    error: jax.Array
    solved: jax.Array


def floor_tol(tol: float, dtype: jnp.dtype) -> float:
    """Raise a tolerance to what the arithmetic can reach.

    Parameters
    ----------
    tol : float
        Asked for.
    dtype : dtype
        Float.

    Returns
    -------
    float
        At least 30 rounding errors.
    """
    return max(float(tol), 30 * float(jnp.finfo(dtype).eps))


def walk(
    xx: jax.Array,
    xy: jax.Array,
    penalty: Penalty,
    *,
    tol: float,
    max_iter: int,
    start: jax.Array | None = None,
    test: tuple[jax.Array, jax.Array] | None = None,
) -> Walk:
    """Solve for every penalty in turn.

    Minimises ``b'xx b / 2 - b'xy + l1 |b|_1 + l2 |b|^2 / 2`` for every target. With
    the eigenvalues of `xx` between m and L, steps have length 2 / (L + m); where
    ``L > 16 m`` they have length 1 / L and momentum, which a target loses whenever
    it points uphill.

    Parameters
    ----------
    xx : array (p, p)
        Products of the predictors.
    xy : array (p, n_targets)
        Products with the targets.
    penalty : Penalty
        Strengths, in falling order.
    tol : float
        Largest violation of the optimality conditions, relative to the largest
        ``|xy|`` of a target.
    max_iter : int
        Most iterations per penalty.
    start : array (p, n_targets), optional
        First guess. Default: zero.
    test : pair of array (p, p) and (p, n_targets), optional
        Test products, for the held-out errors.

    Returns
    -------
    Walk
        At the end of all paths.

    References
    ----------
    .. [1] Beck & Teboulle, SIAM Journal on Imaging Sciences 2 (2009) 183-202,
       doi:10.1137/080716542.
    .. [2] O'Donoghue & Candes, Foundations of Computational Mathematics 15 (2015)
       715-732, doi:10.1007/s10208-013-9150-3.
    """
    gain = jnp.linalg.eigvalsh(xx)
    low, high = jnp.maximum(gain[0], 0), gain[-1]
    high = jnp.where(high > 0, high, 1)
    task = _Task(
        xx=xx if test is None else jnp.concatenate([xx, test[0]]),
        xy=xy,
        test_xy=None if test is None else test[1],
        limit=floor_tol(tol, xy.dtype) * jnp.abs(xy).max(0),
        penalty=penalty,
        max_iter=max_iter,
    )
    return jax.lax.cond(
        high > _CONDITION * low,
        lambda: _run(task, 1 / high, start, momentum=True),
        lambda: _run(task, 2 / (high + low), start, momentum=False),
    )


@struct
class _Task:
    xx: jax.Array
    xy: jax.Array
    test_xy: jax.Array | None
    limit: jax.Array
    penalty: Penalty
    max_iter: int = static()  # type: ignore[assignment]  # a dataclass field


def _run(
    task: _Task, length: jax.Array, start: jax.Array | None, *, momentum: bool
) -> Walk:
    n_alphas, n_targets = task.penalty.l1.shape
    zero = jnp.zeros_like(task.xy)
    count = jnp.zeros(n_targets, jnp.int32)
    first = Walk(
        coef=zero if start is None else start,
        old=zero,
        old_slope=zero,
        last=(zero if start is None else start) if momentum else None,
        at=count,
        count=count,
        total=count,
        since=jnp.zeros_like(task.limit),
        error=jnp.zeros((n_alphas, n_targets), task.xy.dtype),
        solved=jnp.ones(n_targets, bool),
    )

    def body(w: Walk) -> Walk:
        return _step(w, task, length)

    final = jax.lax.while_loop(lambda w: (w.at < n_alphas).any(), body, first)
    return final._replace(last=None)


def _step(w: Walk, task: _Task, length: jax.Array) -> Walk:
    """One product for all targets, and what each makes of it."""
    penalty, p = task.penalty, task.xy.shape[0]
    n_alphas, n_targets = penalty.l1.shape
    product = dot(task.xx, w.coef)
    slope = task.xy - product[:p]
    lane = jnp.arange(n_targets, dtype=jnp.int32)
    at = jnp.minimum(w.at, n_alphas - 1)
    here = penalty.l1[at, lane]
    worst = _violation(w.coef, slope, here, penalty.l2[at, lane], penalty)
    met = worst <= task.limit
    active = w.at < n_alphas
    done = active & (met | (w.count + 1 >= task.max_iter))
    error = w.error
    if task.test_xy is not None:
        value = (w.coef * (product[p:] - 2 * task.test_xy)).sum(0)
        row = jnp.where(done, w.at, n_alphas)
        error = error.at[row, lane].set(value, mode="drop")
    # Extrapolate along the segment between the last two solutions.
    following = jnp.minimum(at + 1, n_alphas - 1)
    ahead = penalty.l1[following, lane]
    gone = here - penalty.l1[jnp.maximum(at - 1, 0), lane]
    ratio = jnp.where(gone < 0, (ahead - here) / jnp.where(gone < 0, gone, 1), 0)
    ratio = jnp.where(done, ratio, 0)[None]
    center = w.coef + ratio * (w.coef - w.old)
    center_slope = slope + ratio * (slope - w.old_slope)
    l1 = jnp.where(done, ahead, here)
    l2 = penalty.l2[jnp.where(done, following, at), lane]
    coef = _shrink(center + length * center_slope, length, l1, l2, penalty)
    last, since = w.last, w.since
    if last is not None:
        fresh = done | (((w.coef - coef) * (coef - last)).sum(0) > 0)
        since = jnp.where(fresh, 0, since + 1)
        pull = (since / (since + 3))[None]
        coef, last = coef + pull * (coef - last), coef
        if penalty.positive:
            coef = jnp.maximum(coef, 0)
    moved = done[None]
    return Walk(
        coef=coef,
        old=jnp.where(moved, w.coef, w.old),
        old_slope=jnp.where(moved, slope, w.old_slope),
        last=last,
        at=w.at + done.astype(jnp.int32),
        count=jnp.where(done, 0, w.count + 1),
        total=w.total + active.astype(jnp.int32),
        since=since,
        error=error,
        solved=w.solved & (met | ~done),
    )


def _violation(
    coef: jax.Array, slope: jax.Array, l1: jax.Array, l2: jax.Array, penalty: Penalty
) -> jax.Array:
    """Largest violation of the optimality conditions, by target."""
    bound = l1[None] * penalty.weight[:, None]
    if penalty.ridged:
        slope = slope - l2[None] * penalty.weight[:, None] ** 2 * coef
    above, below = slope - bound, -slope - bound
    if penalty.positive:
        return jnp.where(coef > 0, jnp.abs(above), above).max(0)
    up = jnp.where(coef < 0, jnp.abs(below), above)
    down = jnp.where(coef > 0, jnp.abs(above), below)
    return jnp.maximum(up, down).max(0)


def _shrink(
    y: jax.Array, length: jax.Array, l1: jax.Array, l2: jax.Array, penalty: Penalty
) -> jax.Array:
    """Proximal map of the penalty."""
    cut = (length * l1)[None] * penalty.weight[:, None]
    y = jnp.maximum(y - cut, 0) if penalty.positive else y - jnp.clip(y, -cut, cut)
    if penalty.ridged:
        y = y / (1 + (length * l2)[None] * penalty.weight[:, None] ** 2)
    return y
