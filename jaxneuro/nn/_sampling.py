"""Reading feature maps at points, and the Laplace pyramid, as small matrices.

The blurs of a pyramid are a pair of matrices, one per axis, because its filters are
separable. So is reading a coarse level: bilinear interpolation weighs row ``i`` by
``max(0, 1 - |y - i|)``. The finest level is read at four pixels per point.
"""

from collections.abc import Sequence
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["FILTERS", "at_points", "clipped", "pyramid", "pyramid_at_points", "tents"]

FILTERS = ("gauss5x5", "gauss3x3", "laplace5x5")
# Columns of the 5 x 5 Gaussian of Walker et al., whose printed values round its
# square; the error against them is below 1e-6.
_COLUMNS = {
    "gauss5x5": (0.061359, 0.244770, 0.387741, 0.244770, 0.061359),
    "gauss3x3": (0.25, 0.5, 0.25),
    "laplace5x5": (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16),
}


def tents(position: jax.Array, n_pixels: int) -> jax.Array:
    """Give the weights of bilinear interpolation along one axis.

    Parameters
    ----------
    position : array (...)
        From -1, the first pixel's centre, to 1, the last one's.
    n_pixels : int
        Length of the axis.

    Returns
    -------
    array (..., n_pixels)
        Weights; all zero one pixel and more outside.
    """
    pixel = (position + 1) * ((n_pixels - 1) / 2)
    grid = jnp.arange(n_pixels, dtype=position.dtype)
    grid = grid.reshape((1,) * position.ndim + (n_pixels,))
    return jax.nn.relu(1 - jnp.abs(pixel[..., None] - grid))


def at_points(x: jax.Array, position: jax.Array) -> jax.Array:
    """Interpolate feature maps at points, zero outside.

    Parameters
    ----------
    x : array (n_images, height, width, n_channels)
        Feature maps.
    position : array (n_images, n_targets, 2) or (n_targets, 2)
        Column and row of each point, from -1 to 1, per image or for all.

    Returns
    -------
    array (n_images, n_targets, n_channels)
        Values at the points.
    """
    height, width = x.shape[1:3]
    flat = x.reshape(x.shape[0], height * width, x.shape[3])
    column = (position[..., 0] + 1) * ((width - 1) / 2)
    row = (position[..., 1] + 1) * ((height - 1) / 2)
    left, top = (jnp.floor(jax.lax.stop_gradient(at)) for at in (column, row))
    value = jnp.zeros((), x.dtype)
    for down in (0, 1):
        for right in (0, 1):
            i, j = top + down, left + right
            weight = (1 - jnp.abs(row - i)) * (1 - jnp.abs(column - j))
            inside = (i >= 0) & (i < height) & (j >= 0) & (j < width)
            weight = jnp.where(inside, weight, 0)[..., None]
            i, j = jnp.clip(i, 0, height - 1), jnp.clip(j, 0, width - 1)
            pixel = (i * width + j).astype(jnp.int32)
            if position.ndim == 2:
                value = value + flat[:, pixel] * weight[None]
            else:
                here = jnp.take_along_axis(flat, pixel[..., None], axis=1)
                value = value + here * weight
    return value


def clipped(value: jax.Array, low: float, high: float) -> jax.Array:
    """Clip values and let the gradient through as if they were not.

    Parameters
    ----------
    value : array (...)
        Parameters.
    low, high : float
        Bounds.

    Returns
    -------
    array (...)
        Within the bounds.
    """
    return value + jax.lax.stop_gradient(jnp.clip(value, low, high) - value)


@cache
def _blur(n_pixels: int, kind: str, downsample: bool) -> tuple[np.ndarray, np.ndarray]:
    """Matrices of one axis: to the coarser level, and back up."""
    column = np.asarray(_COLUMNS[kind])
    half = column.size // 2
    full = np.zeros((n_pixels, n_pixels))
    for offset, weight in enumerate(column):
        full += weight * np.eye(n_pixels, k=offset - half)
    if not downsample:
        return full, np.eye(n_pixels)
    return full[::2], 2 * full[::2].T


