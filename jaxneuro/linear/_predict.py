"""Predictions of a linear model."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ..core import check
from ..core.linalg import dot
from ._records import LinearFit

__all__ = ["predict"]


@jax.jit
def predict(fit: LinearFit, X: ArrayLike) -> jax.Array:
    """Predict every target.

    Parameters
    ----------
    fit : LinearFit
        Fitted model.
    X : array (n_samples, n_features)
        Predictors.

    Returns
    -------
    array (n_samples, n_targets)
        Predictions.

    Raises
    ------
    ValueError
        If `X` has another number of features than the fit.

    Examples
    --------
    >>> x = np.arange(6.0)[:, None]
    >>> np.round(predict(ridge(x, 2 * x + 1, 1e-6), [[10.0]]), 2).tolist()
    [[21.0]]
    """
    X = check.float_array("X", X, ndim=2)
    coef = jnp.asarray(fit.coef)
    if X.shape[1] != coef.shape[0]:
        raise ValueError(
            f"X has {X.shape[1]} features but the model was fitted with "
            f"{coef.shape[0]}."
        )
    return dot(X.astype(coef.dtype), coef) + jnp.asarray(fit.intercept)[None]
