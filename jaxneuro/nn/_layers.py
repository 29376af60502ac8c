"""What cores are built of: activations and batch normalisation."""

import inspect
from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from flax import nnx

from ..core import check

__all__ = ["ACTIVATIONS", "BatchNorm", "activation", "default_float", "shown"]

T = TypeVar("T")

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "elu": jax.nn.elu,
    "relu": jax.nn.relu,  # its slope at exactly 0 is 0, that of jnp.maximum is 0.5
    "leaky_relu": jax.nn.leaky_relu,
    "softplus": jax.nn.softplus,
    "gelu": jax.nn.gelu,
    "tanh": jnp.tanh,
    "identity": lambda x: x,
}


def activation(name: str) -> Callable[[jax.Array], jax.Array]:
    """Find a pointwise function by its name.

    Parameters
    ----------
    name : {"elu", "relu", "leaky_relu", "softplus", "gelu", "tanh", "identity"}
        Which one.

    Returns
    -------
    function
        Of one array.

    Raises
    ------
    ValueError
        If the name is unknown.
    """
    check.choice("activation", name, tuple(ACTIVATIONS))
    return ACTIVATIONS[name]


def default_float() -> jnp.dtype:
    """Give the float in which new parameters are made.

    Returns
    -------
    dtype
        float64 where 64-bit arithmetic is enabled, else float32.
    """
    return jnp.zeros(()).dtype


def shown(cls: type[T]) -> type[T]:
    """Let a module's signature be that of its constructor, which Flax hides.

    Parameters
    ----------
    cls : type
        A module.

    Returns
    -------
    type
        The same.
    """
    _, *rest = inspect.signature(cls.__init__).parameters.values()
    cls.__signature__ = inspect.Signature(rest)  # type: ignore[attr-defined]  # read by inspect
    return cls


class BatchNorm(nnx.Module):
    """Batch normalisation with running statistics as PyTorch keeps them.

    The running variance is the unbiased one, where Flax keeps the biased one; the
    normalisation itself takes the biased variance in both [1]_.

    Parameters
    ----------
    n_features : int
        Length of the last axis.
    momentum : float
        Weight of a new batch in the running statistics.
    epsilon : float
        Added to the variance.

    References
    ----------
    .. [1] Ioffe & Szegedy, ICML 2015, arXiv:1502.03167; PyTorch's ``BatchNorm2d``.
    """

    def __init__(
        self, n_features: int, *, momentum: float = 0.1, epsilon: float = 1e-5
    ) -> None:
        dtype = default_float()
        self.momentum, self.epsilon = momentum, epsilon
        self.scale = nnx.Param(jnp.ones(n_features, dtype))
        self.bias = nnx.Param(jnp.zeros(n_features, dtype))
        self.mean = nnx.BatchStat(jnp.zeros(n_features, dtype))
        self.var = nnx.BatchStat(jnp.ones(n_features, dtype))

    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        """Normalise the last axis.

        Parameters
        ----------
        x : array (..., n_features)
            Values.
        train : bool
            Use the statistics of `x` and update the running ones.

        Returns
        -------
        array (..., n_features)
            Values of about zero mean and unit variance, scaled and moved.
        """
        wide = self.mean[...].dtype  # statistics of bfloat16 values are kept wider
        axes = tuple(range(x.ndim - 1))
        if train:
            values = x.astype(wide)
            n = max(values.size // values.shape[-1], 2)
            mean = values.mean(axes)
            var = ((values - _like(mean, x)) ** 2).mean(axes)
            keep, add = 1 - self.momentum, self.momentum
            stop = jax.lax.stop_gradient
            self.mean[...] = keep * self.mean[...] + add * stop(mean)
            self.var[...] = keep * self.var[...] + add * stop(var) * (n / (n - 1))
        else:
            mean, var = self.mean[...], self.var[...]
        scale = self.scale[...].astype(wide) * jax.lax.rsqrt(var + self.epsilon)
        shift = self.bias[...].astype(wide) - mean * scale
        return x * _like(scale.astype(x.dtype), x) + _like(shift.astype(x.dtype), x)


def _like(row: jax.Array, x: jax.Array) -> jax.Array:
    return row.reshape((1,) * (x.ndim - 1) + row.shape)
