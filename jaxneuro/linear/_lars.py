"""Least-angle steps along the lasso path, exact, for many targets in step.

Every target has its own active features. What is shared is the matrix of products:
the change of all correlations is one product for all targets. The inverse of each
target's active products is kept up to date by one rank-one change per step, a
feature that enters or one that leaves.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..core.linalg import dot

__all__ = ["Knots", "Path", "follow"]

# scikit-learn's: penalties that differ by less count as equal.
EQUAL = float(np.finfo(np.float32).eps)


class Knots(NamedTuple):
    """Where the directions of the paths change.

    Between two knots the held-out error is ``error + t (slope + t curve)``, ``t``
    being ``n`` times the distance of the penalty from that of the knot.

    Attributes
    ----------
    alpha : array (n_knots, n_targets)
        Penalty, falling; minus infinity beyond the last knot.
    error, slope, curve : array (n_knots, n_targets)
        Held-out squared error less that of the mean, and its course.
    """

    alpha: jax.Array
    error: jax.Array
    slope: jax.Array
    curve: jax.Array


class Path(NamedTuple):
    """State of the paths of a block of targets.

    Attributes
    ----------
    coef, slope : array (p, n_targets)
        Coefficients, and products of the residuals with the predictors.
    free : bool array (p, n_targets)
        Features that are not active and may enter.
    feature : int array (n_slots, n_targets)
        Feature in each slot, p where there is none.
    sign, size : array (n_slots, n_targets)
        Sign of its correlation, and its coefficient.
    inverse : array (n_slots, n_slots, n_targets)
        Inverse of the products of the active features, zero elsewhere.
    leaves : int array (n_targets,)
        Slot whose feature is to leave, -1 where none is.
    at, n_iter : int array (n_targets,)
        Knot, and number of steps.
    live, sound : bool array (n_targets,)
        Whether the path goes on, and whether it ended as it should.
    test : array (p, n_targets)
        Test products times the coefficients.
    error, level : array (n_targets,)
        Held-out error here, and the last correlation.
    knots : Knots
        So far.
    """

    coef: jax.Array
    slope: jax.Array
    free: jax.Array
    feature: jax.Array
    sign: jax.Array
    size: jax.Array
    inverse: jax.Array
    leaves: jax.Array
    at: jax.Array
    n_iter: jax.Array
    live: jax.Array
    sound: jax.Array
    test: jax.Array
    error: jax.Array
    level: jax.Array
    knots: Knots


def follow(
    xx: jax.Array,
    xy: jax.Array,
    n: jax.Array,
    *,
    max_iter: int,
    n_slots: int,
    alpha_min: jax.Array | None = None,
    test: tuple[jax.Array, jax.Array] | None = None,
) -> Path:
    """Follow the lasso path of every target.

    A path ends after `max_iter` steps (features that enter or leave), at
    `alpha_min`, where all features are active, or where no correlation is left.

    Parameters
    ----------
    xx : array (p, p)
        Products of the predictors.
    xy : array (p, n_targets)
        Products with the targets.
    n : array ()
        Sum of weights.
    max_iter : int
        Most steps.
    n_slots : int
        Most active features.
    alpha_min : array (n_targets,), optional
        Penalty at which to stop. Default: zero.
    test : pair of array (p, p) and (p, n_targets), optional
        Test products, for the held-out errors.

    Returns
    -------
    Path
        At its end.

    References
    ----------
    .. [1] Efron, Hastie, Johnstone & Tibshirani, Annals of Statistics 32 (2004)
       407-499, doi:10.1214/009053604000000067; scikit-learn ``lars_path``.
    """
    p, n_targets = xy.shape
    zero, none = jnp.zeros_like(xy), jnp.zeros(n_targets, jnp.int32)
    slots = jnp.zeros((n_slots, n_targets), xy.dtype)
    knots = jnp.zeros((max_iter + 1 if test is not None else 0, n_targets), xy.dtype)
    least = jnp.zeros(n_targets, xy.dtype) if alpha_min is None else alpha_min
    first = Path(
        coef=zero,
        slope=xy,
        free=jnp.broadcast_to(jnp.diagonal(xx)[:, None] > 0, xy.shape),
        feature=jnp.full(slots.shape, p, jnp.int32),
        sign=slots,
        size=slots,
        inverse=jnp.zeros((n_slots, n_slots, n_targets), xy.dtype),
        leaves=none - 1,
        at=none,
        n_iter=none,
        live=jnp.ones(n_targets, bool),
        sound=jnp.ones(n_targets, bool),
        test=zero if test is not None else zero[:0],
        error=slots[0],
        level=jnp.full(n_targets, jnp.inf, xy.dtype),
        knots=Knots(jnp.full_like(knots, -jnp.inf), knots, knots, knots),
    )
    stacked = xx if test is None else jnp.concatenate([xx, test[0]])
    test_xy = None if test is None else test[1]

    def body(s: Path) -> Path:
        return _step(s, stacked, test_xy, n, least, max_iter)

    return jax.lax.while_loop(lambda s: s.live.any(), body, first)


class _Turn(NamedTuple):
    """What a step starts from: which targets go, and with which features."""

    level: jax.Array
    goes: jax.Array
    spoiled: jax.Array
    back: jax.Array
    path: Path


def _step(
    s: Path,
    stacked: jax.Array,
    test_xy: jax.Array | None,
    n: jax.Array,
    least: jax.Array,
    max_iter: int,
) -> Path:
    """Turn at a knot and go on to the next."""
    p = s.slope.shape[0]
    here = s
    turn = _turn(s, stacked, n, least, max_iter)
    s, goes = turn.path, turn.goes
    move = _times(s.inverse, s.sign)
    lane = jnp.arange(goes.size, dtype=jnp.int32)
    direction = jnp.zeros((p + 1, goes.size), move.dtype)
    direction = direction.at[s.feature, lane[None]].add(move)[:p]
    product = dot(stacked, direction)
    fall = product[:p]
    length = jnp.minimum(_next_entry(s, fall, turn), turn.level)
    shrinks = move * s.sign < 0
    reach = jnp.maximum(-s.size / jnp.where(shrinks, move, 1), 0)
    reach = jnp.where(shrinks, reach, jnp.inf)
    nearest = reach.min(0)
    end = turn.level - n * least
    final = goes & (least > 0) & (end <= jnp.minimum(length, nearest))
    drops = goes & ~final & (nearest < length)
    length = jnp.minimum(length, nearest)
    length = jnp.where(goes, jnp.where(final, end, length), 0)
    order = jnp.arange(s.feature.shape[0], dtype=jnp.int32)[:, None]
    slot = jnp.where(reach == nearest[None], order, order.size).min(0)
    leaves = jnp.where(goes, jnp.where(drops, slot, -1), s.leaves)
    size = jnp.where(order == leaves[None], 0, s.size + length[None] * move)
    gone = jnp.where(drops[None] & (order == leaves[None]), s.feature, p).min(0)
    coef = s.coef + length[None] * direction
    feature = jnp.arange(p, dtype=jnp.int32)[:, None]
    left = feature == gone[None]
    s = s._replace(
        coef=jnp.where(left, 0, coef),
        free=s.free | left,
        slope=s.slope - length[None] * fall,
        size=size,
        leaves=leaves,
        at=s.at + (goes & ~final).astype(jnp.int32),
        n_iter=s.n_iter + goes.astype(jnp.int32),
        live=here.live & (goes | turn.spoiled) & ~final,
        level=jnp.where(goes, turn.level, s.level),
    )
    if test_xy is None:
        return s
    way = _Way(direction, product[p:], length, goes)
    row = jnp.where(here.live & ~turn.spoiled, here.at, max_iter + 1)
    return _record(s, way, test_xy, turn.level / n, row)


class _Way(NamedTuple):
    """From one knot to the next: where to, its test products, how far, and who."""

    direction: jax.Array
    product: jax.Array
    length: jax.Array
    goes: jax.Array


def _record(
    s: Path, way: _Way, test_xy: jax.Array, alpha: jax.Array, row: jax.Array
) -> Path:
    """Note the knot that is left, and go on with the held-out error."""
    slope = (way.direction * (s.test - test_xy)).sum(0)
    slope = jnp.where(way.goes, 2 * slope, 0)
    curve = jnp.where(way.goes, (way.direction * way.product).sum(0), 0)
    lane = jnp.arange(row.size, dtype=jnp.int32)
    values = Knots(alpha, s.error, slope, curve)
    return s._replace(
        test=s.test + way.length[None] * way.product,
        error=s.error + way.length * (slope + way.length * curve),
        knots=jax.tree.map(
            lambda knots, value: knots.at[row, lane].set(value, mode="drop"),
            s.knots,
            values,
        ),
    )


def _turn(
    s: Path, xx: jax.Array, n: jax.Array, least: jax.Array, max_iter: int
) -> _Turn:
    """Find who goes on, and let one feature enter or leave."""
    p, n_targets = s.slope.shape
    n_slots = s.feature.shape[0]
    pull = jnp.where(s.free, jnp.abs(s.slope), 0)
    level = pull.max(0)
    # Rounding may lift it a little; where it does more, the path has lost its way.
    lost = level > s.level * (1 + float(jnp.finfo(level.dtype).eps) ** 0.5)
    level = jnp.minimum(level, s.level)
    n_active = (s.feature < p).sum(0, dtype=jnp.int32)
    drops = s.leaves >= 0
    full = (n_active >= p) & ~drops
    ends = (level / n <= least + EQUAL) | (s.at >= max_iter) | full
    goes = s.live & ~ends & ~lost
    feature = jnp.arange(p, dtype=jnp.int32)[:, None]
    order = jnp.arange(n_slots, dtype=jnp.int32)[:, None]
    lane = jnp.arange(n_targets, dtype=jnp.int32)
    entry = jnp.where(pull == pull.max(0)[None], feature, p - 1).min(0)
    slot = jnp.where(s.feature == p, order, n_slots).min(0)
    enters = goes & ~drops
    out = (order == s.leaves[None]) & goes[None]
    known = xx[jnp.minimum(s.feature, p - 1), entry[None]]
    known = jnp.where(s.feature < p, known, 0)
    column = _times(s.inverse, jnp.where(out, 1, jnp.where(drops[None], 0, known)))
    own = xx[entry, entry]
    rest = own - (column * known).sum(0)
    limit = 100 * float(jnp.finfo(own.dtype).eps)
    spoiled = enters & ((rest <= limit * own) | (slot == n_slots))
    enters &= ~spoiled
    into = (order == slot[None]) & enters[None]
    pivot = jnp.where(out, column, 0).sum(0)
    scale = jnp.where(drops, -pivot, rest)
    scale = jnp.where(goes & ~spoiled, 1 / jnp.where(scale == 0, 1, scale), 0)
    column = column - into.astype(column.dtype)
    inverse = s.inverse + (scale[None] * column)[None] * column[:, None]
    inverse = jnp.where(out[None] | out[:, None], 0, inverse)
    left = jnp.where(out, s.feature, p).min(0)
    back = (feature == left[None]) & (goes & drops)[None]
    taken = (feature == entry[None]) & (enters | spoiled)[None]
    sign = jnp.sign(s.slope[entry, lane])[None]
    path = s._replace(
        free=s.free & ~taken,
        feature=jnp.where(into, entry[None], jnp.where(out, p, s.feature)),
        sign=jnp.where(into, sign, jnp.where(out, 0, s.sign)),
        size=jnp.where(into | out, 0, s.size),
        inverse=inverse,
        sound=s.sound & ~(s.live & lost),
    )
    return _Turn(level, goes & ~spoiled, spoiled, back, path)


def _next_entry(s: Path, fall: jax.Array, turn: _Turn) -> jax.Array:
    """How far to go until another feature is as correlated as the active ones."""
    level, slope = turn.level[None], s.slope

    def distance(gap: jax.Array, closing: jax.Array, kept: jax.Array) -> jax.Array:
        ok = kept & (gap > 0) & (closing > 0)
        return jnp.where(ok, gap / jnp.where(ok, closing, 1), jnp.inf)

    # The feature that has just left is still at the level, and falls behind it.
    above = distance(level - slope, 1 - fall, s.free & ~(turn.back & (slope > 0)))
    below = distance(level + slope, 1 + fall, s.free & ~(turn.back & (slope < 0)))
    return jnp.minimum(above, below).min(0)


def _times(inverse: jax.Array, x: jax.Array) -> jax.Array:
    """Product of each target's symmetric matrix with its vector."""
    n_slots = x.shape[0]
    if n_slots <= 16:
        return sum(
            (inverse[i] * x[i][None] for i in range(n_slots)), start=jnp.zeros_like(x)
        )

    def add(i: int, total: jax.Array) -> jax.Array:
        return total + inverse[i] * x[i][None]

    return jax.lax.fori_loop(0, n_slots, add, jnp.zeros_like(x))
