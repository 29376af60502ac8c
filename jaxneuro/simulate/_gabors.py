"""Neurons of visual cortex with planted Gabor receptive fields."""

from functools import partial

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ..core import check
from ..core.linalg import dot
from ..core.struct import struct
from ..signal import gabor

__all__ = [
    "GaborTruth",
    "gabor_counts",
    "gabor_neurons",
    "gabor_rates",
    "gabor_truth",
]

_MEAN, _CONTRAST = 0.5, 0.18  # of the images, whose range is 0 to 1
_MARGIN = 0.25  # of the image on each side, where no field has its centre
_WAVELENGTH = (0.17, 0.4)  # shortest and longest, as fractions of the shorter side
_SIGMA = 0.4  # of the envelope, in wavelengths
_BASE, _GAIN = 0.1, (1.5, 4.0)  # spikes per image without a drive, and per unit of it


@struct
class GaborTruth:
    """What :func:`gabor_neurons` planted, lengths in pixels and angles in radians.

    Attributes
    ----------
    wavelength, orientation, phase, sigma : array (n_targets,)
        Of each Gabor function: its period; the direction in which it oscillates, from
        growing columns to growing rows; the phase of its cosine at the centre; the
        standard deviation of its round envelope.
    center : array (n_targets, 2)
        Row and column, from the middle of the image, as fractions of its height and
        width.
    gain : array (n_targets,)
        Spikes per image and unit of drive.
    is_complex : bool array (n_targets,)
        Whether the neuron sums the energy of both phases; every second one does.
    filters : array (2, height, width, n_targets)
        The Gabor function and the one a quarter of a period away, without a mean and
        scaled so that the drive by the images has unit variance.
    """

    wavelength: jax.Array
    orientation: jax.Array
    phase: jax.Array
    sigma: jax.Array
    center: jax.Array
    gain: jax.Array
    is_complex: jax.Array
    filters: jax.Array


def gabor_neurons(
    key: jax.Array,
    n_images: int = 2000,
    shape: tuple[int, int] = (36, 64),
    n_targets: int = 8,
) -> tuple[jax.Array, jax.Array]:
    """Simulate the rates of simple and complex cells to images.

    The images are noise with the spectrum of natural ones, amplitude one over
    frequency. Simple cells rectify the output of a Gabor filter smoothly; complex
    cells take the logarithm of the energy of two in quadrature, so that no linear
    model can predict them.

    Parameters
    ----------
    key : array
        Random key.
    n_images : int
        Number of images.
    shape : tuple of int
        Height and width in pixels.
    n_targets : int
        Number of neurons.

    Returns
    -------
    images : array (n_images, height, width, 1)
        Gray values from 0 to 1 with mean 0.5.
    rates : array (n_images, n_targets)
        Expected spikes per image, without noise; :func:`gabor_counts` draws spikes.

    Raises
    ------
    ValueError
        If a size is too small.

    References
    ----------
    .. [1] Field, Relations between the statistics of natural images and the response
       properties of cortical cells, Journal of the Optical Society of America A 4,
       1987, doi:10.1364/JOSAA.4.002379.

    Examples
    --------
    >>> images, rates = gabor_neurons(jax.random.key(0), n_images=5)
    >>> images.shape, rates.shape
    ((5, 36, 64, 1), (5, 8))
    """
    truth = gabor_truth(key, shape, n_targets)
    if n_images < 1:
        raise ValueError(f"n_images is {n_images} but must be at least 1.")
    images = _images(_keys(key)[1], n_images=n_images, shape=tuple(shape))
    return images, gabor_rates(truth, images)


def gabor_truth(
    key: jax.Array, shape: tuple[int, int] = (36, 64), n_targets: int = 8
) -> GaborTruth:
    """Draw the receptive fields that :func:`gabor_neurons` has for the same key.

    Parameters
    ----------
    key : array
        Random key.
    shape : tuple of int
        Height and width in pixels, each at least 8.
    n_targets : int
        Number of neurons.

    Returns
    -------
    GaborTruth
        Parameters and filters.

    Raises
    ------
    ValueError
        If a size is too small.
    """
    if len(shape) != 2 or min(shape) < 8:
        raise ValueError(
            f"shape is {tuple(shape)} but must hold height and width, each at least 8."
        )
    if n_targets < 1:
        raise ValueError(f"n_targets is {n_targets} but must be at least 1.")
    return _truth(_keys(key)[0], shape=tuple(shape), n_targets=n_targets)


def gabor_rates(truth: GaborTruth, images: ArrayLike) -> jax.Array:
    """Compute the exact rates of planted neurons to any images.

    Parameters
    ----------
    truth : GaborTruth
        Neurons.
    images : array (n_images, height, width, 1)
        Gray values; the mean of 0.5 means nothing to the filters, which have none.

    Returns
    -------
    array (n_images, n_targets)
        Expected spikes per image, differentiable in the images.

    Raises
    ------
    ValueError
        If the images have another size than the receptive fields.
    """
    images = check.float_array("images", images, ndim=4)
    if images.shape[1:] != (*truth.filters.shape[1:3], 1):
        raise ValueError(
            f"images has shape {images.shape} but the receptive fields need "
            f"(n_images, {truth.filters.shape[1]}, {truth.filters.shape[2]}, 1)."
        )
    return _rates(truth, images)


