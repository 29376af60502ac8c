"""What a lasso needs of the data: products of every training and test set."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core.linalg import dot
from ..core.struct import static, struct
from ._rows import Rows, arrange, targets_of

__all__ = [
    "Crossed",
    "LassoFit",
    "Part",
    "System",
    "crossed",
    "dual_gap",
    "finish",
    "system",
]


@struct
class LassoFit:
    """A sparse linear model of every target.

    Attributes
    ----------
    coef : array (n_features, n_targets)
        Change of the prediction per unit of each predictor.
    intercept : array (n_targets,)
        Prediction where every predictor is zero.
    alpha : array (n_targets,)
        Penalty strength of each target.
    converged : bool array (n_targets,)
        Whether the optimality conditions hold within the tolerance.
    n_iter : int array (n_targets,)
        Iterations, or steps of the path.
    gap : array (n_targets,)
        Duality gap: the objective exceeds its minimum by no more.
    """

    coef: jax.Array
    intercept: jax.Array
    alpha: jax.Array
    converged: jax.Array
    n_iter: jax.Array
    gap: jax.Array


@struct
class Part:
    """Products of one set of training samples, and of those that test it.

    Training products are centred at the training means, and so are the test
    products, which makes held-out errors quadratic forms of them. A leading axis
    counts folds.

    Attributes
    ----------
    n, n_test : array ()
        Sums of weights.
    xx, test_xx : array (n_features, n_features)
        Products of the predictors.
    mean : array (n_features,)
        Mean of the training predictors, relative to that of all samples.
    total : array (n_features,)
        Sum of the test predictors, relative to the same.
    """

    n: jax.Array
    n_test: jax.Array
    xx: jax.Array
    test_xx: jax.Array
    mean: jax.Array
    total: jax.Array


@struct
class System:
    """The predictors: by fold, and all of them.

    Attributes
    ----------
    rows : Rows
        Samples by fold, their columns of unit deviation where scaled.
    folds : Part
        Leading axis n_folds.
    n : array ()
        Sum of all weights.
    xx : array (n_features, n_features)
        Products of all samples.
    fit_intercept : bool
        Whether means are removed.
    """

    rows: Rows
    folds: Part
    n: jax.Array
    xx: jax.Array
    fit_intercept: bool = static()  # type: ignore[assignment]  # a dataclass field


@struct
class Crossed:
    """Products of a block of targets with the predictors.

    Attributes
    ----------
    xy : array (n_features, n_targets)
        Of all samples.
    yy : array (n_targets,)
        Sum of squares about the mean.
    mean : array (n_targets,)
        Mean of each target.
    train, test : array (n_folds, n_features, n_targets)
        Products of the training and of the test samples.
    test_yy : array (n_folds, n_targets)
        Test sum of squares about the training mean.
    finite : bool array (n_targets,)
        False for targets with missing samples, whose products are zero.
    """

    xy: jax.Array
    yy: jax.Array
    mean: jax.Array
    train: jax.Array
    test: jax.Array
    test_yy: jax.Array
    finite: jax.Array


def system(
    X: ArrayLike,
    fold_id: np.ndarray,
    *,
    fit_intercept: bool,
    sample_weight: ArrayLike | None,
    scale: bool,
    dtype: np.dtype,
) -> System:
    """Compute the products of the predictors.

    Parameters
    ----------
    X : array (n_samples, n_features)
        Predictors.
    fold_id : int array (n_samples,)
        Fold of each sample, from 0.
    fit_intercept : bool
        Whether to remove means.
    sample_weight : array (n_samples,), optional
        Weights.
    scale : bool
        Whether to divide columns by their deviation.
    dtype : dtype
        Float of the computation.

    Returns
    -------
    System
        For all targets.

    Raises
    ------
    ValueError
        If weights are negative, not finite or all zero, or differ in number.
    """
    rows = arrange(
        X,
        fold_id,
        fit_intercept=fit_intercept,
        sample_weight=sample_weight,
        scale=scale,
        dtype=dtype,
    )
    return _products(rows, fit_intercept=fit_intercept)


@partial(jax.jit, static_argnames="fit_intercept")
def _products(rows: Rows, *, fit_intercept: bool) -> System:
    assert not isinstance(rows.X, tuple)  # arranged together
    own = jax.lax.map(lambda X: dot(X, X.T), rows.X)
    total = (rows.X * rows.root[:, None]).sum(2)  # (n_folds, n_features)
    size = rows.size
    n = _others(size)
    mean = _others(total) / jnp.where(n == 0, 1, n)[:, None]
    if not fit_intercept:
        mean = jnp.zeros_like(mean)
    outer = mean[:, :, None] * mean[:, None]
    mixed = total[:, :, None] * mean[:, None]
    folds = Part(
        n=n,
        n_test=size,
        xx=_others(own) - n[:, None, None] * outer,
        test_xx=own - mixed - mixed.mT + size[:, None, None] * outer,
        mean=mean,
        total=total,
    )
    return System(
        rows=rows, folds=folds, n=size.sum(), xx=own.sum(0), fit_intercept=fit_intercept
    )


def crossed(s: System, Y: jax.Array) -> Crossed:
    """Compute the products of a block of targets with the predictors.

    Parameters
    ----------
    s : System
        Of the predictors.
    Y : array (n_samples, n_targets)
        Targets; those with NaN or infinite samples get products of zero.

    Returns
    -------
    Crossed
        For all folds.
    """
    rows, folds = s.rows, s.folds
    finite = jnp.isfinite(Y.sum(0))
    Y = targets_of(rows, jnp.where(finite[None], Y, 0))
    center = jnp.zeros_like(Y[0, 0])
    if s.fit_intercept:
        center = (rows.root[..., None] ** 2 * Y).sum((0, 1)) / s.n

    def one(fold: tuple) -> tuple:
        X, root, Y = fold
        y = root[:, None] * (Y - center[None])
        return dot(X, y), dot(root, y), (y * y).sum(0)

    xy, total, yy = jax.lax.map(one, (rows.X, rows.root, Y))
    n = jnp.where(folds.n == 0, 1, folds.n)
    mean = _others(total) / n[:, None] if s.fit_intercept else jnp.zeros_like(total)
    outer = folds.mean[:, :, None] * mean[:, None]
    test = (
        xy
        - folds.total[:, :, None] * mean[:, None]
        - folds.mean[:, :, None] * total[:, None]
        + folds.n_test[:, None, None] * outer
    )
    # What is left of the mean after rounding: it matters beside a large offset.
    rest = total.sum(0) / s.n if s.fit_intercept else center
    return Crossed(
        xy=xy.sum(0),
        yy=yy.sum(0) - s.n * rest**2,
        mean=center + rest if s.fit_intercept else center,
        train=_others(xy) - folds.n[:, None, None] * outer,
        test=test,
        test_yy=yy - 2 * mean * total + folds.n_test[:, None] * mean**2,
        finite=finite,
    )


def finish(s: System, c: Crossed, coef: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Turn coefficients of scaled predictors into a model of the data.

    Parameters
    ----------
    s : System
        Of the predictors.
    c : Crossed
        Of the targets.
    coef : array (n_features, n_targets)
        Of the scaled predictors.

    Returns
    -------
    coef : array (n_features, n_targets)
        Of the predictors as they came; NaN for targets with missing samples.
    intercept : array (n_targets,)
        Constants.
    """
    coef = jnp.where(c.finite[None], coef / s.rows.scale[:, None], jnp.nan)
    intercept = c.mean - dot(s.rows.x_mean, coef)
    return coef, intercept if s.fit_intercept else jnp.where(c.finite, 0, jnp.nan)


