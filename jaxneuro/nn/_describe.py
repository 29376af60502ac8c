"""Encoders as plain values, from which they are built again."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from flax import nnx

from ._causal import CausalCore
from ._cores import ConvCore
from ._encoder import Encoder, Shifter
from ._points import GaussianReadout, PyramidReadout
from ._readouts import DenseReadout, FactorizedReadout

__all__ = ["describe", "rebuild"]

_CORES = {cls.__name__: cls for cls in (ConvCore, CausalCore)}
_READOUTS = {
    cls.__name__: cls
    for cls in (DenseReadout, FactorizedReadout, GaussianReadout, PyramidReadout)
}


def describe(module: nnx.Module) -> tuple | None:
    """Say how an encoder was built.

    Parameters
    ----------
    module : nnx.Module
        A network.

    Returns
    -------
    tuple, or None
        Pairs of names and plain values, hashable; None for what is no
        :class:`Encoder` of this package's parts.
    """
    if type(module) is not Encoder:
        return None
    shifter = module.shifter
    parts = {
        "core": _part(module.core),
        "readouts": tuple(
            (name, _part(readout))
            for name, readout in zip(module.sessions, module.readouts, strict=True)
        ),
        "shape": module.shape,
        "output": module.output,
        "n_behavior": module.n_behavior,
        "shifter": None if shifter is None else shifter.options,
    }
    names = {name for _, (name, _) in parts["readouts"]}
    known = parts["core"][0] in _CORES and names <= set(_READOUTS)
    return _plain(tuple(parts.items())) if known else None


def rebuild(description: Any) -> Encoder:
    """Build an encoder from its description, with fresh parameters.

    Parameters
    ----------
    description : tuple
        Of :func:`describe`.

    Returns
    -------
    Encoder
        Of the same architecture.
    """
    parts = dict(description)
    readouts: Mapping[str, Any] = {
        session: _READOUTS[name](**dict(options))
        for session, (name, options) in parts["readouts"]
    }
    core, options = parts["core"]
    shifter = None
    if parts["shifter"] is not None:
        n_inputs, hidden = parts["shifter"]
        shifter = Shifter(n_inputs, hidden=hidden)
    return Encoder(
        core=_CORES[core](**dict(options)),
        readout=readouts,
        shape=parts["shape"],
        output=parts["output"],
        n_behavior=parts["n_behavior"],
        shifter=shifter,
        rngs=0,
    )


def _part(part: Any) -> tuple[str, tuple]:
    return type(part).__name__, part.options


def _plain(value: Any) -> Any:
    """Numbers of NumPy as those of Python, which a file holds as text."""
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    return value.item() if isinstance(value, np.generic) else value
