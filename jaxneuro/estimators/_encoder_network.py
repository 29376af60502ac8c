"""The networks that the convolutional encoder trains."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import nn

__all__ = ["READOUTS", "builder"]

READOUTS = {
    "gaussian": nn.GaussianReadout,
    "factorized": nn.FactorizedReadout,
    "pyramid": nn.PyramidReadout,
    "dense": nn.DenseReadout,
}


def builder(
    options: dict[str, Any],
    shape: tuple[int, ...],
    mean: np.ndarray,
    front: nn.GaborFront | None,
) -> Callable[[Any], nn.Encoder]:
    """Make a function that builds one network from its seed.

    Parameters
    ----------
    options : dict
        Parameters of the estimator.
    shape : tuple of int
        One stimulus.
    mean : array (n_targets,)
        Mean responses, at which the network starts.
    front : GaborFront or None
        The first stage, on whose maps the network works.

    Returns
    -------
    function
        ``build(rngs)``.
    """
    sizes, n_targets = options["kernel_sizes"], mean.size

    def build(rngs: Any) -> nn.Encoder:
        if front is not None:
            hidden, output = options["features"][0], options["output"]
            net = front.encoder(n_targets, hidden=hidden, output=output, rngs=rngs)
            net.start_at(mean)
            return net
        if options["lags"] is not None:
            size = sizes if isinstance(sizes, int) else sizes[0]
            core = nn.CausalCore(options["features"], kernel_size=size)
            readout = nn.DenseReadout(n_targets)
        else:
            pooling = options["pooling"]
            core = nn.ConvCore(options["features"], kernel_sizes=sizes, pooling=pooling)
            readout = READOUTS[options["readout"]](n_targets)
        net = nn.Encoder(
            core=core,
            readout=readout,
            shape=shape,
            output=options["output"],
            rngs=rngs,
        )
        net.start_at(mean)
        return net

    return build
