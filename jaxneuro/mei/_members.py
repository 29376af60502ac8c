"""One network, or the members of an ensemble along the leading axis of its weights."""

from collections.abc import Callable
from typing import Any

import jax

from ..core.members import over_members

__all__ = ["all_outputs", "first_member"]


def all_outputs(
    apply: Callable, variables: Any, images: jax.Array, n_members: int | None
) -> jax.Array:
    """Compute outputs of every member, (n_members or 1, n_images, n_outputs)."""
    if n_members is None:
        return apply(variables, images)[None]
    return over_members(lambda own: apply(own, images), variables)


def first_member(variables: Any, n_members: int | None) -> Any:
    """Take the variables of one network."""
    if n_members is None:
        return variables
    return jax.tree.map(lambda leaf: leaf[0], variables)
