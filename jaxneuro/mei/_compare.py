"""Luminance, contrast and power of images."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ._images import gray, moments, weights

__all__ = ["contrast", "luminance", "power_spectrum"]


def luminance(
    image: ArrayLike, *, mask: ArrayLike | None = None, area: float | None = None
) -> jax.Array:
    """Average an image's pixels.

    Parameters
    ----------
    image : array (height, width) or (n_images, height, width[, channels])
        Images; channels are averaged.
    mask : array (height, width) or (n_images, height, width), optional
        Which pixels count, or how much. Default: all, and equally.
    area : float, optional
        Divide the sum by this instead of the pixels that `mask` counts. With
        ``pi * radius**2`` it is the luminance of the notebook that this reproduces, 2.5
        per cent low at its radius of 12, whose disc has 441 pixels.

    Returns
    -------
    array () or (n_images,)
        In the unit of the images.

    Raises
    ------
    ValueError
        If shapes disagree or `mask` has no pixel.
    """
    images, single = gray(image)
    weight = weights(mask, images)
    mean = moments(images, weight)[0][:, 0, 0]
    if area is not None:
        kept = jnp.ones_like(images) if mask is None else _counted(mask, images)
        mean = (kept * images).sum((1, 2)) / area
    return mean[0] if single else mean


def contrast(image: ArrayLike, *, mask: ArrayLike | None = None) -> jax.Array:
    """Compute the standard deviation of an image's pixels.

    The square root of the mean square, not of one that is divided by one pixel less.

    Parameters
    ----------
    image : array (height, width) or (n_images, height, width[, channels])
        Images; channels are averaged.
    mask : array (height, width) or (n_images, height, width), optional
        Which pixels count, or how much. Default: all, and equally.

    Returns
    -------
    array () or (n_images,)
        In the unit of the images.

    Raises
    ------
    ValueError
        If shapes disagree or `mask` has no pixel.
    """
    images, single = gray(image)
    std = moments(images, weights(mask, images))[1][:, 0, 0]
    return std[0] if single else std


def power_spectrum(
    image: ArrayLike, *, mask: ArrayLike | None = None, remove_mean: bool = True
) -> jax.Array:
    """Square the size of an image's Fourier transform.

    Parameters
    ----------
    image : array (height, width) or (n_images, height, width[, channels])
        Images; channels are averaged.
    mask : array (height, width) or (n_images, height, width), optional
        Multiplies the image after its mean within the mask is subtracted; soft edges
        spread less power over the frequencies. Default: none.
    remove_mean : bool
        Without it the power at zero frequency, that of the mean, outweighs all other.

    Returns
    -------
    array (height, width) or (n_images, height, width)
        Zero frequency stands at ``(height // 2, width // 2)``; rows and columns are
        those of ``numpy.fft.fftshift(numpy.fft.fftfreq(n))``, in cycles per pixel.

    Raises
    ------
    ValueError
        If shapes disagree or `mask` has no pixel.
    """
    images, single = gray(image)
    weight = weights(mask, images)
    if remove_mean:
        images = images - moments(images, weight)[0]
    if mask is not None:
        images = images * _counted(mask, images)
    spectrum = jnp.fft.fftshift(jnp.fft.fft2(images), axes=(1, 2))
    power = spectrum.real**2 + spectrum.imag**2
    return power[0] if single else power


def _counted(mask: ArrayLike, images: jax.Array) -> jax.Array:
    """Weights of the pixels as they came."""
    kept = jnp.asarray(mask, images.dtype).reshape(-1, *images.shape[1:])
    return jnp.broadcast_to(kept, images.shape)
