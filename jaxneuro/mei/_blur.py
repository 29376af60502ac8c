"""Gaussian blur of images as a product with two matrices."""

import jax
import jax.numpy as jnp

__all__ = ["blurred", "reach_of"]


def reach_of(sigma: float) -> int:
    """Give the pixels to each side over which a Gaussian extends.

    Parameters
    ----------
    sigma : float
        Standard deviation in pixels.

    Returns
    -------
    int
        Four standard deviations; 0 is no blur at all.
    """
    return int(4 * sigma + 0.5)


def blurred(
    image: jax.Array, sigma: jax.Array, reach: jax.Array, longest: int
) -> jax.Array:
    """Blur an image that is mirrored at its edges.

    Parameters
    ----------
    image : array (height, width, channels)
        Image.
    sigma : float
        Standard deviation in pixels.
    reach : int
        Pixels to each side over which the Gaussian extends.
    longest : int
        Largest value that `reach` may have.

    Returns
    -------
    array (height, width, channels)
        The image blurred, as ``scipy.ndimage.gaussian_filter`` does.
    """
    down, across = (_matrix(n, sigma, reach, longest) for n in image.shape[:2])
    image = jnp.einsum("ih,hwc->iwc", down, image, precision="highest")
    return jnp.einsum("jw,iwc->ijc", across, image, precision="highest")


def _matrix(n: int, sigma: jax.Array, reach: jax.Array, longest: int) -> jax.Array:
    pixel = jnp.arange(n, dtype=jnp.int32)
    row, column = pixel[:, None], pixel[None]
    weights = jnp.zeros((n, n), sigma.dtype)
    safe = jnp.where(sigma > 0, sigma, 1)
    n_turns = -(-(longest + n) // (2 * n))
    for turn in range(-n_turns, n_turns + 1):
        # The mirrored image repeats itself after twice its length.
        for distance in (row - column, row + column + 1):
            away = jnp.abs(distance + 2 * n * turn)
            part = jnp.exp(-0.5 * (away.astype(sigma.dtype) / safe) ** 2)
            weights = weights + jnp.where(away <= reach, part, 0)
    return weights / weights.sum(1, keepdims=True)
