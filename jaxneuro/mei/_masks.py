"""Masks: where in an image the neuron looks."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from ..core import check
from ._blur import blurred, reach_of
from ._images import gray, moments, weights

__all__ = ["circular_mask", "estimate_mask"]

_N_SIDES = 32  # of the polygon around a region


def circular_mask(
    shape: tuple[int, int],
    *,
    radius: ArrayLike | None = None,
    center: ArrayLike | tuple[float, float] = (0.0, 0.0),
    compat: str | None = None,
) -> jax.Array:
    """Mark the pixels of a disc.

    Parameters
    ----------
    shape : tuple of int
        Height and width in pixels.
    radius : float, optional
        In pixels, up to the centres of pixels. Default: what fits into the image.
    center : array (2,)
        Row and column, from the middle of the image, as fractions of its height and
        width.
    compat : {"notebook"}, optional
        Round the centre down to a whole pixel, with the middle at half the height and
        width: half a pixel low and right of the middle of an image of even sides.

    Returns
    -------
    bool array (height, width)
        Whether a pixel is inside.

    Raises
    ------
    ValueError
        If no pixel is inside, the shape is not two numbers or `compat` is unknown.

    Examples
    --------
    >>> int(circular_mask((60, 96), radius=12, compat="notebook").sum())
    441
    """
    check.choice("compat", compat, (None, "notebook"))
    if len(shape) != 2 or min(shape) < 1:
        raise ValueError(f"shape is {shape} but must hold height and width in pixels.")
    middle = check.float_array("center", jnp.asarray(center), ndim=1)
    size = jnp.asarray(shape, middle.dtype)
    if compat is None:
        place = (size - 1) / 2 + size * middle
        room = jnp.minimum(place, size - 1 - place)
    else:
        # A little more, so that a fraction that stands for whole pixels gives them.
        place = jnp.floor(size / 2 + size * middle + 1e-3)
        room = jnp.minimum(place, size - place)
    reach = room.min() if radius is None else jnp.asarray(radius, middle.dtype)
    row, column = (
        (jnp.arange(n, dtype=middle.dtype) - place[axis]) ** 2
        for axis, n in enumerate(shape)
    )
    mask = row[:, None] + column[None] <= reach * jnp.abs(reach)
    if not isinstance(mask, Tracer) and not mask.any():
        raise ValueError(
            f"radius is {radius} and center {center}, a disc without a pixel of an "
            f"image of {shape[0]} x {shape[1]}."
        )
    return mask


@partial(jax.jit, static_argnames=("n_closing", "sigma"))
def estimate_mask(
    image: ArrayLike,
    *,
    threshold: float = 1.5,
    n_closing: int = 2,
    sigma: float = 1.0,
) -> jax.Array:
    """Find where an image differs from its background.

    As in Walker et al. [1]_: pixels beyond a threshold of the z-scored image; gaps
    closed; the largest connected region; its convex hull; edges blurred. The hull is a
    polygon of 32 sides around the region.

    Parameters
    ----------
    image : array (height, width) or (n_images, height, width[, channels])
        Optimised images on an even background.
    threshold : float
        Standard deviations from the mean.
    n_closing : int
        How often pixels are added all around, and then removed.
    sigma : float
        Standard deviation in pixels of the Gaussian that blurs the edges; 0 leaves
        them sharp.

    Returns
    -------
    array (height, width) or (n_images, height, width)
        Weights from 0 to 1; all 0 where no pixel is beyond the threshold, which the
        functions that take masks refuse.

    Raises
    ------
    ValueError
        If `image` is no image.

    References
    ----------
    .. [1] Walker et al., Inception loops discover what excites neurons most using deep
       predictive models, Nature Neuroscience 22 (2019) 2060-2065,
       doi:10.1038/s41593-019-0517-x.
    """
    images, single = gray(image)
    mean, std = moments(images, weights(None, images))
    region = jnp.abs(images - mean) > threshold * std
    # Beyond the edge is room to grow into, so that the border does not eat regions.
    pad = n_closing
    region = jnp.pad(region, ((0, 0), (pad, pad), (pad, pad)))
    for _ in range(n_closing):
        region = _spread(region.astype(jnp.int32)) > 0
    for _ in range(n_closing):
        region = _spread((~region).astype(jnp.int32)) == 0
    region = region[:, pad : region.shape[1] - pad, pad : region.shape[2] - pad]
    mask = _hull(_largest(region), images.dtype).astype(images.dtype)
    if reach := reach_of(sigma):
        mask = jnp.moveaxis(mask, 0, 2)  # images as channels
        mask = blurred(mask, jnp.asarray(sigma, mask.dtype), jnp.asarray(reach), reach)
        mask = jnp.moveaxis(mask, 2, 0)
    return mask[0] if single else mask


def _spread(values: jax.Array) -> jax.Array:
    """Largest value of each pixel and its eight neighbours."""
    for axis in (1, 2):
        none = jnp.zeros_like(jax.lax.slice_in_dim(values, 0, 1, axis=axis))
        after = jax.lax.slice_in_dim(values, 1, None, axis=axis)
        before = jax.lax.slice_in_dim(values, 0, -1, axis=axis)
        after = jnp.concatenate([after, none], axis)
        before = jnp.concatenate([none, before], axis)
        values = jnp.maximum(values, jnp.maximum(before, after))
    return values


def _largest(region: jax.Array) -> jax.Array:
    """Keep the largest connected region of each image."""
    n_pixels = region.shape[1] * region.shape[2]
    names = 1 + jnp.arange(n_pixels, dtype=jnp.int32).reshape(1, *region.shape[1:])
    start = jnp.where(region, names, 0)

    def step(state: tuple) -> tuple:
        _, label = state
        return label, jnp.where(region, _spread(label), 0)

    # The highest name of a region walks through all of it.
    _, label = jax.lax.while_loop(
        lambda state: (state[0] != state[1]).any(), step, (start - 1, start)
    )

    def biggest(label: jax.Array) -> jax.Array:
        count = jnp.zeros(n_pixels + 1, jnp.int32).at[label.ravel()].add(1)
        return count.at[0].set(0).argmax().astype(jnp.int32)

    chosen = jax.vmap(biggest)(label)[:, None, None]
    return region & (label == chosen)


def _hull(region: jax.Array, dtype: jnp.dtype) -> jax.Array:
    """Fill the polygon whose sides touch the region from as many directions."""
    angles = 2 * np.pi * np.arange(_N_SIDES) / _N_SIDES
    row, column = np.indices(region.shape[1:])
    normal = np.sin(angles)[:, None, None], np.cos(angles)[:, None, None]
    along = jnp.asarray(normal[0] * row + normal[1] * column, dtype)
    inside = jnp.ones_like(region)
    for side in along:
        reach = jnp.where(region, side[None], -jnp.inf).max((1, 2), keepdims=True)
        inside = inside & (side[None] <= reach + 1e-3)
    return inside
