"""Sufficient statistics of linear models, computed and merged without cancellation.

Ridge, banded ridge, lasso and TRF need the data only through the number of
samples, the means and the centred products ``X'X``, ``X'Y`` and ``Y'Y``.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from . import check
from .linalg import dot
from .struct import struct

__all__ = ["Moments", "fold_moments", "leave_out", "merge", "moments", "total"]


@struct
class Moments:
    """Number of samples, means and centred products of (X, Y).

    A leading axis, where there is one, counts folds.

    Attributes
    ----------
    n : array ()
        Number of samples.
    x_mean : array (n_features,)
        Mean of X; zero where the model has no intercept.
    y_mean : array (n_targets,)
        Mean of Y; zero where the model has no intercept.
    xx : array (n_features, n_features)
        ``(X - x_mean)' (X - x_mean)``.
    xy : array (n_features, n_targets)
        ``(X - x_mean)' (Y - y_mean)``.
    yy : array (n_targets,)
        Sum of squares of ``Y - y_mean``.
    """

    n: jax.Array
    x_mean: jax.Array
    y_mean: jax.Array
    xx: jax.Array
    xy: jax.Array
    yy: jax.Array


@jax.jit
def moments(X: ArrayLike, Y: ArrayLike) -> Moments:
    """Compute the moments of two arrays, centred before they are multiplied.

    Parameters
    ----------
    X : array (n_samples, n_features)
        Predictors.
    Y : array (n_samples, n_targets)
        Responses.

    Returns
    -------
    Moments
        Without a fold axis.

    Raises
    ------
    ValueError
        If the arrays are not two-dimensional or differ in length.
    """
    X, Y = _pair(X, Y)
    return _weighted(X, Y, jnp.ones(X.shape[0], X.dtype))


@partial(jax.jit, static_argnames="n_folds")
def fold_moments(
    X: ArrayLike, Y: ArrayLike, fold_id: ArrayLike, *, n_folds: int
) -> Moments:
    """Compute the moments of each fold.

    Parameters
    ----------
    X : array (n_samples, n_features)
        Predictors.
    Y : array (n_samples, n_targets)
        Responses.
    fold_id : int array (n_samples,)
        Fold of each sample, from 0.
    n_folds : int
        Number of folds.

    Returns
    -------
    Moments
        With a leading axis ``n_folds``; each fold is centred at its own mean.

    Raises
    ------
    ValueError
        If the arrays are not two-dimensional or differ in length.
    """
    X, Y = _pair(X, Y)
    fold_id = jnp.asarray(fold_id)
    check.same_length("X", X, "fold_id", fold_id, "samples")

    def one(fold: jax.Array) -> Moments:
        return _weighted(X, Y, (fold_id == fold).astype(X.dtype))

    return jax.lax.map(one, jnp.arange(n_folds, dtype=fold_id.dtype))


def merge(a: Moments, b: Moments) -> Moments:
    """Combine the moments of two disjoint sets of samples.

    The pairwise update of Chan, Golub & LeVeque: means differ by little, so
    nothing large is subtracted.

    Parameters
    ----------
    a, b : Moments
        Of the same variables. An empty set (``n = 0``) changes nothing.

    Returns
    -------
    Moments
        Of the union.

    References
    ----------
    .. [1] Chan, Golub & LeVeque, The American Statistician 37 (1983) 242-247,
       doi:10.1080/00031305.1983.10483115.
    """
    n = a.n + b.n
    share = b.n / jnp.where(n == 0, 1, n)
    dx, dy = b.x_mean - a.x_mean, b.y_mean - a.y_mean
    weight = a.n * share
    return Moments(
        n=n,
        x_mean=a.x_mean + share * dx,
        y_mean=a.y_mean + share * dy,
        xx=a.xx + b.xx + weight * jnp.outer(dx, dx),
        xy=a.xy + b.xy + weight * jnp.outer(dx, dy),
        yy=a.yy + b.yy + weight * dy**2,
    )


@jax.jit
def total(folds: Moments) -> Moments:
    """Merge the moments of all folds.

    Parameters
    ----------
    folds : Moments
        With a leading fold axis.

    Returns
    -------
    Moments
        Without a fold axis.
    """
    return _merge_all(folds, jnp.ones_like(folds.n))


@jax.jit
def leave_out(folds: Moments, fold: ArrayLike) -> Moments:
    """Merge the moments of all folds but one.

    Parameters
    ----------
    folds : Moments
        With a leading fold axis.
    fold : int
        Which fold to leave out.

    Returns
    -------
    Moments
        Without a fold axis.
    """
    keep = jnp.arange(folds.n.shape[0]) != fold
    return _merge_all(folds, keep.astype(folds.n.dtype))


def _merge_all(folds: Moments, keep: jax.Array) -> Moments:
    def step(done: Moments, item: tuple[Moments, jax.Array]) -> tuple[Moments, None]:
        fold, kept = item
        scaled = Moments(
            n=fold.n * kept,
            x_mean=fold.x_mean,
            y_mean=fold.y_mean,
            xx=fold.xx * kept,
            xy=fold.xy * kept,
            yy=fold.yy * kept,
        )
        return merge(done, scaled), None

    empty = jax.tree.map(lambda leaf: jnp.zeros_like(leaf[0]), folds)
    return jax.lax.scan(step, empty, (folds, keep))[0]


def _pair(X: ArrayLike, Y: ArrayLike) -> tuple[jax.Array, jax.Array]:
    X = check.float_array("X", X, ndim=2)
    Y = check.float_array("Y", Y, ndim=2)
    check.same_length("X", X, "Y", Y, "samples")
    return X, Y


def _weighted(X: jax.Array, Y: jax.Array, weight: jax.Array) -> Moments:
    n = weight.sum()
    safe = jnp.where(n == 0, 1, n)
    w = weight[:, None]
    # A second pass takes the rounding error of the mean out of the mean.
    x_mean = (w * X).sum(0) / safe
    x_mean += (w * (X - x_mean[None])).sum(0) / safe
    y_mean = (w * Y).sum(0) / safe
    y_mean += (w * (Y - y_mean[None])).sum(0) / safe
    xc, yc = X - x_mean[None], w * (Y - y_mean[None])
    return Moments(
        n=n,
        x_mean=x_mean,
        y_mean=y_mean,
        xx=dot((w * xc).T, xc),
        xy=dot(xc.T, yc),
        yy=(yc**2).sum(0),
    )
