"""A block of targets: centred, multiplied with the predictors, solved for."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp

from ..core.linalg import dot
from ..core.struct import struct
from ._factor import Whole, shrinkage
from ._rows import Options, Rows, over_folds, targets_of

__all__ = [
    "Block",
    "center_block",
    "cross_total",
    "right_side",
    "solve",
    "solve_block",
    "solve_turned",
]


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
    xy : array (n_folds, n_features, n_targets), tuple of array, or None
        Products in each fold, about its means where there is an intercept; apart
        where the predictors are.
    """

    y: jax.Array
    mean: jax.Array
    fold_mean: jax.Array
    spread: jax.Array
    xy: jax.Array | tuple[jax.Array, ...] | None

    def around_mean(self, rows: Rows) -> jax.Array:
        """Targets less `mean` instead, array (n_folds, n_rows, n_targets)."""
        return self.y + rows.root[..., None] * self.fold_mean[:, None]


@partial(jax.jit, static_argnames="options")
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
    # A product is many times quicker than a sum over rows.
    around = dot(rows.root[:, None] ** 2, y)[:, 0] / size
    y = root * (y - around[:, None])
    if options.fit_intercept:
        mean = (size * around).sum(0) / size.sum()
        fold_mean, mean = around - mean[None], mean + near
    else:
        fold_mean, mean = around + near[None], jnp.zeros_like(near)
    block = Block(y=y, mean=mean, fold_mean=fold_mean, spread=(y**2).sum(1), xy=None)
    if options.dual:
        return block
    y = y if options.fit_intercept else block.around_mean(rows)
    return replace(block, xy=over_folds(dot, rows.X, y))


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
    if isinstance(block.xy, tuple):
        total = sum(block.xy[1:], block.xy[0])
    else:  # a product is many times quicker than a sum over an axis
        each = jnp.ones(len(block.xy), block.xy.dtype)
        total = jnp.tensordot(each, block.xy, 1, precision="highest")
    if options.fit_intercept:
        total += dot((rows.size[:, None] * rows.mean).T, block.fold_mean)
    return total


def right_side(rows: Rows, block: Block, options: Options) -> jax.Array:
    """Give what factorisations act on.

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
    array (n_rows, n_targets) or (n_features, n_targets)
        In the dual the targets, else their products with the predictors.
    """
    if options.dual:
        return block.around_mean(rows).reshape(-1, block.y.shape[2])
    return cross_total(rows, block, options)


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
    right = right_side(rows, block, options._replace(dual=factor.on_rows))
    return solve_turned(rows, block.mean, factor, dot(factor.basis, right), alpha)


def solve_turned(
    rows: Rows, mean: jax.Array, factor: Whole, turned: jax.Array, alpha: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Solve for the coefficients from what `factor.basis` gives.

    Parameters
    ----------
    rows, factor, alpha
        As in :func:`solve_block`.
    mean : array (n_targets,)
        Mean of the targets.
    turned : array (rank, n_targets)
        Targets, or their products with the predictors, along the basis.

    Returns
    -------
    coef, intercept : array
        As in :func:`solve_block`.
    """
    coef = turned
    if factor.gain is not None:
        coef = coef * shrinkage(factor.gain, alpha, by_root=factor.by_root)
    if factor.back is not None:
        coef = dot(factor.back, coef)
    coef = coef / rows.scale[:, None]
    return coef, mean - dot(rows.x_mean, coef)


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
