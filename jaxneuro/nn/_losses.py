"""What training makes small: weighted means of the error of each response."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

__all__ = ["LOSSES", "correlation_loss", "gaussian_loss", "poisson_loss"]


def poisson_loss(
    prediction: jax.Array, target: jax.Array, weight: jax.Array | None = None
) -> jax.Array:
    """Negative log-likelihood of Poisson counts, without its constant.

    ``rate - count * log(rate + 1e-8)``, as neuralpredictors' ``PoissonLoss`` [1]_.

    Parameters
    ----------
    prediction, target : array (batch, n_targets)
        Rates, above zero, and counts.
    weight : array (batch, n_targets), optional
        What each response counts, 0 where it is missing.

    Returns
    -------
    array ()
        Weighted mean.

    References
    ----------
    .. [1] neuralpredictors ``PoissonLoss(avg=True)``.
    """
    return _mean(prediction - target * jnp.log(prediction + 1e-8), weight)


def gaussian_loss(
    prediction: jax.Array, target: jax.Array, weight: jax.Array | None = None
) -> jax.Array:
    """Squared error.

    Parameters
    ----------
    prediction, target : array (batch, n_targets)
        Predicted and measured responses.
    weight : array (batch, n_targets), optional
        What each response counts, 0 where it is missing.

    Returns
    -------
    array ()
        Weighted mean.
    """
    return _mean((prediction - target) ** 2, weight)


def correlation_loss(
    prediction: jax.Array, target: jax.Array, weight: jax.Array | None = None
) -> jax.Array:
    """One minus the mean correlation over the targets of a batch.

    Parameters
    ----------
    prediction, target : array (batch, n_targets)
        Predicted and measured responses.
    weight : array (batch, n_targets), optional
        What each response counts, 0 where it is missing.

    Returns
    -------
    array ()
        Between 0 and 2; targets that are constant in the batch count as
        uncorrelated.
    """
    if weight is None:
        weight = jnp.ones_like(target)
    total = jnp.maximum(weight.sum(0, keepdims=True), 1e-12)

    def centred(y: jax.Array) -> jax.Array:
        return y - (weight * y).sum(0, keepdims=True) / total

    a, b = centred(prediction), centred(target)
    cross = (weight * a * b).sum(0)
    norms = (weight * a**2).sum(0) * (weight * b**2).sum(0)
    defined = norms > 0
    r = jnp.where(defined, cross * jax.lax.rsqrt(jnp.where(defined, norms, 1)), 0)
    return 1 - r.mean()


LOSSES: dict[str, Callable] = {
    "poisson": poisson_loss,
    "gaussian": gaussian_loss,
    "correlation": correlation_loss,
}


def _mean(error: jax.Array, weight: jax.Array | None) -> jax.Array:
    if weight is None:
        return error.mean()
    # A response of weight 0 may be anything, but not times infinity.
    error = jnp.where(weight > 0, error, 0) * weight
    return error.sum() / jnp.maximum(weight.sum(), 1e-12)
