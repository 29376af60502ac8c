"""Which orientations and spatial frequencies an image holds, and its symmetry."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check
from ..core.struct import struct
from ._compare import power_spectrum

__all__ = [
    "FrequencyProfile",
    "OrientationProfile",
    "frequency_profile",
    "orientation_profile",
    "symmetry_index",
]

_BIN = np.pi / 16  # radians, of the compatible profile


@struct
class OrientationProfile:
    """Power of images by orientation.

    Attributes
    ----------
    angles : array (n_bins,)
        Middle of each bin in radians, the direction in which a grating oscillates from
        growing columns to growing rows.
    power : array (n_bins,) or (n_images, n_bins)
        Mean power of the frequencies in each bin.
    preferred : array () or (n_images,)
        Orientation of the power as a whole, from 0 to pi; NaN without any.
    """

    angles: jax.Array
    power: jax.Array
    preferred: jax.Array


@struct
class FrequencyProfile:
    """Power of images by spatial frequency.

    Attributes
    ----------
    frequencies : array (n_bins,)
        Middle of each ring in cycles per pixel.
    power : array (n_bins,) or (n_images, n_bins)
        Mean power of the frequencies in each ring.
    centroid : array () or (n_images,)
        Mean frequency, weighted by power, in cycles per pixel.
    bandwidth : array () or (n_images,)
        Standard deviation of the frequency in octaves, weighted by power.
    slope : array () or (n_images,)
        Of the logarithm of `power` over that of `frequencies`; about -2 for natural
        images, 0 for white noise.
    """

    frequencies: jax.Array
    power: jax.Array
    centroid: jax.Array
    bandwidth: jax.Array
    slope: jax.Array


def orientation_profile(
    image: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    n_bins: int = 16,
    compat: str | None = None,
) -> OrientationProfile:
    """Average an image's power over wedges of its Fourier plane.

    Without its mean, and within the circle of frequencies that every direction has, up
    to half a cycle per pixel. Bins are centred, the first on 0.

    Parameters
    ----------
    image : array (height, width) or (n_images, height, width[, channels])
        Images; channels are averaged.
    mask : array (height, width) or (n_images, height, width), optional
        As in :func:`power_spectrum`.
    n_bins : int
        Wedges in half a turn.
    compat : {"notebook"}, optional
        As the notebook that this reproduces: power of the mean included, all
        frequencies, angles from -pi between the columns and rows of the transform,
        which are not those of the image unless it is square, and one bin more, which
        holds pi alone; `n_bins` does not count.

    Returns
    -------
    OrientationProfile
        Arrays (n_bins,), of 33 bins with `compat`.

    Raises
    ------
    ValueError
        If shapes disagree, or an option is out of its range.
    """
    check.choice("compat", compat, (None, "notebook"))
    if n_bins < 2:
        raise ValueError(f"n_bins is {n_bins} but must be at least 2.")
    notebook = compat == "notebook"
    power = power_spectrum(image, mask=mask, remove_mean=not notebook)
    shape = (power.shape[-2], power.shape[-1])
    bins, angles = _notebook_wedges(shape) if notebook else _wedges(shape, n_bins)
    return OrientationProfile(
        angles=jnp.asarray(angles, power.dtype),
        power=_binned(power, bins, n_bins=angles.size),
        preferred=_preferred(power),
    )


def symmetry_index(
    image: ArrayLike,
    *,
    n_fold: int = 1,
    mask: ArrayLike | None = None,
    n_bins: int = 16,
    compat: str | None = None,
) -> jax.Array:
    """How far the power is gathered in `n_fold` orientations, evenly spaced.

    ``|sum_k P_k exp(2 i n a_k)| / sum_k P_k`` over the wedges of
    :func:`orientation_profile`: 0 for noise, 1 for a grating, and for a plaid with
    ``n_fold=2``.

    Parameters
    ----------
    image : array (height, width) or (n_images, height, width[, channels])
        Images; channels are averaged.
    n_fold : int
        Number of orientations.
    mask : array (height, width) or (n_images, height, width), optional
        As in :func:`power_spectrum`.
    n_bins : int
        Wedges in half a turn.
    compat : {"notebook"}, optional
        As in :func:`orientation_profile`. The power of the mean lies in one wedge and
        gives white noise an index of 0.94.

    Returns
    -------
    array () or (n_images,)
        From 0 to 1; NaN for an image without power.

    Raises
    ------
    ValueError
        If shapes disagree, or an option is out of its range.
    """
    if n_fold < 1:
        raise ValueError(f"n_fold is {n_fold} but must be at least 1.")
    profile = orientation_profile(image, mask=mask, n_bins=n_bins, compat=compat)
    power, turn = profile.power, 2 * n_fold * profile.angles
    turn = turn.reshape((1,) * (power.ndim - 1) + turn.shape)
    real, imaginary = (power * jnp.cos(turn)).sum(-1), (power * jnp.sin(turn)).sum(-1)
    return _ratio(jnp.hypot(real, imaginary), power.sum(-1))


def frequency_profile(
    image: ArrayLike, *, mask: ArrayLike | None = None, n_bins: int | None = None
) -> FrequencyProfile:
    """Average an image's power over rings of its Fourier plane.

    Without its mean, up to half a cycle per pixel.

    Parameters
    ----------
    image : array (height, width) or (n_images, height, width[, channels])
        Images; channels are averaged.
    mask : array (height, width) or (n_images, height, width), optional
        As in :func:`power_spectrum`.
    n_bins : int, optional
        Rings of equal width, at most half the shorter side. Default: as many.

    Returns
    -------
    FrequencyProfile
        Arrays (n_bins,).

    Raises
    ------
    ValueError
        If shapes disagree, or `n_bins` is out of its range.
    """
    power = power_spectrum(image, mask=mask)
    shape = (power.shape[-2], power.shape[-1])
    most = min(shape) // 2
    n_bins = most if n_bins is None else n_bins
    if not 2 <= n_bins <= most:
        raise ValueError(
            f"n_bins is {n_bins} but must be from 2 to half the shorter side, {most}."
        )
    frequencies = (np.arange(n_bins) + 0.5) / (2 * n_bins)
    rings = _binned(power, _rings(shape, n_bins), n_bins=n_bins)
    centroid, bandwidth, slope = _content(power, rings, jnp.asarray(frequencies))
    return FrequencyProfile(
        frequencies=jnp.asarray(frequencies, power.dtype),
        power=rings,
        centroid=centroid,
        bandwidth=bandwidth,
        slope=slope,
    )


@cache
def _plane(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Size and direction of the frequencies; 0 where a spectrum is not used."""
    down, across = (np.fft.fftshift(np.fft.fftfreq(n)) for n in shape)
    size = np.hypot(down[:, None], across[None])
    angle = np.arctan2(down[:, None], across[None]) % np.pi
    return np.where(size <= 0.5, size, 0), angle


