"""A module as a pure function and its variables."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
from flax import nnx

from ..core.struct import static, struct
from ._causal import CausalCore
from ._layers import activation
from ._points import Constant

__all__ = ["CausalLayer", "Network", "functional"]

_COLLECTIONS = {
    "params": nnx.Param,
    "batch_stats": nnx.BatchStat,
    "constants": Constant,
}


@struct
class CausalLayer:
    """One layer of a causal network, as an exact method may use it.

    Attributes
    ----------
    kernel : array (n_taps, n_channels, n_features)
        Weights; the last tap meets the newest sample.
    bias : array (n_features,), or None
        Constants, added before the activation.
    dilation : int
        Samples from tap to tap.
    activation : function
        Pointwise.
    """

    kernel: jax.Array
    bias: jax.Array | None
    dilation: int = static()  # type: ignore[assignment]  # a dataclass field
    activation: Callable = static()  # type: ignore[assignment]  # a dataclass field


@dataclasses.dataclass(frozen=True)
class Network:
    """A module's structure: a pure function of variables and stimuli.

    Equal architectures give equal networks, so that nothing is compiled twice.

    Parameters
    ----------
    graph : nnx.GraphDef
        What :func:`flax.nnx.split` gives beside the variables.
    head : str, optional
        Session whose readout is used.
    description : tuple, optional
        How an :class:`Encoder` was built, in plain values.
    """

    graph: Any
    head: str | None = None
    description: tuple | None = None

    def __call__(self, variables: Any, x: Any) -> jax.Array:
        """Predict responses, with running statistics and nothing drawn.

        Parameters
        ----------
        variables : dict
            Parameters and the other collections.
        x : array (batch, ...) or dict of these
            Stimuli.

        Returns
        -------
        array (batch, n_targets)
            Responses.
        """
        return _evaluate(self, variables, x, method="__call__")

    def train(self, variables: Any, x: Any, key: jax.Array) -> tuple[jax.Array, Any]:
        """Predict as in training.

        Parameters
        ----------
        variables : dict
            Parameters and the other collections.
        x : array (batch, ...) or dict of these
            Stimuli.
        key : key
            Draws what readouts draw.

        Returns
        -------
        array (batch, n_targets)
            Responses.
        dict
            The collections that are not trained, updated.
        """
        return _train(self, variables, x, key)

    def sequence(self, variables: Any, x: jax.Array) -> jax.Array:
        """Predict responses at every sample of whole trials.

        Parameters
        ----------
        variables : dict
            Parameters and the other collections.
        x : array (n_trials, n_times, n_features)
            Signals.

        Returns
        -------
        array (n_trials, n_times, n_targets)
            Responses.
        """
        return _evaluate(self, variables, x, method="sequence")

    def project(self, variables: Any) -> Any:
        """Put parameters that have bounds back within them.

        Parameters
        ----------
        variables : dict
            Parameters and the other collections.

        Returns
        -------
        dict
            The same collections.
        """
        return _project(self, variables)

    def layers(self, variables: Any) -> tuple[CausalLayer, ...] | None:
        """Describe the layers of a causal network, from the stimulus to the output.

        The last one is the readout, of one tap; the function at the end is its
        activation.

        Parameters
        ----------
        variables : dict
            Parameters and the other collections.

        Returns
        -------
        tuple of CausalLayer, or None
            None where the network is no plain stack of causal convolutions.
        """
        from ._encoder import OUTPUTS

        module = self.module(variables)
        core = getattr(module, "core", None)
        if not isinstance(core, CausalCore):
            return None
        bend = activation(dict(core.options)["activation"])
        layers = [
            CausalLayer(
                kernel=kernel[...],
                bias=None if bias is None else bias[...],
                dilation=dilation,
                activation=bend,
            )
            for kernel, bias, dilation in zip(
                core.kernels, core.biases, core.dilations, strict=True
            )
        ]
        readout = module.readout(self.head)
        last = CausalLayer(
            kernel=readout.features[...][None],
            bias=None if readout.bias is None else readout.bias[...],
            dilation=1,
            activation=OUTPUTS[module.output],
        )
        return (*layers, last)

    def session(self, name: str) -> "Network":
        """Read out another session; the variables are the same.

        Parameters
        ----------
        name : str
            Name of the session.

        Returns
        -------
        Network
            With that session's readout.
        """
        return dataclasses.replace(self, head=name)

    def to_plain(self) -> dict:
        """Give what a file needs to build the network again.

        Returns
        -------
        dict
            Plain values.

        Raises
        ------
        TypeError
            If the network is no :class:`Encoder` of this package's parts.
        """
        if self.description is None:
            raise TypeError(
                "the network is no Encoder of jaxneuro's own cores and readouts, so a "
                "file cannot describe it; save its variables by themselves."
            )
        return {"description": self.description, "head": self.head}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Network":
        """Build the network that :meth:`to_plain` described.

        Parameters
        ----------
        plain : dict
            Its plain values.

        Returns
        -------
        Network
            Equal to the one described.
        """
        from ._describe import rebuild

        apply, _ = functional(rebuild(plain["description"]))
        return dataclasses.replace(apply, head=plain["head"])

    def module(self, variables: Any) -> Any:
        """Put the variables back into a module.

        Parameters
        ----------
        variables : dict
            Parameters and the other collections.

        Returns
        -------
        nnx.Module
            The network.
        """
        states = [variables.get(name, {}) for name in _COLLECTIONS]
        return nnx.merge(self.graph, *states)


# Compiled as a whole: operation by operation, a first call would compile each of them.
@partial(jax.jit, static_argnums=0, static_argnames="method")
def _evaluate(apply: Network, variables: Any, x: Any, *, method: str) -> jax.Array:
    return getattr(apply.module(variables), method)(x, **_session(apply))


@partial(jax.jit, static_argnums=0)
def _train(
    apply: Network, variables: Any, x: Any, key: jax.Array
) -> tuple[jax.Array, dict]:
    module = apply.module(variables)
    y = module(x, train=True, key=key, **_session(apply))
    return y, _rest(_pure(module)[1])


@partial(jax.jit, static_argnums=0)
def _project(apply: Network, variables: Any) -> dict:
    module = apply.module(variables)
    for readout in getattr(module, "readouts", ()):
        readout.project()
    return _pure(module)[1]


def _session(apply: Network) -> dict[str, str]:
    return {} if apply.head is None else {"session": apply.head}


def functional(module: nnx.Module) -> tuple[Network, dict]:
    """Split a module into a pure function and its variables.

    Parameters
    ----------
    module : nnx.Module
        A network; :class:`Encoder`, or any module whose call takes ``x`` and the
        keywords ``train`` and ``key``.

    Returns
    -------
    apply : Network
        ``apply(variables, x)`` is ``(batch, n_targets)``. Hashable, and equal for
        equal architectures.
    variables : dict
        "params", and where there are any "batch_stats" and "constants", each a nested
        dict of arrays.
    """
    from ._describe import describe

    graph, variables = _pure(module)
    return Network(graph, description=describe(module)), variables


def _pure(module: nnx.Module) -> tuple[Any, dict]:
    graph, *states = nnx.split(module, *_COLLECTIONS.values())
    pure = [nnx.to_pure_dict(state) for state in states]
    named = dict(zip(_COLLECTIONS, pure, strict=True))
    return graph, {name: tree for name, tree in named.items() if tree}


def _rest(variables: Mapping[str, Any]) -> dict:
    return {name: tree for name, tree in variables.items() if name != "params"}
