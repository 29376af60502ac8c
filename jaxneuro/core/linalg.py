"""Products and factorisations."""

from functools import partial

import jax.numpy as jnp

__all__ = ["dot"]

# Accelerators round the factors of a float32 product unless told not to.
dot = partial(jnp.matmul, precision="highest")
