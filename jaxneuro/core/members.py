"""Many models at once: one switch between a loop and one wide computation."""

from collections.abc import Callable
from typing import Any

import jax

from . import check

__all__ = ["BATCHING", "over_members"]

BATCHING = ("auto", "map", "vmap")


def over_members(
    function: Callable[..., Any], *trees: Any, batching: str = "auto"
) -> Any:
    """Apply a function to every member of stacked trees.

    A CPU is quickest with one member at a time, whose values stay in its cache; an
    accelerator with all at once.

    Parameters
    ----------
    function : function
        Of one member's trees.
    *trees : pytree of array (n_members, ...)
        Stacked arguments.
    batching : {"auto", "map", "vmap"}
        "map" is a compiled loop, "vmap" one wide computation; "auto" takes the loop on
        a CPU.

    Returns
    -------
    pytree of array (n_members, ...)
        Stacked results.

    Raises
    ------
    ValueError
        If `batching` is unknown.
    """
    check.choice("batching", batching, BATCHING)
    n_members = jax.tree.leaves(trees)[0].shape[0]
    if n_members == 1:  # no loop around a single member
        first = jax.tree.map(lambda leaf: leaf[0], trees)
        return jax.tree.map(lambda leaf: leaf[None], function(*first))
    if batching == "auto":
        batching = "map" if jax.default_backend() == "cpu" else "vmap"
    if batching == "map":
        return jax.lax.map(lambda member: function(*member), trees)
    return jax.vmap(function)(*trees)
