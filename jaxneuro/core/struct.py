"""Frozen records that travel through JAX transformations."""

import dataclasses
from typing import TypeVar, dataclass_transform

import jax

__all__ = ["static", "struct"]

T = TypeVar("T")


def static(**options: object) -> object:
    """Declare a record's field that is part of the structure, not of the data.

    Parameters
    ----------
    **options
        Passed on to :func:`dataclasses.field`, for example ``default``.

    Returns
    -------
    dataclasses.Field
        Field whose value must be hashable; a new value is a new compilation.
    """
    return dataclasses.field(metadata={"static": True}, **options)  # type: ignore[call-overload]  # options are field's own


@dataclass_transform(frozen_default=True, kw_only_default=True)
def struct(cls: type[T]) -> type[T]:
    """Make a class a frozen, keyword-only dataclass registered as a pytree.

    Fields made with :func:`static` belong to the tree structure; all others are
    leaves or subtrees. Change one with :func:`dataclasses.replace`.

    Parameters
    ----------
    cls : type
        Class with annotated fields.

    Returns
    -------
    type
        The dataclass.
    """
    data_class = dataclasses.dataclass(frozen=True, kw_only=True, eq=False)(cls)
    return jax.tree_util.register_dataclass(data_class)
