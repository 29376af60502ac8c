"""A network behind a step that is not trained."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax

__all__ = ["FrontedNetwork"]


@dataclasses.dataclass(frozen=True)
class FrontedNetwork:
    """A network that sees what a first stage makes of its inputs.

    Parameters
    ----------
    front : function
        From inputs to what the network sees. It compares equal where it does the same,
        so that nothing is compiled twice.
    apply : function
        ``apply(variables, x)``.
    """

    front: Callable
    apply: Callable

    def __call__(self, variables: Any, x: jax.Array) -> jax.Array:
        """Predict responses.

        Parameters
        ----------
        variables : pytree of array
            Of the network.
        x : array (batch, ...)
            Inputs of the first stage.

        Returns
        -------
        array (batch, n_targets)
            Responses.
        """
        return self.apply(variables, self.front(x))

    @property
    def narrow(self) -> Callable:
        """Specialise the network to one target, where it has such a method."""
        narrow = self.apply.narrow  # type: ignore[attr-defined]  # or there is none here

        def behind(variables: Any, target: jax.Array) -> tuple[Callable, Any]:
            apply, own = narrow(variables, target)
            return FrontedNetwork(self.front, apply), own

        return behind