def dual_gap(
    xx: jax.Array,
    xy: jax.Array,
    yy: jax.Array,
    coef: jax.Array,
    l1: jax.Array,
    l2: jax.Array,
    positive: bool,
) -> jax.Array:
    """Bound how far an objective is from its minimum.

    Written in small terms only, none of which cancels.

    Parameters
    ----------
    xx, xy, yy : array (p, p), (p, n_targets), (n_targets,)
        Products.
    coef : array (p, n_targets)
        Coefficients.
    l1, l2 : array (p, n_targets)
        Weight of the absolute values and half that of the squares.
    positive : bool
        Whether coefficients are constrained.

    Returns
    -------
    array (n_targets,)
        In units of half the sum of squares.
    """
    slope = xy - dot(xx, coef)
    inner = slope - l2 * coef
    size = inner if positive else jnp.abs(inner)
    excess = (jnp.maximum(size, 0) / jnp.where(l1 > 0, l1, 1)).max(0)
    excess = jnp.where((l1 > 0).all(0), excess, jnp.inf)
    c = jnp.where(excess > 1, 1 / jnp.where(excess > 1, excess, 1), 1)
    residual = jnp.maximum(yy - (coef * (xy + slope)).sum(0), 0)
    penalty = (l1 * jnp.abs(coef) - c[None] * coef * slope).sum(0)
    square = (l2 * coef**2).sum(0)
    return 0.5 * residual * (1 - c) ** 2 + penalty + 0.5 * (1 + c**2) * square


def _others(folds: jax.Array) -> jax.Array:
    """Sum over all folds but one, without subtracting it."""
    zero = jnp.zeros_like(folds[:1])
    before = jnp.concatenate([zero, jnp.cumsum(folds, 0)[:-1]])
    after = jnp.concatenate([jnp.cumsum(folds[::-1], 0)[::-1][1:], zero])
    return before + after
