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
from ._block import Block, center_block, right_side, solve
from ._factor import Factors, FoldFactor, Whole, shrinkage, test_center
from ._mix import Mix, Mixes
from ._rows import SMALL, Options, Rows, over_folds

__all__ = ["score_block", "search_block"]


def _each_fold(rows: Rows, block: Block) -> tuple:
    """Arrays that lead with folds, as :func:`_score_fold` takes them."""
    fold = (rows.root, rows.size, rows.mean)
    return *fold, block.y, block.fold_mean, block.spread, block.xy


def _fold(arrays: tuple, k: int) -> tuple:
    return tuple(None if array is None else array[k] for array in arrays)


def _score_fold(
    rows: Rows,
    right: jax.Array,
    alphas: jax.Array,
    options: Options,
    item: tuple,
) -> jax.Array:
    """Score one fold: (n_alphas, n_targets)."""
    f, part, root, n, x_mean, y, y_mean, spread, xy = item
    size = rows.size
    y_center = test_center(y_mean, n, size, options)
    if options.dual:
        turned = right[f.train]
        if options.fit_intercept:
            train_mean = -n / (size.sum() - n) * y_mean
            turned -= jnp.outer(rows.root.reshape(-1)[f.train], train_mean)
    else:
        turned = right - xy
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
            residual = _by_rows(f, part, z, alphas, held_out, _residual)
            return _score(residual, spread, n, options.metric)
        cross, quad = _by_rows(f, part, z, alphas, held_out, _products)
    if options.metric == "correlation":
        norm = jnp.sqrt(jnp.maximum(quad, 0)) * jnp.sqrt(spread)[None]
        return _ratio(cross, norm)
    power = spread + n * (y_mean - y_center) ** 2
    return _score(power[None] - 2 * cross + quad, spread, n, options.metric)


def _scores(
    rows: Rows,
    block: Block,
    factor: Factors,
    mix: Mixes,
    alphas: jax.Array,
    options: Options,
) -> jax.Array:
    """Score every fold: (n_folds, n_alphas, n_targets)."""
    right = right_side(rows, block, options)
    one = partial(_score_fold, rows, right, alphas, options)
    own = _each_fold(rows, block)
    if isinstance(factor, tuple):
        mixes = mix if isinstance(mix, tuple) else len(factor) * (None,)
        pairs = enumerate(zip(factor, mixes, strict=True))
        return jnp.stack([one((*pair, *_fold(own, k))) for k, pair in pairs])
    # Small products are faster together, large ones one after the other.
    items = (factor, mix, *own)
    together = factor.test.shape[2] <= SMALL
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
    none = jnp.zeros((f.test.shape[0], z.shape[1]), z.dtype)
    return cross, _by_rows(f, mix, z, alphas, none, _residual)


def _by_rows(
    f: FoldFactor,
    mix: Mix | None,
    z: jax.Array,
    alphas: jax.Array,
    held_out: jax.Array,
    measure: Callable[[jax.Array, jax.Array], Any],
) -> Any:
    """Measure the predictions of every penalty: arrays (n_alphas, n_targets)."""
    if f.gain is None:
        found = measure(held_out, dot(f.test, z))
        return jax.tree.map(lambda values: values[None], found)
    if mix is None:

        def plain(curve: jax.Array) -> Any:
            return measure(held_out, dot(f.test * curve[None], z))

        return jax.lax.map(plain, shrinkage(f.gain, alphas).T)
    measured, each = [], jax.vmap(measure, in_axes=(None, 0))
    for runs, some in zip(mix.maps, jnp.split(held_out, len(mix.maps)), strict=True):
        predicted, used, start = jnp.zeros((), z.dtype), 0, 0
        for run in runs:
            n_segments, _, width = run.shape
            stop = start + n_segments * width
            segments = z[start:stop].reshape(n_segments, width, -1)
            parts = dot(run, segments).reshape(-1, some.size)
            weights = mix.weights[:, used : used + len(parts)]
            predicted = predicted + dot(weights, parts)
            used, start = used + len(parts), stop
        measured.append(each(some, predicted.reshape(-1, *some.shape)))
    return jax.tree.map(lambda *values: sum(values), *measured)


@partial(jax.jit, static_argnames="options")
def score_block(
    rows: Rows,
    factor: Factors,
    mix: Mixes,
    block: Block,
    alphas: jax.Array,
    options: Options,
    factors: jax.Array | None = None,
) -> jax.Array:
    """Score a grid of penalties on a block of targets.

    Parameters
    ----------
    rows, factor, mix
        Predictors, factorisations of the folds, and the mixture of penalties.
    block : Block
        Targets.
    alphas : array (n_alphas,)
        Grid.
    options : Options
        What selects code.
    factors : array (n_features,), optional
        What the predictors of `rows` are multiplied with and those of `block` are
        not yet.

    Returns
    -------
    array (n_folds, n_alphas, n_targets)
        Scores; the mean over folds as one, unless they are kept.
    """
    if factors is not None and block.xy is not None:
        xy = over_folds(lambda xy: xy * factors[:, None], block.xy)
        block = replace(block, xy=xy)
    scores = _scores(rows, block, factor, mix, alphas, options)
    return scores if options.keep_scores else _mean(scores)


@partial(jax.jit, static_argnames="options")
def search_block(
    rows: Rows,
    factor: Factors,
    mix: Mixes,
    final: Whole,
    Y: jax.Array,
    alphas: jax.Array,
    options: Options,
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array, jax.Array]:
    """Score, choose each target's penalty, and solve with it.

    Parameters
    ----------
    rows, factor, mix, alphas, options
        As in :func:`score_block`.
    final : Whole
        Factorisation of all samples.
    Y : array (n_samples, n_targets)
        Targets.

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
