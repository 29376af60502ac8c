"""Held-out scores and coefficients of one block of targets."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from ..core import search
from ..core.linalg import dot
from ..core.score import _ratio
from ..core.struct import struct
from ._factor import FoldFactor, Whole, shrinkage, test_center
from ._mix import Mix
from ._rows import Options, Rows, targets_of

__all__ = [
    "Block",
    "center_block",
    "cross_total",
    "score_block",
    "search_block",
    "solve",
    "solve_block",
]

_SMALL = 256


@struct
class Block:
    """A block of targets, centred, and its products with the predictors.

    Attributes
    ----------
    y : array (n_folds, n_rows, n_targets)
        Targets less the mean of their fold, times the root of the weights.
    mean : array (n_targets,)
        Mean over all samples; zero without an intercept.
    fold_mean : array (n_folds, n_targets)
        Mean of each fold less `mean`.
    spread : array (n_folds, n_targets)
        Sum of squares of `y`.
    xy : array (n_folds, n_features, n_targets), or None
        Products in each fold, about its means where there is an intercept.
    """

    y: jax.Array
    mean: jax.Array
    fold_mean: jax.Array
    spread: jax.Array
    xy: jax.Array | None

    def around_mean(self, rows: Rows) -> jax.Array:
        """Targets less `mean` instead, array (n_folds, n_rows, n_targets)."""
        return self.y + rows.root[..., None] * self.fold_mean[:, None]


def center_block(rows: Rows, Y: jax.Array, options: Options) -> Block:
    """Centre a block of targets and multiply it with the predictors.

    Parameters
    ----------
    rows : Rows
        Predictors.
    Y : array (n_samples, n_targets)
        Targets.
    options : Options
        What selects code.

    Returns
    -------
    Block
        Without `xy` in the dual.
    """
    y, root = targets_of(rows, Y), rows.root[..., None]
    size = rows.size[:, None]
    # Offsets far above the variation would cost digits of the mean.
    near = y[0, 0]
    y = y - near[None, None]
    around = (root**2 * y).sum(1) / size
    y = root * (y - around[:, None])
    if options.fit_intercept:
        mean = (size * around).sum(0) / size.sum()
        fold_mean, mean = around - mean[None], mean + near
    else:
        fold_mean, mean = around + near[None], jnp.zeros_like(near)
    block = Block(y=y, mean=mean, fold_mean=fold_mean, spread=(y**2).sum(1), xy=None)
    if options.dual:
        return block
    return replace(
        block, xy=dot(rows.X, y if options.fit_intercept else block.around_mean(rows))
    )


def cross_total(rows: Rows, block: Block, options: Options) -> jax.Array:
    """Join the products of all folds.

    Parameters
    ----------
    rows : Rows
        Predictors.
    block : Block
        Targets.
    options : Options
        What selects code.

    Returns
    -------
    array (n_features, n_targets)
        About the mean over all samples where there is an intercept.
    """
    assert block.xy is not None
    total = block.xy.sum(0)
    if options.fit_intercept:
        total += dot((rows.size[:, None] * rows.mean).T, block.fold_mean)
    return total


def _scores(
    rows: Rows,
    block: Block,
    factor: FoldFactor,
    mix: Mix | None,
    alphas: jax.Array,
    options: Options,
) -> jax.Array:
    """Score every fold: (n_folds, n_alphas, n_targets)."""
    size = rows.size
    total = None if options.dual else cross_total(rows, block, options)

    flat = (
        block.around_mean(rows).reshape(-1, block.y.shape[2]) if options.dual else None
    )

    def one(item: tuple) -> jax.Array:
        f, part, root, n, x_mean, y, y_mean, spread, xy = item
        y_center = test_center(y_mean, n, size, options)
        if flat is not None:
            turned = flat[f.train]
            if options.fit_intercept:
                train_mean = -n / (size.sum() - n) * y_mean
                turned -= jnp.outer(rows.root.reshape(-1)[f.train], train_mean)
        else:
            turned = total - xy
            if options.fit_intercept:
                share = n * size.sum() / (size.sum() - n)
                turned -= share * jnp.outer(x_mean, y_mean)
        z = dot(f.basis, turned)
        if f.by_moments:
            test_xy = xy
            if options.fit_intercept:
                dx = x_mean - test_center(x_mean, n, size, options)
                test_xy = xy + n * jnp.outer(dx, y_mean - y_center)
            elif options.metric == "correlation":
                test_xy = xy - n * jnp.outer(x_mean, y_mean)
            cross, quad = _by_moments(f, part, z, test_xy, alphas)
        else:
            held_out = y + jnp.outer(root, y_mean - y_center)
            if options.metric != "correlation":
                residual = _by_rows(f, part, z, alphas, partial(_residual, held_out))
                return _score(residual, spread, n, options.metric)
            cross, quad = _by_rows(f, part, z, alphas, partial(_products, held_out))
        if options.metric == "correlation":
            norm = jnp.sqrt(jnp.maximum(quad, 0)) * jnp.sqrt(spread)[None]
            return _ratio(cross, norm)
        power = spread + n * (y_mean - y_center) ** 2
        return _score(power[None] - 2 * cross + quad, spread, n, options.metric)

    fold = (rows.root, size, rows.mean)
    items = (factor, mix, *fold, block.y, block.fold_mean, block.spread, block.xy)
    # Small products are faster together, large ones one after the other.
    together = factor.test.shape[2] <= _SMALL
    return jax.vmap(one)(items) if together else jax.lax.map(one, items)


def _score(
    residual: jax.Array, spread: jax.Array, n: jax.Array, metric: str
) -> jax.Array:
    if metric == "mse":
        return -residual / n
    return 1 - _ratio(residual, jnp.broadcast_to(spread[None], residual.shape))


def _residual(held_out: jax.Array, predicted: jax.Array) -> jax.Array:
    return ((predicted - held_out) ** 2).sum(0)


def _products(held_out: jax.Array, predicted: jax.Array) -> tuple[jax.Array, jax.Array]:
    return (predicted * held_out).sum(0), (predicted**2).sum(0)


def _by_moments(
    f: FoldFactor, mix: Mix | None, z: jax.Array, test_xy: jax.Array, alphas: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Products of predictions with the held-out targets, and their squares."""
    if f.gain is None:  # `z` holds the coefficients, `test` the products
        return (z * test_xy).sum(0)[None], (z * dot(f.test, z)).sum(0)[None]
    matched = z * dot(f.basis, test_xy)
    cross = dot(shrinkage(f.gain, alphas).T, matched)
    return cross, _by_rows(f, mix, z, alphas, lambda part: (part**2).sum(0))


