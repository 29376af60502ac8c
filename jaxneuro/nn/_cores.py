"""A core for images: features that all targets share."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from ._conv import average_pool, conv, depthwise_conv
from ._layers import BatchNorm, activation, default_float, shown

__all__ = ["ConvCore"]

_glorot = jax.nn.initializers.glorot_normal()


@shown
class ConvCore(nnx.Module):
    """Stacked convolutions over images: convolve, pool, normalise, bend.

    The core of Walker et al. [1]_ and its descendants in neuralpredictors. Layers
    stand in this order: convolution, average pooling, batch normalisation,
    activation.

    Parameters
    ----------
    features : sequence of int
        Feature maps of each layer.
    kernel_sizes : int or sequence of int
        Sides of the kernels, odd or even. A shorter sequence repeats its last entry.
    pooling : int or sequence of int
        Side of the squares averaged in each layer; a shorter sequence is filled
        with 1.
    padding : {"same", "valid", "hidden"}
        Half a kernel of zeros on each side (an even kernel then adds one pixel),
        none, or none in the first layer only.
    skip : int
        Each layer sees this many of the layers before it; 1 is a plain stack.
    stack : int or None
        Which layers the readout sees: None for all, -1 for the last, -2 for the last
        two.
    batch_norm, use_bias : bool
        Whether layers normalise, and whether their convolutions have a constant.
    activation : str
        A name of :data:`ACTIVATIONS`.
    final_activation : bool
        Whether the last layer bends too.
    depth_separable : bool
        Hidden layers mix channels pixel by pixel and blur each channel by a kernel
        of its own.
    momentum : float
        Weight of a new batch in the running statistics.
    input_scale : sequence of float, optional
        Standard deviation to which each channel is normalised before the first layer,
        at the start, pixel by pixel. Default: images are taken as they come.

    References
    ----------
    .. [1] Walker et al., Nature Neuroscience 22 (2019) 2060-2065,
       doi:10.1038/s41593-019-0517-x; neuralpredictors ``Stacked2dCore``.
    """

    options: tuple[tuple[str, Any], ...]
    layers: nnx.List
    entry: BatchNorm | None
    crop: tuple[int, int]
    out_shape: tuple[int, ...]

    def __init__(
        self,
        features: Sequence[int] = (64, 64, 64),
        *,
        kernel_sizes: int | Sequence[int] = (5, 3),
        pooling: int | Sequence[int] = (2,),
        padding: str = "same",
        skip: int = 1,
        stack: int | None = None,
        batch_norm: bool = True,
        use_bias: bool = False,
        activation: str = "elu",
        final_activation: bool = True,
        depth_separable: bool = False,
        momentum: float = 0.1,
        input_scale: Sequence[float] | None = None,
    ) -> None:
        n = len(features)
        self.options = tuple(
            dict(
                features=tuple(features),
                kernel_sizes=_per_layer(kernel_sizes, n),
                pooling=_per_layer(pooling, n, fill=1),
                padding=padding,
                skip=skip,
                stack=stack,
                batch_norm=batch_norm,
                use_bias=use_bias,
                activation=activation,
                final_activation=final_activation,
                depth_separable=depth_separable,
                momentum=momentum,
                input_scale=None if input_scale is None else tuple(input_scale),
            ).items()
        )
        if padding not in ("same", "valid", "hidden"):
            raise ValueError(
                f"padding is {padding!r} but must be one of 'same', 'valid', 'hidden'."
            )

    def build(self, shape: Sequence[int], rngs: nnx.Rngs) -> "ConvCore":
        """Make the parameters for images of a shape.

        Parameters
        ----------
        shape : (height, width, channels)
            One image.
        rngs : nnx.Rngs
            Random numbers.

        Returns
        -------
        ConvCore
            A core of its own, with `out_shape`.

        Raises
        ------
        ValueError
            If the images are smaller than the kernels, or `input_scale` has another
            length than they have channels.
        """
        o = dict(self.options)
        core = ConvCore(**o)
        n_channels, shapes, layers = [], [tuple(shape[:2])], []
        for index, n_features in enumerate(o["features"]):
            seen = n_channels[-max(o["skip"], 1) :] if index else [shape[2]]
            size = o["kernel_sizes"][index]
            layer = _ConvLayer(index, sum(seen), n_features, o, rngs)
            layers.append(layer)
            pad = 2 * layer.pad
            edge = [(s + pad - size + 1) // layer.pooling for s in shapes[-1]]
            if min(edge) < 1:
                raise ValueError(
                    f"shape is {tuple(shape)} but layer {index} of the core needs "
                    f"larger images: its kernel has {size} pixels and it pools "
                    f"{layer.pooling}; take smaller kernels or less pooling."
                )
            shapes.append(tuple(edge))
            n_channels.append(n_features)
        core.layers = nnx.List(layers)
        core.entry = _entry(shape, o)
        kept = n_channels if o["stack"] is None else n_channels[o["stack"] :]
        core.crop = _common(shapes[1:], len(kept), o["skip"])
        core.out_shape = (*core.crop, sum(kept))
        return core

    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        """Compute the features.

        Parameters
        ----------
        x : array (n_images, height, width, channels)
            Images.
        train : bool
            Normalise by the batch and update the running statistics.

        Returns
        -------
        array (n_images, out_height, out_width, out_features)
            The stacked layers, centred on one another.
        """
        o = dict(self.options)
        outputs: list[jax.Array] = []
        if self.entry is not None:
            x = self.entry(x.reshape(x.shape[0], -1), train=train).reshape(x.shape)
        for layer in self.layers:
            if outputs and o["skip"] > 1:
                x = _stacked(outputs[-o["skip"] :], outputs[-1].shape[1:3])
            x = layer(x, train=train)
            outputs.append(x)
        kept = outputs if o["stack"] is None else outputs[o["stack"] :]
        return _stacked(kept, self.crop)


class _ConvLayer(nnx.Module):
    """One convolution, pooling, normalisation and activation."""

    def __init__(
        self, index: int, n_in: int, n_out: int, options: dict, rngs: nnx.Rngs
    ) -> None:
        size = options["kernel_sizes"][index]
        last = index == len(options["features"]) - 1
        same = options["padding"] == "same" or (
            options["padding"] == "hidden" and index
        )
        self.pad = size // 2 if same else 0
        self.pooling = options["pooling"][index]
        bend = options["final_activation"] or not last
        self.activation = options["activation"] if bend else "identity"
        activation(self.activation)
        dtype = default_float()
        self.separable = bool(options["depth_separable"] and index)
        if self.separable:
            # Two mixings around the blur, as neuralpredictors has it.
            self.mix_in = nnx.Param(_glorot(rngs.params(), (1, 1, n_in, n_out), dtype))
            depth = _glorot(rngs.params(), (size, size, 1, n_out), dtype)
            self.depth = nnx.Param(depth[:, :, 0])
            self.mix_out = nnx.Param(
                _glorot(rngs.params(), (1, 1, n_out, n_out), dtype)
            )
        else:
            shape = (size, size, n_in, n_out)
            self.kernel = nnx.Param(_glorot(rngs.params(), shape, dtype))
        bias = options["use_bias"]
        self.bias = nnx.Param(jnp.zeros(n_out, dtype)) if bias else nnx.data(None)
        norm = options["batch_norm"]
        momentum = options["momentum"]
        self.norm = BatchNorm(n_out, momentum=momentum) if norm else nnx.data(None)

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Apply the layer."""
        padding = (self.pad, self.pad)
        if self.separable:
            x = conv(x, self.mix_in[...])
            x = depthwise_conv(x, self.depth[...], padding=padding)
            x = average_pool(conv(x, self.mix_out[...]), self.pooling)
        else:
            x = conv(x, self.kernel[...], padding=padding, pooling=self.pooling)
        if self.bias is not None:
            x = x + self.bias[...][None, None, None]
        if self.norm is not None:
            x = self.norm(x, train=train)
        return activation(self.activation)(x)


