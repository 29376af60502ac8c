"""Lasso and elastic net of all targets at once, from one matrix of products."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check
from ._lasso_options import Options, check_options, width
from ._lasso_system import (
    Crossed,
    LassoFit,
    System,
    crossed,
    dual_gap,
    finish,
    system,
)
from ._prox import Penalty, walk
from ._targets import checked, each_alpha, over_targets

__all__ = ["lasso", "lasso_path", "solve", "strengths"]


def lasso(
    X: ArrayLike,
    Y: ArrayLike,
    alpha: ArrayLike,
    *,
    l1_ratio: float = 1.0,
    positive: bool = False,
    fit_intercept: bool = True,
    max_iter: int = 1000,
    tol: float = 1e-8,
    sample_weight: ArrayLike | None = None,
    batch_size: int | None = None,
    show_progress: bool = False,
) -> LassoFit:
    """Fit a lasso or an elastic net to every target.

    Minimises ``|y - Xb - c|^2 / (2 n_samples) + alpha (l1_ratio |b|_1 + (1 - l1_ratio)
    |b|^2 / 2)``, which is scikit-learn's objective. All targets share one matrix of
    products, and each stops when its own conditions of optimality hold.

    Parameters
    ----------
    X : array (n_samples, n_features)
        Predictors.
    Y : array or sliceable (n_samples, n_targets)
        Targets. Those with NaN or infinite samples get NaN coefficients.
    alpha : float or array (n_targets,)
        Penalty strength.
    l1_ratio : float
        Share of the absolute values in the penalty, above 0 and at most 1.
    positive : bool
        Whether to constrain coefficients to be positive.
    fit_intercept : bool
        Whether to fit a constant per target.
    max_iter : int
        Most iterations.
    tol : float
        Largest violation of the optimality conditions, relative to the largest
        ``|X'y|`` of a target in units of the predictors' deviations. Not below 30
        rounding errors.
    sample_weight : array (n_samples,), optional
        Weights; the objective is a weighted mean.
    batch_size : int, optional
        Targets that are solved at once.
    show_progress : bool
        Whether to draw a progress bar over blocks of targets.

    Returns
    -------
    LassoFit
        With the duality gap of each target, in units of the objective.

    Raises
    ------
    ValueError
        If shapes disagree or an option is out of its range.
    TypeError
        If `X` or `Y` does not hold real numbers.

    References
    ----------
    .. [1] Tibshirani, Journal of the Royal Statistical Society B 58 (1996) 267-288,
       doi:10.1111/j.2517-6161.1996.tb02080.x; scikit-learn ``Lasso``, ``ElasticNet``.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((50, 3))
    >>> np.round(lasso(x, x[:, :1], 0.1).coef[:, 0], 1).tolist()
    [0.9, 0.0, 0.0]
    """
    options = check_options(l1_ratio, positive, max_iter, tol)
    dtype = checked(X, Y)
    n_targets = check.shape_of(Y)[1]
    strength = jnp.broadcast_to(each_alpha(alpha, n_targets, dtype), (n_targets,))
    s = _one_fold(X, fit_intercept, sample_weight, dtype)

    def block(Y: jax.Array, here: slice) -> tuple:
        mine = jnp.pad(strength[here], (0, Y.shape[1] - strength[here].size))
        fit = _fit_block(s, Y, mine[None], options)
        return tuple(getattr(fit, name)[0] for name in _FIELDS)

    stream = {"batch_size": batch_size, "show_progress": show_progress}
    return _fit_all(block, Y, dtype, stream, width(s.xx.shape[0], dtype))


def lasso_path(
    X: ArrayLike,
    Y: ArrayLike,
    alphas: ArrayLike,
    *,
    l1_ratio: float = 1.0,
    positive: bool = False,
    fit_intercept: bool = True,
    max_iter: int = 1000,
    tol: float = 1e-8,
    sample_weight: ArrayLike | None = None,
    batch_size: int | None = None,
    show_progress: bool = False,
) -> LassoFit:
    """Fit a lasso or an elastic net for a grid of penalties.

    Penalties are solved from the largest to the smallest, each from the solution of
    the one before; results come in the order of `alphas`.

    Parameters
    ----------
    X, Y, l1_ratio, positive, fit_intercept, max_iter, tol, sample_weight, \
