"""A trained encoder of images as a shorter program, for evaluation only.

Normalisation by running statistics and average pooling are linear: both go into the
weights of the convolution before them. A readout is linear in the features too: for
one target it is a single map of weights, whatever pyramid or Gaussian it stands for.
"""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from ._conv import average_pool, conv, depthwise_conv
from ._cores import ConvCore, _stacked
from ._encoder import OUTPUTS, Encoder
from ._functional import Network
from ._layers import activation

__all__ = ["Folded", "fold"]


@dataclasses.dataclass(frozen=True)
class Folded:
    """A shorter network, made by :func:`fold`.

    Parameters
    ----------
    network : Network
        What it was made of.
    single : bool
        Whether it has one output only.
    """

    network: Network
    single: bool = False

    def __call__(self, variables: Any, x: jax.Array) -> jax.Array:
        """Predict responses.

        Parameters
        ----------
        variables : dict
            As :func:`fold` or :meth:`narrow` gives them.
        x : array (batch, height, width, channels)
            Images.

        Returns
        -------
        array (batch, n_targets)
            Responses; one target after :meth:`narrow`.

        Raises
        ------
        ValueError
            If images have another shape than the encoder was made for.
        """
        module = self.network.module(variables["network"])
        if x.shape[1:] != module.shape:
            raise ValueError(
                f"x has shape {x.shape} but the network was made for "
                f"(batch, {', '.join(map(str, module.shape))})."
            )
        maps = _maps(module.core, variables["layers"], x)
        if self.single:
            # Layer by layer: to stack them first would copy them all, twice.
            parts = zip(maps, variables["weights"], strict=True)
            read = [(m * w[None].astype(x.dtype)).sum((1, 2, 3)) for m, w in parts]
            y = (jnp.stack(read).sum(0) + variables["bias"])[:, None]
        else:
            y = module.readout(self.network.head)(_stacked(maps, module.core.crop))
        return OUTPUTS[module.output](y)

    def narrow(self, variables: Any, target: jax.Array) -> tuple["Folded", dict]:
        """Keep one target, whose readout becomes one map of weights.

        Parameters
        ----------
        variables : dict
            As :func:`fold` gives them.
        target : int
            Which one.

        Returns
        -------
        Folded
            With one output.
        dict
            Its variables.
        """
        module = self.network.module(variables["network"])
        readout = module.readout(self.network.head)
        core, layers = module.core, variables["layers"]
        images = jnp.zeros((1, *module.shape), layers[0]["bias"].dtype)
        shapes = jax.eval_shape(partial(_maps, core, layers), images)
        nothing = [jnp.zeros(each.shape, each.dtype) for each in shapes]

        def read(maps: list[jax.Array]) -> jax.Array:
            return readout(_stacked(maps, core.crop))[0, target]

        bias, weights = jax.value_and_grad(read)(nothing)
        own = {**variables, "weights": [w[0] for w in weights], "bias": bias[None]}
        return dataclasses.replace(self, single=True), own


def fold(apply: Network, variables: Any) -> tuple[Folded, dict]:
    """Fold an encoder of images for evaluation.

    The responses are the same up to rounding. It pays where a network is evaluated
    many times for the same variables, as :func:`jaxneuro.mei.ascend` does, which also
    takes the form for one target from it.

    Parameters
    ----------
    apply : Network
        From :func:`functional`, of an :class:`Encoder` with a :class:`ConvCore` and
        without behaviour or a shifter.
    variables : dict
        Its variables; for an ensemble, whose leaves have a leading axis, use
        ``jax.vmap(lambda v: fold(apply, v)[1])(variables)``.

    Returns
    -------
    apply : Folded
        ``apply(variables, images)`` is ``(batch, n_targets)``.
    variables : dict
        For it.

    Raises
    ------
    TypeError
        If the network is another one.

    Examples
    --------
    >>> from jaxneuro import nn
    >>> core, readout = nn.ConvCore((8, 8)), nn.PyramidReadout(n_targets=3)
    >>> net = nn.Encoder(core=core, readout=readout, shape=(18, 24, 1), rngs=0)
    >>> apply, variables = fold(*nn.functional(net))
    >>> apply(variables, jnp.zeros((5, 18, 24, 1))).shape
    (5, 3)
    """
    module: Any = apply.module(variables) if isinstance(apply, Network) else None
    plain = isinstance(module, Encoder) and isinstance(module.core, ConvCore)
    if not plain or module.n_behavior or module.shifter:
        raise TypeError(
            "apply must be the function of an Encoder with a ConvCore, without "
            "behavior or a shifter."
        )
    core: Any = module.core
    layers = [_fold_layer(layer) for layer in core.layers]
    return Folded(apply), {"network": variables, "layers": layers}


def _fold_layer(layer: Any) -> dict[str, jax.Array]:
    names = ("mix_in", "depth", "mix_out") if layer.separable else ("kernel",)
    folded = {name: getattr(layer, name)[...] for name in names}
    last = folded[names[-1]]
    bias = jnp.zeros(last.shape[-1], last.dtype)
    if layer.bias is not None:
        bias = layer.bias[...]
    if layer.norm is not None:
        norm = layer.norm
        scale = norm.scale[...] * jax.lax.rsqrt(norm.var[...] + norm.epsilon)
        shift = norm.bias[...] - norm.mean[...] * scale
        scale, shift = scale.astype(last.dtype), shift.astype(last.dtype)
        folded[names[-1]] = last * scale[None, None, None]
        bias = bias * scale + shift
    return {**folded, "bias": bias}


def _maps(core: ConvCore, layers: list[dict], x: jax.Array) -> list[jax.Array]:
    o = dict(core.options)
    outputs: list[jax.Array] = []
    for layer, weights in zip(core.layers, layers, strict=True):
        if outputs and o["skip"] > 1:
            x = _stacked(outputs[-o["skip"] :], outputs[-1].shape[1:3])
        x = _convolved(layer, weights, x) + weights["bias"][None, None, None]
        bend = _elu if layer.activation == "elu" else activation(layer.activation)
        x = bend(x)
        outputs.append(x)
    return outputs if o["stack"] is None else outputs[o["stack"] :]


def _convolved(layer: Any, weights: dict, x: jax.Array) -> jax.Array:
    padding = (layer.pad, layer.pad)
    if layer.separable:
        x = conv(x, weights["mix_in"])
        x = depthwise_conv(x, weights["depth"], padding=padding)
        return average_pool(conv(x, weights["mix_out"]), layer.pooling)
    return conv(x, weights["kernel"], padding=padding, pooling=layer.pooling)


@jax.custom_jvp
def _elu(x: jax.Array) -> jax.Array:
    """Compute the ELU by a plain exponential, from which its slope follows."""
    return jnp.where(x > 0, x, jnp.exp(jnp.minimum(x, 0)) - 1)


@_elu.defjvp
def _elu_slope(primals: tuple, tangents: tuple) -> tuple[jax.Array, jax.Array]:
    y = _elu(*primals)
    return y, tangents[0] * jnp.minimum(y + 1, 1)
