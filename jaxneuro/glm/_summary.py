"""What a model explains, and what it leaves."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check
from ..core.batch import Sliceable
from ..core.linalg import dot, factor
from ._blocks import cast, compute_dtype, map_targets
from ._fit import GLMFit

__all__ = ["predict", "r2", "residuals"]


def predict(fit: GLMFit, X: ArrayLike) -> jax.Array:
    """Predict data from a design.

    Parameters
    ----------
    fit : GLMFit
        Fitted model.
    X : array (n_times, n_regressors)
        Design: that of the fit or another with the same columns.

    Returns
    -------
    array (n_times, n_targets)
        In the units of the data, not whitened.

    Raises
    ------
    ValueError
        If `X` has another number of regressors than the fit.
    """
    check.has_ndim("X", X, 2)
    n_regressors = fit.coef.shape[0]
    if check.shape_of(X)[1] != n_regressors:
        raise ValueError(
            f"X has {check.shape_of(X)[1]} regressors but the fit has {n_regressors}."
        )
    coef = jnp.asarray(fit.coef)
    return dot(jnp.asarray(X, coef.dtype), coef)


def residuals(X: ArrayLike, Y: Sliceable | jax.Array) -> jax.Array | np.ndarray:
    """Take the span of a design out of the data.

    Parameters
    ----------
    X : array (n_times, n_regressors)
        Design or nuisance, concrete.
    Y : array or sliceable (n_times, n_targets)
        Data.

    Returns
    -------
    array (n_times, n_targets)
        Ordinary least squares residuals.

    Raises
    ------
    ValueError
        If shapes disagree.

    Examples
    --------
    >>> residuals(np.ones((4, 1)), np.arange(4.0)[:, None])[:, 0].tolist()
    [-1.5, -0.5, 0.5, 1.5]
    """
    q = _orthonormal("X", X, Y)
    dtype = compute_dtype(Y)
    return map_targets(
        partial(_remove, cast(q, dtype)),
        (Y,),
        dtype=dtype,
        bytes_each=2 * q.shape[0] * dtype.itemsize,
    )


def r2(
    X: ArrayLike,
    Y: Sliceable | jax.Array,
    *,
    nuisance: ArrayLike | None = None,
    adjusted: bool = False,
) -> jax.Array | np.ndarray:
    """Share of the variance that a design explains beyond nuisance.

    ``1 - SSE(X, nuisance) / SSE(nuisance)``; adjusted, each sum of squares is divided
    by its degrees of freedom. Without nuisance the reference is zero, not the mean.

    Parameters
    ----------
    X : array (n_times, n_regressors)
        Design, concrete.
    Y : array or sliceable (n_times, n_targets)
        Data.
    nuisance : array (n_times, n_nuisance), optional
        Columns that are no merit of `X`: a constant, drifts, confounds.
    adjusted : bool
        Whether to correct for the number of regressors.

    Returns
    -------
    array (n_targets,)
        NaN where nuisance explains everything.

    Raises
    ------
    ValueError
        If shapes disagree or no degree of freedom is left.

    References
    ----------
    .. [1] neuroboros ``glm``, whose adjusted R2 this is.
    """
    check.has_ndim("X", X, 2)
    X = np.asarray(X, dtype=np.float64)
    n_times = X.shape[0]
    base = np.zeros((n_times, 0)) if nuisance is None else np.asarray(nuisance)
    check.same_length("X", X, "nuisance", base)
    q_base = _orthonormal("nuisance", base, Y)
    q = _orthonormal("X", np.column_stack([base, X]), Y)
    if n_times <= q.shape[1]:
        raise ValueError(
            f"X and nuisance have rank {q.shape[1]} for {n_times} scans, too many to "
            "leave degrees of freedom for the noise; use fewer regressors."
        )
    gain = (n_times - q_base.shape[1]) / (n_times - q.shape[1]) if adjusted else 1.0
    dtype = compute_dtype(Y)
    plan = cast((q_base, q, np.asarray(gain)), dtype)
    return map_targets(
        partial(_share, plan),
        (Y,),
        dtype=dtype,
        bytes_each=2 * n_times * dtype.itemsize,
    )


def _orthonormal(name: str, X: ArrayLike, Y: Sliceable | jax.Array) -> np.ndarray:
    check.has_ndim("Y", Y, 2)  # type: ignore[arg-type]  # only its shape is read
    check.same_length(name, X, "Y", Y)  # type: ignore[arg-type]
    return factor(X).q if check.shape_of(X)[1] else np.zeros((Y.shape[0], 0))


@jax.jit
def _remove(q: jax.Array, y: jax.Array) -> jax.Array:
    # Twice: what rounding leaves of a large mean is small the second time.
    y = y - dot(q, dot(q.T, y))
    return y - dot(q, dot(q.T, y))


@jax.jit
def _share(plan: tuple, y: jax.Array) -> jax.Array:
    q_base, q, gain = plan
    total = jnp.sum(_remove(q_base, y) ** 2, axis=0)
    left = jnp.sum(_remove(q, y) ** 2, axis=0)
    # What rounding leaves of data that nuisance explains is no variance.
    rounding = (8 * jnp.finfo(y.dtype).eps) ** 2
    defined = total > rounding * jnp.sum(y**2, axis=0)
    return jnp.where(defined, 1 - gain * left / jnp.where(defined, total, 1), jnp.nan)
