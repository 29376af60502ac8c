"""Scores of predictions: every function reduces the first axis."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from . import check

__all__ = ["METRICS", "correlation", "mse", "r2"]


@jax.jit
def r2(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """Coefficient of determination, ``1 - SS_residual / SS_total``.

    Parameters
    ----------
    y_true, y_pred : array (n_samples, n_targets)
        Measured and predicted responses.

    Returns
    -------
    array (n_targets,)
        NaN for a target that is constant in `y_true`.

    Raises
    ------
    ValueError
        If the shapes differ.

    References
    ----------
    .. [1] scikit-learn's ``r2_score(multioutput="raw_values")``, which returns 0
       or 1 for a constant target where this function returns NaN.
    """
    y_true, y_pred = _pair(y_true, y_pred)
    residual = ((y_true - y_pred) ** 2).sum(0)
    return 1 - _ratio(residual, (_centered(y_true) ** 2).sum(0))


@jax.jit
def correlation(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """Pearson correlation.

    Parameters
    ----------
    y_true, y_pred : array (n_samples, n_targets)
        Measured and predicted responses.

    Returns
    -------
    array (n_targets,)
        NaN where either is constant.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    y_true, y_pred = _pair(y_true, y_pred)
    a, b = _centered(y_true), _centered(y_pred)
    norms = jnp.sqrt((a**2).sum(0)) * jnp.sqrt((b**2).sum(0))
    return _ratio((a * b).sum(0), norms)


@jax.jit
def mse(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """Mean squared error.

    Parameters
    ----------
    y_true, y_pred : array (n_samples, n_targets)
        Measured and predicted responses.

    Returns
    -------
    array (n_targets,)
        In squared units of the responses.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    y_true, y_pred = _pair(y_true, y_pred)
    return ((y_true - y_pred) ** 2).mean(0)


METRICS: dict[str, Callable[[ArrayLike, ArrayLike], jax.Array]] = {
    "r2": r2,
    "correlation": correlation,
    "mse": mse,
}


def _pair(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[jax.Array, jax.Array]:
    y_true = check.float_array("y_true", y_true)
    y_pred = check.float_array("y_pred", y_pred)
    if y_true.shape != y_pred.shape:
        raise ValueError(
            f"y_pred has shape {y_pred.shape} but y_true has shape {y_true.shape}."
        )
    return y_true, y_pred


def _centered(y: jax.Array) -> jax.Array:
    # The residual of a constant column is exactly zero only after a second pass.
    y = y - y.mean(0, keepdims=True)
    y = y - y.mean(0, keepdims=True)
    constant = jnp.ptp(y, axis=0, keepdims=True) == 0
    return jnp.where(constant, 0, y)


def _ratio(numerator: jax.Array, denominator: jax.Array) -> jax.Array:
    defined = denominator > 0
    return jnp.where(defined, numerator / jnp.where(defined, denominator, 1), jnp.nan)
