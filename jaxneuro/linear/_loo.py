"""Cross-validation in closed form: leave-one-out and its generalised form."""

from functools import partial

import jax
import jax.numpy as jnp

from ..core import search
from ..core.linalg import dot
from ..core.score import _ratio
from ._block import center_block, cross_total, solve_turned
from ._factor import Whole, shrinkage
from ._rows import Options, Rows, targets_of

__all__ = ["closed_block", "closed_scores", "gcv_of_products", "products"]

# Samples whose mean is taken for the level of a target: near enough to its mean that
# its sum of squares keeps its digits.
_LEVEL = 16


@partial(jax.jit, static_argnames=("scheme", "options"))
def closed_scores(
    rows: Rows,
    final: Whole,
    Y: jax.Array,
    alphas: jax.Array,
    options: Options,
    *,
    scheme: str,
) -> jax.Array:
    """Score a grid of penalties on a block of targets.

    Parameters
    ----------
    rows : Rows
        Predictors.
    final : Whole
        Factorisation of all samples that acts on the targets.
    Y : array (n_samples, n_targets)
        Targets.
    alphas : array (n_alphas,)
        Grid.
    options : Options
        What selects code.
    scheme : {"gcv", "loo"}
        Which estimate of the held-out error.

    Returns
    -------
    array (1, n_alphas, n_targets)
        Scores; R2 is relative to the error of the mean under the same scheme.
    """
    y, offset, _ = _levelled(rows, Y, options)
    z = dot(final.basis, y)
    return _scores(rows, y, offset, z, final, alphas, options, scheme)


@partial(jax.jit, static_argnames=("scheme", "options"))
def closed_block(
    rows: Rows,
    final: Whole,
    Y: jax.Array,
    alphas: jax.Array,
    options: Options,
    *,
    scheme: str,
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array, jax.Array]:
    """Score, choose each target's penalty, and solve with it.

    Parameters
    ----------
    rows, final, Y, alphas, options, scheme
        As in :func:`closed_scores`.

    Returns
    -------
    coef, intercept, scores, alpha, defined : array
        As in :class:`LinearFit` and :class:`CVFit`.
    """
    y, offset, mean = _levelled(rows, Y, options)
    z = dot(final.basis, y)
    scores = _scores(rows, y, offset, z, final, alphas, options, scheme)
    index, defined = search.choose(alphas, scores)
    coef, intercept = solve_turned(rows, mean, final, z, alphas[index])
    return coef, intercept, scores, alphas[index], defined


def _levelled(
    rows: Rows, Y: jax.Array, options: Options
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Targets about a level near their mean, how far from it, and their mean.

    Centred predictors do not feel which level it is: one pass over the targets less.
    """
    root = rows.root.ravel()
    y = targets_of(rows, Y).reshape(root.size, -1)
    if not options.fit_intercept:
        none = jnp.zeros(y.shape[1], y.dtype)
        return root[:, None] * y, none, none
    level = y[:: -(-y.shape[0] // _LEVEL)].mean(0)
    y = root[:, None] * (y - level[None])
    # A product is many times quicker than a sum over rows.
    offset = dot(root, y) / rows.size.sum()
    return y, offset, level + offset


def _scores(
    rows: Rows,
    y: jax.Array,
    offset: jax.Array,
    z: jax.Array,
    final: Whole,
    alphas: jax.Array,
    options: Options,
    scheme: str,
) -> jax.Array:
    root = rows.root.reshape(-1, 1)
    weight = root[:, 0] ** 2
    if scheme == "gcv":
        power = (y**2).sum(0) - rows.size.sum() * offset**2
        return _gcv(rows, final, power, z, alphas, options)
    y = y - root * offset[None]
    assert final.gain is not None  # found for a grid
    left = final.basis.T
    keep = shrinkage(final.gain, alphas) * final.gain[:, None]  # (rank, n_alphas)
    lever = dot(left**2, keep)  # (n_rows, n_alphas)
    alone = jnp.zeros_like(weight)
    if options.fit_intercept:
        alone = weight / weight.sum()
    held_out = _held_out(y, alone)

    def one(item: tuple) -> jax.Array:
        keep, lever = item
        error = _held_out(y - dot(left * keep[None], z), lever + alone)
        if options.metric == "mse":
            return -(error**2).sum(0) / weight.sum()
        if options.metric == "r2":
            return 1 - _ratio((error**2).sum(0), (held_out**2).sum(0))
        return _correlation(y, y - error, root)

    return jax.lax.map(one, (keep.T, lever.T))[None]


def _held_out(residual: jax.Array, lever: jax.Array) -> jax.Array:
    # A sample that only its own parameter fits has no held-out prediction.
    free = 1 - lever
    limit = 10 * jnp.finfo(free.dtype).eps
    return jnp.where((free > limit)[:, None], residual / free[:, None], jnp.nan)


def _correlation(y: jax.Array, predicted: jax.Array, root: jax.Array) -> jax.Array:
    """Weighted correlation of columns that were multiplied by the root."""
    share = root / (root**2).sum()

    def centred(values: jax.Array) -> jax.Array:
        return values - root * (share * values).sum(0)[None]

    a, b = centred(y), centred(predicted)
    norms = jnp.sqrt((a**2).sum(0)) * jnp.sqrt((b**2).sum(0))
    return _ratio((a * b).sum(0), norms)


@partial(jax.jit, static_argnames="options")
def products(rows: Rows, Y: jax.Array, options: Options) -> tuple[jax.Array, jax.Array]:
    """Reduce a block of targets to what generalised cross-validation needs.

    Parameters
    ----------
    rows : Rows
        Predictors.
    Y : array (n_samples, n_targets)
        Targets.
    options : Options
        What selects code, not in the dual.

    Returns
    -------
    xy : array (n_features, n_targets)
        Products with the predictors.
    power : array (n_targets,)
        Sum of squares.
    """
    block = center_block(rows, Y, options)
    power = (block.around_mean(rows) ** 2).sum((0, 1))
    return cross_total(rows, block, options), power


@partial(jax.jit, static_argnames="options")
def gcv_of_products(
    rows: Rows,
    final: Whole,
    xy: jax.Array,
    power: jax.Array,
    alphas: jax.Array,
    options: Options,
) -> jax.Array:
    """Score a grid of penalties without the targets themselves.

    Parameters
    ----------
    rows, alphas, options
        As in :func:`closed_scores`.
    final : Whole
        Factorisation of all samples that acts on products.
    xy, power : array
        As :func:`products` gives them.

    Returns
    -------
    array (1, n_alphas, n_targets)
        Scores.
    """
    return _gcv(rows, final, power, dot(final.basis, xy), alphas, options)


def _gcv(
    rows: Rows,
    final: Whole,
    power: jax.Array,
    z: jax.Array,
    alphas: jax.Array,
    options: Options,
) -> jax.Array:
    assert final.gain is not None
    keep = shrinkage(final.gain, alphas)  # (rank, n_alphas)
    used = final.gain[:, None] * keep
    energy = (2 - used) * (used if final.on_rows else keep)
    power = power[None]
    sse = jnp.maximum(power - dot(energy.T, z**2), 0)
    n = (rows.root > 0).sum().astype(z.dtype)
    constant = int(options.fit_intercept)
    dof = constant + used.sum(0)[:, None]
    left = jnp.maximum(n - dof, 1e-3 * n)
    if options.metric == "mse":
        return (-sse / rows.size.sum() * (n / left) ** 2)[None]
    ratio = ((n - constant) / left) ** 2
    return (1 - _ratio(sse, jnp.broadcast_to(power, sse.shape)) * ratio)[None]
