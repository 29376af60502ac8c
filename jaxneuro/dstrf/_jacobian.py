"""Derivatives of a batch of outputs, each by its own input alone."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

__all__ = ["forward_mode", "reverse_mode"]

_BLOCK = 64  # targets, or inputs, that are differentiated together


def reverse_mode(forward: Callable, windows: jax.Array) -> jax.Array:
    """Differentiate outputs one by one: (n, n_targets, n_lags, n_features)."""
    output, pull = jax.vjp(forward, windows)
    n, n_targets = output.shape

    def one(target: jax.Array) -> jax.Array:
        # Windows do not mix, so all of them are asked at once.
        unit = (jnp.arange(n_targets) == target).astype(output.dtype)
        return pull(jnp.broadcast_to(unit[None], output.shape))[0]

    targets = jnp.arange(n_targets)
    if n_targets <= _BLOCK:
        return jax.vmap(one, out_axes=1)(targets)
    return jnp.moveaxis(jax.lax.map(one, targets, batch_size=_BLOCK), 0, 1)


def forward_mode(forward: Callable, windows: jax.Array) -> jax.Array:
    """Differentiate by inputs one by one: the same array."""
    _, push = jax.linearize(forward, windows)
    shape = windows.shape[1:]
    size = math.prod(shape)

    def one(place: jax.Array) -> jax.Array:
        unit = (jnp.arange(size) == place).astype(windows.dtype).reshape(1, *shape)
        return push(jnp.broadcast_to(unit, windows.shape))

    columns = jax.lax.map(one, jnp.arange(size), batch_size=min(_BLOCK, size))
    return jnp.moveaxis(columns, 0, 2).reshape(*columns.shape[1:], *shape)