def _wedges(shape: tuple[int, int], n_bins: int) -> tuple[np.ndarray, np.ndarray]:
    size, angle = _plane(shape)
    bins = np.round(angle * n_bins / np.pi).astype(int) % n_bins
    return np.where(size > 0, bins, n_bins), np.pi * np.arange(n_bins) / n_bins


def _notebook_wedges(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    row, column = np.indices(shape)
    angle = np.arctan2(row - shape[0] // 2, column - shape[1] // 2)
    bins = np.floor(angle / _BIN).astype(int)
    bins -= bins.min()
    return bins, _BIN * np.arange(bins.max() + 1)


def _rings(shape: tuple[int, int], n_bins: int) -> np.ndarray:
    size, _ = _plane(shape)
    # A ring holds its outer edge, whatever the last digit of a fraction.
    ring = np.ceil(2 * n_bins * size - 1e-9).astype(int) - 1
    return np.where(size > 0, ring, n_bins)


@partial(jax.jit, static_argnames="n_bins")
def _binned(power: jax.Array, bins: np.ndarray, *, n_bins: int) -> jax.Array:
    """Mean of the pixels of each bin, (..., n_bins); bin n_bins is left out."""
    flat = power.reshape(-1, bins.size).T
    bins = bins.ravel()
    total = jax.ops.segment_sum(flat, bins, n_bins + 1)[:n_bins]
    count = jax.ops.segment_sum(jnp.ones_like(flat[:, 0]), bins, n_bins + 1)[:n_bins]
    mean = total / jnp.maximum(count, 1)[:, None]
    return mean.T.reshape(*power.shape[:-2], n_bins)


@jax.jit
def _preferred(power: jax.Array) -> jax.Array:
    size, angle = _plane((power.shape[-2], power.shape[-1]))
    real, imaginary = (
        jnp.asarray(np.where(size > 0, part, 0), power.dtype)
        for part in (np.cos(2 * angle), np.sin(2 * angle))
    )
    flat = power.reshape(-1, size.size)
    parts = [(flat * part.reshape(1, -1)).sum(1) for part in (real, imaginary)]
    any_power = (parts[0] != 0) | (parts[1] != 0)
    angle_of = jnp.arctan2(parts[1], jnp.where(any_power, parts[0], 1)) / 2
    found = jnp.where(any_power, angle_of % np.pi, jnp.nan)
    return found.reshape(power.shape[:-2])


@jax.jit
def _content(
    power: jax.Array, rings: jax.Array, frequencies: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Centroid, bandwidth and slope, each (...)."""
    size, _ = _plane((power.shape[-2], power.shape[-1]))
    flat = power.reshape(-1, size.size)
    used = np.where(size > 0, 1, 0).reshape(1, -1)
    octave = np.log2(np.where(size > 0, size, 1)).reshape(1, -1)
    frequency = jnp.asarray(size.reshape(1, -1), power.dtype)
    flat = flat * jnp.asarray(used, power.dtype)
    total = flat.sum(1)
    centroid = _ratio((flat * frequency).sum(1), total)
    octaves = jnp.asarray(octave, power.dtype)
    middle = _ratio((flat * octaves).sum(1), total)
    spread = _ratio((flat * (octaves - middle[:, None]) ** 2).sum(1), total)
    x = jnp.log(frequencies.astype(power.dtype))
    x = x - x.mean()
    low = jnp.finfo(power.dtype).tiny  # a ring without power
    y = jnp.log(jnp.maximum(rings.reshape(-1, x.size), low))
    slope = (y * x[None]).sum(1) / (x**2).sum()
    shape = power.shape[:-2]
    slope = jnp.where(total > 0, slope, jnp.nan)
    return (
        centroid.reshape(shape),
        jnp.sqrt(spread).reshape(shape),
        slope.reshape(shape),
    )


def _ratio(part: jax.Array, whole: jax.Array) -> jax.Array:
    defined = whole > 0
    return jnp.where(defined, part / jnp.where(defined, whole, 1), jnp.nan)