def _by_rows(
    f: FoldFactor,
    mix: Mix | None,
    z: jax.Array,
    alphas: jax.Array,
    measure: Callable[[jax.Array], Any],
) -> Any:
    """Measure the predictions of every penalty: arrays (n_alphas, n_targets)."""
    if f.gain is None:
        return jax.tree.map(lambda found: found[None], measure(dot(f.test, z)))
    if mix is None:

        def plain(curve: jax.Array) -> Any:
            return measure(dot(f.test * curve[None], z))

        return jax.lax.map(plain, shrinkage(f.gain, alphas).T)
    starts = (0, *mix.stops[:-1])
    found = [
        dot(part, z[start:stop])
        for part, start, stop in zip(mix.maps, starts, mix.stops, strict=True)
    ]
    parts = jnp.concatenate(found).reshape(mix.weights.shape[1], -1)
    predicted = dot(mix.weights, parts).reshape(alphas.size, *f.test.shape[:1], -1)
    return jax.vmap(measure)(predicted)


def solve(
    rows: Rows, block: Block, factor: Whole, alpha: jax.Array, options: Options
) -> tuple[jax.Array, jax.Array]:
    """Solve for the coefficients in the units of the data.

    Parameters
    ----------
    rows, factor, alpha, options
        As in :func:`solve_block`.
    block : Block
        Targets.

    Returns
    -------
    coef, intercept : array
        As in :func:`solve_block`.
    """
    if factor.on_rows:
        right = block.around_mean(rows).reshape(-1, block.y.shape[2])
    else:
        right = cross_total(rows, block, options)
    coef = dot(factor.basis, right)
    if factor.gain is not None:
        coef = coef * shrinkage(factor.gain, alpha, by_root=factor.by_root)
    if factor.back is not None:
        coef = dot(factor.back, coef)
    coef = coef / rows.scale[:, None]
    return coef, block.mean - dot(rows.x_mean, coef)


@partial(jax.jit, static_argnames="options")
def solve_block(
    rows: Rows, factor: Whole, Y: jax.Array, alpha: jax.Array, options: Options
) -> tuple[jax.Array, jax.Array]:
    """Solve for a block of targets.

    Parameters
    ----------
    rows : Rows
        Predictors.
    factor : Whole
        Factorisation of all samples.
    Y : array (n_samples, n_targets)
        Targets.
    alpha : array (n_targets,)
        Penalties.
    options : Options
        What selects code.

    Returns
    -------
    coef : array (n_features, n_targets)
        Coefficients.
    intercept : array (n_targets,)
        Constants.
    """
    return solve(rows, center_block(rows, Y, options), factor, alpha, options)


@partial(jax.jit, static_argnames="options")
def score_block(
    rows: Rows,
    factor: FoldFactor,
    mix: Mix | None,
    Y: jax.Array,
    alphas: jax.Array,
    options: Options,
) -> jax.Array:
    """Score a grid of penalties on a block of targets.

    Parameters
    ----------
    rows, factor, mix
        Predictors, factorisations of the folds, and the mixture of penalties.
    Y : array (n_samples, n_targets)
        Targets.
    alphas : array (n_alphas,)
        Grid.
    options : Options
        What selects code.

    Returns
    -------
    array (n_folds, n_alphas, n_targets)
        Scores; the mean over folds as one, unless they are kept.
    """
    scores = _scores(rows, center_block(rows, Y, options), factor, mix, alphas, options)
    return scores if options.keep_scores else _mean(scores)


@partial(jax.jit, static_argnames="options")
def search_block(
    rows: Rows,
    factor: FoldFactor,
    mix: Mix | None,
    final: Whole,
    Y: jax.Array,
    alphas: jax.Array,
    options: Options,
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array, jax.Array]:
    """Score, choose each target's penalty, and solve with it.

    Parameters
    ----------
    rows, factor, mix, Y, alphas, options
        As in :func:`score_block`.
    final : Whole
        Factorisation of all samples.

    Returns
    -------
    coef, intercept, scores, alpha, defined : array
        As in :class:`LinearFit` and :class:`CVFit`.
    """
    block = center_block(rows, Y, options)
    scores = _scores(rows, block, factor, mix, alphas, options)
    index, defined = search.choose(alphas, scores)
    coef, intercept = solve(rows, block, final, alphas[index], options)
    kept = scores if options.keep_scores else _mean(scores)
    return coef, intercept, kept, alphas[index], defined


def _mean(scores: jax.Array) -> jax.Array:
    return jnp.nanmean(scores, axis=0, keepdims=True)
