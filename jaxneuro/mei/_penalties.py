"""What an image pays for besides its response."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jax.typing import ArrayLike

from ..core import check

__all__ = [
    "contrast_penalty",
    "correlations",
    "lp_penalty",
    "similarity_penalty",
    "total_variation",
]


def contrast_penalty(
    contrast: float, weight: float = 1.0, *, ddof: int = 0
) -> Callable:
    """Penalise the distance of an image's contrast from a wanted one.

    Parameters
    ----------
    contrast : float
        Wanted standard deviation of the pixels.
    weight : float
        Price, in units of the response.
    ddof : int
        The standard deviation divides by the number of pixels less this.

    Returns
    -------
    function
        ``penalty(image)`` is `weight` times the absolute difference.
    """
    return Partial(_contrast, **_numbers(contrast=contrast, weight=weight, ddof=ddof))


def total_variation(weight: float = 1.0) -> Callable:
    """Penalise differences between neighbouring pixels.

    Parameters
    ----------
    weight : float
        Price, in units of the response.

    Returns
    -------
    function
        ``penalty(image)`` is `weight` times the sum of the absolute differences along
        rows and columns.

    References
    ----------
    .. [1] Rudin, Osher & Fatemi, Nonlinear total variation based noise removal
       algorithms, Physica D 60, 1992, doi:10.1016/0167-2789(92)90242-F. The programs
       cajal/featurevis and sinzlab/mei compare with the last row instead of the next.
    """
    return Partial(_variation, **_numbers(weight=weight))


def lp_penalty(weight: float = 1.0, p: float = 6.0, *, center: float = 0.0) -> Callable:
    """Penalise pixels far from a gray level.

    Parameters
    ----------
    weight : float
        Price, in units of the response.
    p : float
        Exponent; large ones concern the brightest and darkest pixels only.
    center : float
        Gray level that costs nothing.

    Returns
    -------
    function
        ``penalty(image)`` is `weight` times ``sum(abs(image - center)**p)**(1/p)``.

    Raises
    ------
    ValueError
        If `p` is below 1.
    """
    if check.real_number("p", p) < 1:
        raise ValueError(f"p is {p:g} but must be at least 1.")
    return Partial(_lp, **_numbers(weight=weight, p=p, center=center))


def similarity_penalty(images: ArrayLike, weight: float = 1.0) -> Callable:
    """Penalise correlation with given images.

    Parameters
    ----------
    images : array (n_images, height, width, channels)
        What an image should not look like, such as exciting images found before.
    weight : float
        Price, in units of the response.

    Returns
    -------
    function
        ``penalty(image)`` is `weight` times the mean correlation of the pixels.
    """
    images = check.float_array("images", images, ndim=4)
    return Partial(_similarity, images=images, **_numbers(weight=weight))


@jax.jit
def correlations(images: jax.Array, mask: jax.Array | None = None) -> jax.Array:
    """Correlate the pixels of images pairwise.

    Parameters
    ----------
    images : array (n_images, height, width, channels)
        Images.
    mask : array (height, width), optional
        Weights of the pixels. Default: all the same.

    Returns
    -------
    array (n_images, n_images)
        Correlations; those of a flat image are 0.
    """
    flat = images.reshape(images.shape[0], -1)
    weights = jnp.ones(images.shape[1:], images.dtype)
    if mask is not None:
        weights = weights * mask.astype(images.dtype)[:, :, None]
    weights = weights.reshape(1, -1) / weights.sum()
    away = flat - (flat * weights).sum(1, keepdims=True)
    square = (away**2 * weights).sum(1, keepdims=True)
    size = jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1)), 1)
    scaled = away / size
    return jnp.matmul(scaled * weights, scaled.T, precision="highest")


def _numbers(**values: float) -> dict[str, jax.Array]:
    """As arrays: another price is no other program."""
    return {k: jnp.asarray(check.real_number(k, v)) for k, v in values.items()}


def _root(square: jax.Array) -> jax.Array:
    """Square root whose slope at 0 is 0."""
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1)), 0)


def _contrast(
    image: jax.Array, *, contrast: jax.Array, weight: jax.Array, ddof: jax.Array
) -> jax.Array:
    n = image.size - ddof.astype(image.dtype)
    std = _root(((image - image.mean()) ** 2).sum() / n)
    return weight.astype(image.dtype) * jnp.abs(contrast.astype(image.dtype) - std)


def _variation(image: jax.Array, *, weight: jax.Array) -> jax.Array:
    total = sum(jnp.abs(jnp.diff(image, axis=axis)).sum() for axis in (0, 1))
    return weight.astype(image.dtype) * total


def _lp(
    image: jax.Array, *, weight: jax.Array, p: jax.Array, center: jax.Array
) -> jax.Array:
    away = jnp.abs(image - center.astype(image.dtype))
    most = jax.lax.stop_gradient(away.max())
    scale = jnp.where(most > 0, most, 1)  # powers of large numbers overflow
    p = p.astype(image.dtype)
    share = jnp.where(away > 0, jnp.where(away > 0, away / scale, 1) ** p, 0)
    total = share.sum()  # 0, or 1 and more
    norm = jnp.where(total > 0, jnp.where(total > 0, total, 1) ** (1 / p), 0)
    return weight.astype(image.dtype) * scale * norm


def _similarity(image: jax.Array, *, images: jax.Array, weight: jax.Array) -> jax.Array:
    both = jnp.concatenate([image[None], images.astype(image.dtype)])
    return weight.astype(image.dtype) * correlations(both)[0, 1:].mean()