batch_size, show_progress
        As in :func:`lasso`; `max_iter` counts for each penalty.
    alphas : array (n_alphas,)
        Penalty strengths, in any order.

    Returns
    -------
    LassoFit
        Every field with a leading axis n_alphas.

    Raises
    ------
    ValueError
        If shapes disagree or an option is out of its range.
    TypeError
        If `X` or `Y` does not hold real numbers.

    References
    ----------
    .. [1] Friedman, Hastie & Tibshirani, Journal of Statistical Software 33 (2010)
       1-22, doi:10.18637/jss.v033.i01; scikit-learn ``lasso_path``, ``enet_path``.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((50, 3))
    >>> lasso_path(x, x[:, :2], [1.0, 0.1, 0.01]).coef.shape
    (3, 3, 2)
    """
    options = check_options(l1_ratio, positive, max_iter, tol)
    dtype = checked(X, Y)
    grid = check.alphas("alphas", alphas)
    order = np.argsort(-grid, kind="stable")
    falling = jnp.asarray(grid[order], dtype)
    back = np.argsort(order)
    s = _one_fold(X, fit_intercept, sample_weight, dtype)

    def block(Y: jax.Array, here: slice) -> tuple:
        grids = jnp.broadcast_to(falling[:, None], (falling.size, Y.shape[1]))
        fit = _fit_block(s, Y, grids, options)
        return tuple(getattr(fit, name)[back] for name in _FIELDS)

    stream = {"batch_size": batch_size, "show_progress": show_progress}
    return _fit_all(block, Y, dtype, stream, width(s.xx.shape[0], dtype))


_FIELDS = ("coef", "intercept", "alpha", "converged", "n_iter", "gap")


def solve(
    s: System,
    c: Crossed,
    alpha: jax.Array,
    options: Options,
    start: jax.Array | None = None,
) -> tuple[jax.Array, LassoFit]:
    """Fit a block of targets at one penalty each.

    Parameters
    ----------
    s : System
        Of the predictors.
    c : Crossed
        Of the targets.
    alpha : array (n_targets,)
        Penalties.
    options : Options
        For the solver.
    start : array (n_features, n_targets), optional
        First guess.

    Returns
    -------
    scaled : array (n_features, n_targets)
        Coefficients of the scaled predictors.
    fit : LassoFit
        Of the data.
    """
    penalty = strengths(alpha[None], s.n, s, options)
    end = walk(
        s.xx,
        c.xy,
        penalty,
        tol=options.tol,
        max_iter=options.max_iter,
        start=start,
    )
    coef, intercept = finish(s, c, end.coef)
    scale = s.rows.scale[:, None]
    l1, l2 = penalty.l1 / scale, penalty.l2 / scale**2
    gap = dual_gap(s.xx, c.xy, c.yy, end.coef, l1, l2, options.positive)
    fit = LassoFit(
        coef=coef,
        intercept=intercept,
        alpha=alpha,
        converged=end.solved & c.finite,
        n_iter=end.total,
        gap=jnp.where(c.finite, gap / s.n, jnp.nan),
    )
    return end.coef, fit


def strengths(alphas: jax.Array, n: jax.Array, s: System, options: Options) -> Penalty:
    """Penalties in units of half the sum of squares.

    Parameters
    ----------
    alphas : array (n_alphas, n_targets)
        Penalties, falling.
    n : array ()
        Sum of weights.
    s : System
        Of the predictors.
    options : Options
        For the solver.

    Returns
    -------
    Penalty
        For scaled predictors.
    """
    ratio = options.l1_ratio.astype(alphas.dtype)
    return Penalty(
        l1=alphas * (n * ratio),
        l2=alphas * (n * (1 - ratio)),
        weight=1 / s.rows.scale,
        ridged=options.ridged,
        positive=options.positive,
    )


@jax.jit
def _fit_block(
    s: System, Y: jax.Array, alphas: jax.Array, options: Options
) -> LassoFit:
    c = crossed(s, Y)

    def one(start: jax.Array, alpha: jax.Array) -> tuple[jax.Array, LassoFit]:
        return solve(s, c, alpha, options, start)

    return jax.lax.scan(one, jnp.zeros_like(c.xy), alphas)[1]


def _fit_all(block, Y, dtype, stream: dict, tile: int) -> LassoFit:
    stream["batch_size"] = stream["batch_size"] or tile
    return LassoFit(
        **dict(zip(_FIELDS, over_targets(block, Y, dtype, **stream), strict=True))
    )


def _one_fold(
    X: ArrayLike, fit_intercept: bool, sample_weight: ArrayLike | None, dtype: np.dtype
) -> System:
    return system(
        X,
        np.zeros(check.shape_of(X)[0], int),
        fit_intercept=fit_intercept,
        sample_weight=sample_weight,
        scale=True,
        dtype=dtype,
    )