def gabor_counts(key: jax.Array, rates: ArrayLike, n_repeats: int) -> jax.Array:
    """Draw Poisson spike counts of repeated presentations.

    Parameters
    ----------
    key : array
        Random key, another than that of the neurons.
    rates : array (n_images, n_targets)
        Expected spikes per image.
    n_repeats : int
        How often each image is shown.

    Returns
    -------
    array (n_repeats, n_images, n_targets)
        Counts as floats.

    Raises
    ------
    ValueError
        If `rates` is not two-dimensional or `n_repeats` not positive.
    """
    rates = check.float_array("rates", rates, ndim=2)
    if n_repeats < 1:
        raise ValueError(f"n_repeats is {n_repeats} but must be at least 1.")
    return _counts(key, rates, n_repeats=n_repeats)


def _keys(key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Keys of neurons and images, so that all functions draw equal neurons."""
    neurons, images = jax.random.split(key)
    return neurons, images


@partial(jax.jit, static_argnames=("shape", "n_targets"))
def _truth(key: jax.Array, *, shape: tuple[int, int], n_targets: int) -> GaborTruth:
    uniform = jax.random.uniform(key, (6, n_targets))
    dtype = uniform.dtype
    low, high = (min(shape) * part for part in _WAVELENGTH)
    wavelength = low + (high - low) * uniform[0]
    orientation, phase = jnp.pi * uniform[1], 2 * jnp.pi * uniform[2]
    center = (0.5 - _MARGIN) * (2 * uniform[3:5] - 1)
    sigma = _SIGMA * wavelength
    place = {"orientation": orientation, "sigma": sigma, "center": center.T}
    # Real and imaginary part, then the envelope, whose wave is infinitely long.
    waves = jnp.stack(
        [
            gabor(shape, wavelength=wavelength, phase=phase + turn, **place)
            for turn in (0, jnp.pi / 2)
        ]
    )
    envelope = gabor(shape, wavelength=jnp.inf, **place)
    total = envelope.sum(axis=(1, 2), keepdims=True)
    share = waves.sum(axis=(2, 3), keepdims=True) / total[None]
    filters = jnp.moveaxis(waves - share * envelope[None], 1, 3)
    # Variance of the drive by noise of the images' spectrum, from Parseval's theorem.
    spectrum = jnp.abs(jnp.fft.fft2(filters, axes=(1, 2))) ** 2
    power = (_amplitude(shape, dtype) ** 2)[None, :, :, None]
    variance = (spectrum * power).mean(axis=(1, 2), keepdims=True)
    return GaborTruth(
        wavelength=wavelength,
        orientation=orientation,
        phase=phase,
        sigma=sigma,
        center=center.T,
        gain=_GAIN[0] + (_GAIN[1] - _GAIN[0]) * uniform[5],
        is_complex=jnp.arange(n_targets) % 2 == 1,
        filters=filters / (_CONTRAST * jnp.sqrt(variance)),
    )


def _amplitude(shape: tuple[int, int], dtype: jnp.dtype) -> jax.Array:
    """Spectrum one over frequency, of noise with unit variance, without its mean."""
    down, across = (jnp.fft.fftfreq(n, dtype=dtype) for n in shape)
    square = down[:, None] ** 2 + across[None] ** 2
    amplitude = jnp.where(square > 0, 1 / jnp.sqrt(jnp.where(square > 0, square, 1)), 0)
    return amplitude / jnp.sqrt((amplitude**2).mean())


@partial(jax.jit, static_argnames=("n_images", "shape"))
def _images(key: jax.Array, *, n_images: int, shape: tuple[int, int]) -> jax.Array:
    def one(key: jax.Array) -> jax.Array:
        white = jax.random.normal(key, shape)
        half = _amplitude(shape, white.dtype)[:, : shape[1] // 2 + 1]
        pink = jnp.fft.irfft2(jnp.fft.rfft2(white) * half.astype(complex), shape)
        return jnp.clip(_MEAN + _CONTRAST * pink, 0, 1)[:, :, None]

    # One by one: the transforms of all images at once would not fit.
    return jax.lax.map(one, jax.random.split(key, n_images), batch_size=64)


@jax.jit
def _rates(truth: GaborTruth, images: jax.Array) -> jax.Array:
    n_targets = truth.gain.size
    filters = truth.filters.astype(images.dtype).reshape(2, -1, n_targets)
    flat = (images - _MEAN).reshape(images.shape[0], -1)
    first, second = dot(flat, filters[0]), dot(flat, filters[1])
    simple = jax.nn.softplus(3 * first) / 3
    energy = jnp.log1p(first**2 + second**2)
    drive = jnp.where(truth.is_complex[None], energy, simple)
    return _BASE + truth.gain.astype(images.dtype)[None] * drive


@partial(jax.jit, static_argnames="n_repeats")
def _counts(key: jax.Array, rates: jax.Array, *, n_repeats: int) -> jax.Array:
    counts = jax.random.poisson(key, rates[None], (n_repeats, *rates.shape))
    return counts.astype(rates.dtype)