def _entry(shape: Sequence[int], options: dict) -> Any:
    """Normalisation of the images themselves, of every value on its own."""
    scale = options["input_scale"]
    if scale is None:
        return nnx.data(None)
    height, width, n_channels = shape
    if len(scale) != n_channels:
        raise ValueError(
            f"input_scale has {len(scale)} entries but images have {n_channels} "
            "channels; give one per channel."
        )
    norm = BatchNorm(height * width * n_channels, momentum=options["momentum"])
    norm.scale[...] = jnp.tile(
        jnp.asarray(scale, norm.scale[...].dtype), height * width
    )
    return norm


def _per_layer(
    value: int | Sequence[int], n: int, fill: int | None = None
) -> tuple[int, ...]:
    given = (value,) if isinstance(value, int) else tuple(value)
    rest = given[-1] if fill is None else fill
    return (*given, *[rest] * (n - len(given)))[:n]


def _common(
    shapes: Sequence[tuple[int, ...]], n_kept: int, skip: int
) -> tuple[int, int]:
    """Size to which the layers that are stacked are cropped."""
    kept = shapes[-n_kept:]
    height, width = (min(shape[axis] for shape in kept) for axis in (0, 1))
    return height, width


def _stacked(maps: Sequence[jax.Array], crop: Sequence[int]) -> jax.Array:
    """Concatenate feature maps, the margins of larger ones cut off evenly."""
    cut = []
    for m in maps:
        top, left = (
            (have - want) // 2 for have, want in zip(m.shape[1:3], crop, strict=True)
        )
        cut.append(m[:, top : top + crop[0], left : left + crop[1]])
    return jnp.concatenate(cut, axis=3) if len(cut) > 1 else cut[0]
