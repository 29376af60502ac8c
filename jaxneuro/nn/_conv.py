"""Convolutions and pooling as matrix products, or by the backend's own routine.

XLA's convolution is some thirty times slower inside a compiled loop on a CPU, and one
over stacked weights becomes a grouped convolution, which is slow everywhere. A product
of patches with weights has neither trouble; it is what a CPU gets here.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

__all__ = ["average_pool", "causal_conv", "conv", "depthwise_conv"]

# Below this many channels a row of a patch is too short to be copied well.
_FEW_CHANNELS = 8
# Values of patches, and of copies and maps by rows, formed at a time.
_PATCH_VALUES = 2**19
_WIDE_VALUES = 2**24


def conv(
    x: jax.Array,
    kernel: jax.Array,
    *,
    padding: Sequence[int] = (0, 0),
    pooling: int = 1,
    method: str = "auto",
) -> jax.Array:
    """Correlate images with kernels, then average neighbouring pixels.

    Parameters
    ----------
    x : array (n_images, height, width, n_channels)
        Images.
    kernel : array (kernel_height, kernel_width, n_channels, n_features)
        Weights.
    padding : pair of int
        Zeros added on both sides of height and width.
    pooling : int
        Side of the squares that are averaged; what is left over is dropped.
    method : {"auto", "gemm", "conv"}
        "auto" is a matrix product on a CPU, else the backend's convolution.

    Returns
    -------
    array (n_images, out_height, out_width, n_features)
        One feature map per kernel.
    """
    if pooling > 1:
        # Averaging is linear: a wider kernel with a stride does both at once.
        kernel = _averaged(kernel, pooling)
    if method == "auto":
        method = "gemm" if jax.default_backend() == "cpu" else "conv"
    if method == "conv":
        return jax.lax.conv_general_dilated(
            x,
            kernel,
            (pooling, pooling),
            [(pad, pad) for pad in padding],
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
    if x.shape[3] >= _FEW_CHANNELS and pooling == 1:
        return _by_rows(x, kernel, padding)
    if any(padding):
        x = jnp.pad(x, ((0, 0), *((pad, pad) for pad in padding), (0, 0)))
    if x.shape[3] < _FEW_CHANNELS:
        return _few_channels(x, kernel, pooling)
    return _many_channels(x, kernel, pooling)


def depthwise_conv(
    x: jax.Array, kernel: jax.Array, *, padding: Sequence[int] = (0, 0)
) -> jax.Array:
    """Correlate every channel with a kernel of its own.

    Parameters
    ----------
    x : array (n_images, height, width, n_channels)
        Images.
    kernel : array (kernel_height, kernel_width, n_channels)
        Weights.
    padding : pair of int
        Zeros added on both sides of height and width.

    Returns
    -------
    array (n_images, out_height, out_width, n_channels)
        One feature map per channel.
    """
    x = jnp.pad(x, ((0, 0), *((pad, pad) for pad in padding), (0, 0)))
    rows, columns = kernel.shape[:2]
    # One pass over the taps: XLA fuses the sum, where a grouped convolution is slow.
    return sum(
        (
            part * kernel[i, j][None, None, None]
            for (i, j), part in _taps(x, rows, columns, 1)
        ),
        start=jnp.zeros((), x.dtype),
    )


def causal_conv(x: jax.Array, kernel: jax.Array, *, dilation: int = 1) -> jax.Array:
    """Correlate signals with kernels along time, without padding.

    Parameters
    ----------
    x : array (n_trials, n_times, n_channels)
        Signals.
    kernel : array (n_taps, n_channels, n_features)
        Weights; the last tap meets the newest sample.
    dilation : int
        Samples from tap to tap.

    Returns
    -------
    array (n_trials, n_times - dilation * (n_taps - 1), n_features)
        Aligned with the newest sample.
    """
    n_taps, _, n_features = kernel.shape
    n_times = x.shape[1] - dilation * (n_taps - 1)
    taps = [x[:, dilation * tap : dilation * tap + n_times] for tap in range(n_taps)]
    return jnp.concatenate(taps, axis=2) @ kernel.reshape(-1, n_features)


def average_pool(x: jax.Array, size: int) -> jax.Array:
    """Average squares of neighbouring pixels.

    Parameters
    ----------
    x : array (n_images, height, width, n_channels)
        Feature maps.
    size : int
        Side of the squares; what is left over is dropped.

    Returns
    -------
    array (n_images, height // size, width // size, n_channels)
        Smaller maps.
    """
    if size == 1:
        return x
    n, height, width, channels = x.shape
    height, width = height // size, width // size
    x = x[:, : height * size, : width * size]
    return x.reshape(n, height, size, width, size, channels).mean((2, 4))


def _averaged(kernel: jax.Array, size: int) -> jax.Array:
    margin = ((0, 0), (0, 0))
    shifted = (
        jnp.pad(kernel, ((i, size - 1 - i), (j, size - 1 - j), *margin))
        for i in range(size)
        for j in range(size)
    )
    return sum(shifted, start=jnp.zeros((), kernel.dtype)) / size**2


def _taps(x: jax.Array, rows: int, columns: int, stride: int):
    """Yield the image moved under each tap of a kernel."""
    height = (x.shape[1] - rows) // stride + 1
    width = (x.shape[2] - columns) // stride + 1
    for i in range(rows):
        for j in range(columns):
            stop = i + stride * (height - 1) + 1, j + stride * (width - 1) + 1
            yield (i, j), x[:, i : stop[0] : stride, j : stop[1] : stride]


def _few_channels(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    rows, columns, n_channels, n_features = kernel.shape
    # Taps first: whole planes are copied, and the product reads them transposed.
    planes = [
        part[..., channel]
        for _, part in _taps(x, rows, columns, stride)
        for channel in range(n_channels)
    ]
    shape = planes[0].shape
    patches = jnp.stack(planes).reshape(len(planes), -1)
    product = jnp.einsum("pm,pf->mf", patches, kernel.reshape(-1, n_features))
    return product.reshape(*shape, n_features)


def _by_rows(x: jax.Array, kernel: jax.Array, padding: Sequence[int]) -> jax.Array:
    rows, columns, n_channels, n_features = kernel.shape
    # One product: the columns of a kernel are copies of the image, its rows more
    # features, whose maps are moved and added. Half the values of patches of all taps.
    weights = kernel.transpose(1, 2, 0, 3).reshape(columns * n_channels, -1)
    top, left = padding
    height = x.shape[1] + 2 * top - rows + 1
    width = x.shape[2] + 2 * left - columns + 1

    def product(x: jax.Array, weights: jax.Array) -> jax.Array:
        x = jnp.pad(x, ((0, 0), (0, 0), (left, left), (0, 0)))
        wide = jnp.concatenate([x[:, :, j : j + width] for j in range(columns)], axis=3)
        maps = wide.reshape(-1, weights.shape[0]) @ weights
        maps = maps.reshape(*wide.shape[:3], -1)
        maps = jnp.pad(maps, ((0, 0), (top, top), (0, 0), (0, 0)))
        parts = (
            maps[:, i : i + height, :, i * n_features : (i + 1) * n_features]
            for i in range(rows)
        )
        return sum(parts, start=jnp.zeros((), x.dtype))

    block = max(1, _WIDE_VALUES // (x.shape[1] * width * sum(weights.shape)))
    if block >= x.shape[0]:
        return product(x, weights)
    again = jax.checkpoint(product)
    return jax.lax.map(
        lambda image: again(image[None], weights)[0], x, batch_size=block
    )


def _many_channels(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    rows, columns, _, n_features = kernel.shape
    weights = kernel.reshape(-1, n_features)
    height = (x.shape[1] - rows) // stride + 1
    width = (x.shape[2] - columns) // stride + 1

    # Patches are formed again in the backward pass: they are nine and more times as
    # large as the image, and no dearer to copy than to read.
    @jax.checkpoint
    def product(image: jax.Array, weights: jax.Array) -> jax.Array:
        parts = [
            part.reshape(height * width, -1)
            for _, part in _taps(image[None], rows, columns, stride)
        ]
        return jnp.concatenate(parts, axis=1) @ weights

    # Few images at a time: the patches of all would leave the cache.
    block = max(1, _PATCH_VALUES // (height * width * weights.shape[0]))
    if block >= x.shape[0]:
        out = jax.vmap(product, (0, None))(x, weights)
    else:
        out = jax.lax.map(lambda image: product(image, weights), x, batch_size=block)
    return out.reshape(x.shape[0], height, width, n_features)