def _levels(
    shape: Sequence[int], n_scales: int, kind: str, downsample: bool
) -> list[tuple[tuple[np.ndarray, np.ndarray], ...]]:
    """Matrices of both axes from each level to the next."""
    height, width = shape
    steps = []
    for _ in range(n_scales):
        rows, columns = (_blur(n, kind, downsample) for n in (height, width))
        steps.append((rows, columns))
        height, width = rows[0].shape[0], columns[0].shape[0]
    return steps


def _both(x: jax.Array, rows: np.ndarray, columns: np.ndarray) -> jax.Array:
    rows_, columns_ = (jnp.asarray(m, x.dtype) for m in (rows, columns))
    x = jnp.einsum("ih,bhwc->biwc", rows_, x)
    return jnp.einsum("jw,biwc->bijc", columns_, x)


def pyramid(
    x: jax.Array, *, n_scales: int = 4, kind: str = "gauss5x5", downsample: bool = True
) -> list[jax.Array]:
    """Split feature maps into a Laplace pyramid.

    Parameters
    ----------
    x : array (n_images, height, width, n_channels)
        Feature maps.
    n_scales : int
        Number of band-passed levels.
    kind : {"gauss5x5", "gauss3x3", "laplace5x5"}
        Blur.
    downsample : bool
        Whether each level has half the pixels of the one before.

    Returns
    -------
    list of array
        The band-passed levels, and at last what remains.

    References
    ----------
    .. [1] Walker et al., Nature Neuroscience 22 (2019) 2060-2065,
       doi:10.1038/s41593-019-0517-x; neuralpredictors ``Pyramid``.
    """
    levels = []
    for rows, columns in _levels(x.shape[1:3], n_scales, kind, downsample):
        low = _both(x, rows[0], columns[0])
        levels.append(x - _both(low, rows[1], columns[1]))
        x = low
    return [*levels, x]


def pyramid_at_points(
    x: jax.Array,
    position: jax.Array,
    *,
    n_scales: int = 4,
    kind: str = "gauss5x5",
    downsample: bool = True,
) -> jax.Array:
    """Interpolate all levels of a Laplace pyramid at points.

    The pyramid is not formed: the weights of a point on a level are carried back to
    the pixels of the feature maps, where they are a product of a row and a column
    less that of the coarser level.

    Parameters
    ----------
    x : array (n_images, height, width, n_channels)
        Feature maps.
    position : array (n_images, n_targets, 2) or (n_targets, 2)
        Column and row of each point, from -1 to 1, per image or for all.
    n_scales, kind, downsample
        As in :func:`pyramid`.

    Returns
    -------
    array (n_images, n_scales + 1, n_targets, n_channels)
        Values at the points.
    """
    values, maps = [], x
    for rows, columns in _levels(x.shape[1:3], n_scales, kind, downsample):
        low = _both(maps, rows[0], columns[0])
        down, across = _axes(maps, position)
        up = down @ jnp.asarray(rows[1], x.dtype)
        left = across @ jnp.asarray(columns[1], x.dtype)
        values.append(at_points(maps, position) - _read(low, up, left))
        maps = low
    return jnp.stack([*values, at_points(maps, position)], axis=1)


def _axes(x: jax.Array, position: jax.Array) -> tuple[jax.Array, jax.Array]:
    return tents(position[..., 1], x.shape[1]), tents(position[..., 0], x.shape[2])


def _read(x: jax.Array, down: jax.Array, across: jax.Array) -> jax.Array:
    weights = down[..., :, None] * across[..., None, :]
    weights = weights.reshape(*weights.shape[:-2], -1)
    flat = x.reshape(x.shape[0], -1, x.shape[3])
    return (weights if weights.ndim == 3 else weights[None]) @ flat
