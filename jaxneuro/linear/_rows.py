"""Samples arranged by fold: weights, centring, columns of equal scale."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from ..core import check
from ..core.struct import struct

__all__ = [
    "SMALL",
    "Options",
    "Rows",
    "apart",
    "arrange",
    "fold_rows",
    "over_folds",
    "targets_of",
]

# Up to this rank folds are factored and scored together; above, few are apart.
SMALL, _FEW = 256, 10


class Options(NamedTuple):
    """What selects code; equal options share what is compiled.

    Attributes
    ----------
    metric : {"r2", "correlation", "mse"}
        Held-out score.
    fit_intercept : bool
        Whether a constant is fitted.
    dual : bool
        Whether to solve through the kernel of samples.
    keep_scores : bool
        Whether to keep the scores of each fold.
    """

    metric: str
    fit_intercept: bool
    dual: bool
    keep_scores: bool


@struct
class Rows:
    """Predictors by fold, padded to the longest fold.

    Attributes
    ----------
    X : array (n_folds, n_features, n_rows), or tuple of array (n_features, n_rows)
        Predictors less `x_mean`, over `scale`, times `root`; few large folds are
        apart, as a batch of them would keep some threads waiting for others.
    root : array (n_folds, n_rows)
        Square root of each sample's weight, zero for padding.
    take : int array (n_folds, n_rows), or None
        Which sample each row is; None where the rows are the samples in order.
    size : array (n_folds,)
        Sum of weights in each fold.
    mean : array (n_folds, n_features)
        Mean of the predictors in each fold, after centring and scaling.
    x_mean, scale : array (n_features,)
        What was subtracted, then divided by.
    """

    X: jax.Array | tuple[jax.Array, ...]
    root: jax.Array
    size: jax.Array
    mean: jax.Array
    take: jax.Array | None
    x_mean: jax.Array
    scale: jax.Array

    @property
    def flat(self) -> jax.Array:
        """All rows, array (n_features, n_folds * n_rows)."""
        if isinstance(self.X, tuple):
            return jnp.concatenate(self.X, axis=1)
        return jnp.moveaxis(self.X, 1, 0).reshape(self.X.shape[1], -1)


def apart(n_folds: int, rank: int) -> bool:
    """Decide whether folds are few and large enough to be handled one by one.

    Parameters
    ----------
    n_folds : int
        How many.
    rank : int
        Size of the system that is factored for each.

    Returns
    -------
    bool
        Whether not all together.
    """
    return rank > SMALL and n_folds <= _FEW


def over_folds(
    function: Callable[..., jax.Array], *arrays: Any
) -> jax.Array | tuple[jax.Array, ...]:
    """Call a function for every fold.

    Parameters
    ----------
    function : callable
        Takes the part of a fold from every array.
    *arrays : array (n_folds, ...) or tuple of array
        Stacked along folds or, where these are apart, one array of each.

    Returns
    -------
    array (n_folds, ...) or tuple of array
        Results, as the first of `arrays` comes.
    """
    if isinstance(arrays[0], tuple):
        return tuple(map(function, *arrays))
    return jax.vmap(function)(*arrays)


def fold_rows(fold_id: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """List the samples of each fold.

    Parameters
    ----------
    fold_id : int array (n_samples,)
        Fold of each sample, from 0.

    Returns
    -------
    take : int array (n_folds, n_rows)
        Samples; a padded row repeats sample 0.
    real : bool array (n_folds, n_rows)
        False where a row is padding.
    """
    size = np.bincount(fold_id)
    real = np.arange(size.max())[None] < size[:, None]
    take = np.zeros(real.shape, np.int32)
    take[real] = np.argsort(fold_id, kind="stable")
    return take, real


def arrange(
    X: ArrayLike,
    fold_id: np.ndarray,
    *,
    fit_intercept: bool,
    sample_weight: ArrayLike | None,
    scale: bool,
    dtype: np.dtype,
    together: bool = True,
) -> Rows:
    """Centre, scale and sort the predictors.

    Parameters
    ----------
    X : array (n_samples, n_features)
        Predictors.
    fold_id : int array (n_samples,)
        Fold of each sample, from 0.
    fit_intercept : bool
        Whether to centre.
    sample_weight : array (n_samples,), optional
        Weights.
    scale : bool
        Whether to divide columns by their standard deviation.
    dtype : dtype
        Float of the computation.
    together : bool
        Whether folds are stacked even where they are few and large.

    Returns
    -------
    Rows
        By fold.

    Raises
    ------
    ValueError
        If weights are negative, not finite or all zero, or differ in number.
    """
    data = jnp.asarray(X, dtype)
    take, real = fold_rows(fold_id)
    n_samples = data.shape[0]
    in_order = real.all() and (take.ravel() == np.arange(n_samples)).all()
    weight = jnp.ones(n_samples, dtype)
    if sample_weight is not None:
        weight = check.float_array("sample_weight", sample_weight, ndim=1)
        check.same_length("X", X, "sample_weight", weight, "samples")
        if not isinstance(weight, Tracer):
            _check_weight(np.asarray(weight))
        weight = weight.astype(dtype)
    mean, spread = _columns(data, weight)
    if not fit_intercept:
        mean = jnp.zeros_like(mean)
    if not scale:
        spread = jnp.ones_like(spread)
    root = jnp.where(real, jnp.sqrt(weight)[take], 0)
    index = None if in_order else jnp.asarray(take)
    rows = _sort(data, mean, spread, root, index)
    size = (root**2).sum(1)
    sums = jnp.matmul(rows, root[..., None], precision="highest")[..., 0]
    return Rows(
        X=rows if together or not apart(*rows.shape[:2]) else tuple(rows),
        root=root,
        size=size,
        mean=sums / size[:, None],
        take=index,
        x_mean=mean,
        scale=spread,
    )


def _check_weight(weight: np.ndarray) -> None:
    bad = np.count_nonzero(~np.isfinite(weight) | (weight < 0))
    if bad:
        raise ValueError(
            f"sample_weight has {bad} negative, NaN or infinite values but must be "
            "finite and not negative."
        )
    if not weight.any():
        raise ValueError(
            "sample_weight is zero for all samples; at least one weight must be above "
            "zero."
        )


@jax.jit
def _sort(
    X: jax.Array,
    mean: jax.Array,
    spread: jax.Array,
    root: jax.Array,
    take: jax.Array | None,
) -> jax.Array:
    X = (X - mean[None]) / spread[None]
    X = X.reshape(*root.shape, -1) if take is None else X[take]
    return jnp.swapaxes(jnp.where(root[..., None] > 0, root[..., None] * X, 0), 1, 2)


@jax.jit
def _columns(X: jax.Array, weight: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Weighted mean and standard deviation; one for constant columns."""
    share = (weight / weight.sum())[:, None]
    mean = (share * X).sum(0)
    # A second pass takes the rounding error of the mean out of the mean.
    mean += (share * (X - mean[None])).sum(0)
    spread = jnp.sqrt((share * (X - mean[None]) ** 2).sum(0))
    eps = jnp.finfo(X.dtype).eps
    constant = spread <= 10 * eps * jnp.abs(mean)
    return mean, jnp.where(constant, 1, spread)


def targets_of(rows: Rows, Y: jax.Array) -> jax.Array:
    """Sort targets like the predictors.

    Parameters
    ----------
    rows : Rows
        Arrangement.
    Y : array (n_samples, n_targets)
        Targets.

    Returns
    -------
    array (n_folds, n_rows, n_targets)
        Padded rows repeat a sample.
    """
    if rows.take is None:
        return Y.reshape(*rows.root.shape, -1)
    return Y[rows.take]
