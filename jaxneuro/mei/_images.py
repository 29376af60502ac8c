"""What the comparisons share: stacks of gray images, and weights of their pixels."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from ..core import check

__all__ = ["gray", "moments", "weights"]


def gray(image: ArrayLike) -> tuple[jax.Array, bool]:
    """Bring images to (n_images, height, width); say whether there was only one.

    Parameters
    ----------
    image : array
        (height, width), (n_images, height, width) or, with a last axis of channels,
        which are averaged, (n_images, height, width, channels).

    Returns
    -------
    array (n_images, height, width)
        Stack.
    bool
        Whether `image` was a single one.
    """
    images = check.float_array("image", image)
    check.has_ndim("image", images, 2, 3, 4)
    if min(images.shape) == 0:
        raise ValueError(f"image has shape {images.shape}, which holds no pixel.")
    if images.ndim == 4:
        images = images.mean(3)
    return (images[None], True) if images.ndim == 2 else (images, False)


def weights(mask: ArrayLike | None, images: jax.Array) -> jax.Array:
    """Give every pixel its weight, those of each image summing to one.

    Parameters
    ----------
    mask : array (height, width) or (n_images, height, width), or None
        Weights of pixels, such as True and False. None: all count.
    images : array (n_images, height, width)
        What they weigh.

    Returns
    -------
    array (n_images, height, width)
        NaN for a traced mask without a pixel.

    Raises
    ------
    ValueError
        If `mask` has another shape than the images, or no pixel.
    """
    if mask is None:
        return jnp.full_like(images, 1 / (images.shape[1] * images.shape[2]))
    if not isinstance(mask, Tracer):
        _refuse_empty(np.asarray(mask))
    shape = np.shape(mask)
    if shape not in (images.shape, images.shape[1:]):
        raise ValueError(
            f"mask has shape {shape} but the images need {images.shape[1:]}, or "
            f"{images.shape} for one mask each."
        )
    weight = jnp.broadcast_to(
        jnp.asarray(mask, images.dtype).reshape(-1, *images.shape[1:]), images.shape
    )
    return weight / weight.sum((1, 2), keepdims=True)


def _refuse_empty(mask: np.ndarray) -> None:
    total = mask.reshape(-1, *mask.shape[-2:]).astype(float).sum((1, 2))
    if not (total > 0).all():
        empty = np.flatnonzero(~(total > 0))
        which = "" if mask.ndim == 2 else f" for image {empty[0]}"
        raise ValueError(
            f"mask has no pixel{which}; give a larger radius or a lower threshold."
        )


def moments(images: jax.Array, weight: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean and standard deviation of each image's pixels, (n_images, 1, 1)."""
    mean = (weight * images).sum((1, 2), keepdims=True)
    counted = weight > 0
    low = jnp.where(counted, images, jnp.inf).min((1, 2), keepdims=True)
    high = jnp.where(counted, images, -jnp.inf).max((1, 2), keepdims=True)
    mean = jnp.clip(mean, low, high)  # an even image has no contrast by rounding
    variance = (weight * (images - mean) ** 2).sum((1, 2), keepdims=True)
    positive = variance > 0  # the slope of a root is infinite at zero
    return mean, jnp.where(positive, jnp.sqrt(jnp.where(positive, variance, 1)), 0)
