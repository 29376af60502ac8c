"""Gabor energy of images: what complex cells of visual cortex would say."""

import math
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check
from ..core.linalg import dot
from ..core.struct import struct

__all__ = ["GaborLayout", "gabor_energy", "gabor_layout"]

# Bytes of filter responses that are held at a time.
_BUDGET = 2**26


@struct
class GaborLayout:
    """What each column of :func:`gabor_energy` measures, arrays (n_features,).

    Attributes
    ----------
    scale : int array (n_features,)
        Scale, 0 the finest; as bands of a banded ridge it gives each scale a penalty.
    wavelength : array (n_features,)
        Period of the filter in pixels.
    orientation : array (n_features,)
        Direction in which the filter oscillates, in radians from the direction of
        growing columns to that of growing rows: 0 responds to vertical stripes.
    row, column : array (n_features,)
        Centre of the pool in pixels, 0 the middle of the first pixel.
    """

    scale: np.ndarray
    wavelength: np.ndarray
    orientation: np.ndarray
    row: np.ndarray
    column: np.ndarray


def gabor_energy(
    images: ArrayLike,
    *,
    n_scales: int = 4,
    n_orientations: int = 8,
    grid: tuple[int, int] = (7, 7),
    wavelength: float = 4.0,
    bandwidth: float = 1.0,
    power: float = 0.25,
) -> jax.Array:
    """Compute the local energy of images at several scales and orientations.

    Each image, its mean subtracted, is filtered with pairs of Gabor functions in
    quadrature. The squares of a pair add up to the energy, which a Gaussian window
    around each point of a grid averages and which is then raised to `power`. The
    filters are products of a function of rows and one of columns, so that matrix
    products give their outputs at no more places than the windows need. Beyond its
    edge an image is mirrored.

    Parameters
    ----------
    images : array (n_images, height, width) or (n_images, height, width, 1)
        Gray images in any unit. Arrays of NumPy, among them memory maps, are read in
        blocks.
    n_scales : int
        Number of wavelengths; each is twice the one before.
    n_orientations : int
        Number of orientations, evenly spaced over half a turn.
    grid : tuple of int
        Rows and columns of the grid of windows, whose standard deviation is half the
        distance between them.
    wavelength : float
        Shortest wavelength in pixels, at least 2.
    bandwidth : float
        Width of the filters at half their height, in octaves.
    power : float
        Exponent of the pooled energy: 1 keeps it, 0.5 gives an amplitude in the unit
        of the images, 0.25 compresses that as rates of neurons do.

    Returns
    -------
    array (n_images, n_features)
        Features ordered by scale, orientation, row and column of the grid; see
        :func:`gabor_layout`. A grating of the filter's wavelength and of amplitude 1
        has energy 1. Flat images have none.

    Raises
    ------
    ValueError
        If `images` is no stack of gray images of one size, or an option is out of its
        range.

    References
    ----------
    .. [1] Adelson & Bergen, Spatiotemporal energy models for the perception of motion,
       Journal of the Optical Society of America A 2, 1985, doi:10.1364/JOSAA.2.000284.
    .. [2] Kay et al., Identifying natural images from human brain activity, Nature 452,
       2008, doi:10.1038/nature06713.

    Examples
    --------
    >>> gabor_energy(jnp.ones((2, 20, 30)), n_scales=2, grid=(3, 4)).shape
    (2, 192)
    """
    images = _stack(images)
    height, width = images.shape[1:]
    layout = gabor_layout(
        (height, width),
        n_scales=n_scales,
        n_orientations=n_orientations,
        grid=grid,
        wavelength=wavelength,
    )
    bandwidth = check.positive("bandwidth", bandwidth)
    power = check.positive("power", power)
    wide = jax.dtypes.canonicalize_dtype(images.dtype) == jnp.float64
    dtype = jnp.dtype(jnp.float64 if wide else jnp.float32)
    angles = np.pi * np.arange(n_orientations) / n_orientations
    banks = [
        _bank((height, width), length, angles, grid, bandwidth, dtype)
        for length in np.unique(layout.wavelength)
    ]
    largest = max(bank[0].shape[1] * bank[1].shape[1] for bank in banks)
    size = max(1, _BUDGET // (4 * n_orientations * max(4 * largest, 2 * height)))
    size = min(size, max(1, images.shape[0]))
    if isinstance(images, jax.Array):
        return _all_blocks(images, banks, power, size=size)
    n_images = images.shape[0]
    result = np.empty((n_images, layout.scale.size), dtype)
    for start in range(0, n_images, size):
        block = np.zeros((size, height, width), images.dtype)
        n = min(size, n_images - start)
        block[:n] = images[start : start + n]
        result[start : start + n] = _block(jnp.asarray(block), banks, power)[:n]
    return jnp.asarray(result)


def gabor_layout(
    shape: tuple[int, int],
    *,
    n_scales: int = 4,
    n_orientations: int = 8,
    grid: tuple[int, int] = (7, 7),
    wavelength: float = 4.0,
) -> GaborLayout:
    """Say what each column of :func:`gabor_energy` measures.

    Parameters
    ----------
    shape : tuple of int
        Height and width of the images in pixels.
    n_scales, n_orientations, grid, wavelength
        As in :func:`gabor_energy`.

    Returns
    -------
    GaborLayout
        Arrays (n_features,).

    Raises
    ------
    ValueError
        If an option is out of its range.
    """
    for name, value in (("n_scales", n_scales), ("n_orientations", n_orientations)):
        if value < 1:
            raise ValueError(f"{name} is {value} but must be at least 1.")
    if len(grid) != 2 or any(not 1 <= g <= s for g, s in zip(grid, shape, strict=True)):
        raise ValueError(
            f"grid is {grid} but must hold two numbers from 1 to the image's height "
            f"and width, which are {shape[0]} and {shape[1]}."
        )
    wavelength = check.real_number("wavelength", wavelength)
    if wavelength < 2:
        raise ValueError(
            f"wavelength is {wavelength:g} pixels but must be at least 2; shorter "
            "waves do not exist on a grid of pixels."
        )
    indices = np.indices((n_scales, n_orientations, *grid)).reshape(4, -1)
    scale, angle, row, column = indices
    return GaborLayout(
        scale=scale,
        wavelength=wavelength * 2.0**scale,
        orientation=np.pi * angle / n_orientations,
        row=_centers(shape[0], grid[0])[row],
        column=_centers(shape[1], grid[1])[column],
    )


def _stack(images: ArrayLike) -> jax.Array | np.ndarray:
    """Gray images (n_images, height, width), left where they are."""
    if isinstance(images, Sequence):
        shapes = {np.shape(image) for image in images}
        if len(shapes) > 1:
            raise ValueError(
                f"images has images of the shapes {sorted(shapes)}; crop or resize "
                "them to one."
            )
    if not isinstance(images, (jax.Array, np.ndarray)):
        images = np.asarray(images)
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if images.ndim != 3:
        raise ValueError(
            f"images has shape {images.shape} but must be (n_images, height, width), "
            "with or without a last axis of one channel; average the channels first."
        )
    if images.dtype.kind not in "fiub" and images.dtype != jnp.bfloat16:
        raise TypeError(
            f"images has dtype {images.dtype} but must hold real numbers; convert it "
            "to float first."
        )
    return images


def _centers(n_pixels: int, n_cells: int) -> np.ndarray:
    """Centres of equal cells, in pixels."""
    return (np.arange(n_cells) + 0.5) * n_pixels / n_cells - 0.5


def _bank(
    shape: tuple[int, int],
    wavelength: float,
    angles: np.ndarray,
    grid: tuple[int, int],
    bandwidth: float,
    dtype: jnp.dtype,
) -> tuple[jax.Array, ...]:
    """Give the filters of one scale along rows and columns, and windows on both."""
    octaves = 2.0**bandwidth
    sigma = wavelength / math.pi * math.sqrt(math.log(2) / 2)
    sigma *= (octaves + 1) / (octaves - 1)
    waves, windows = [], []
    for n_pixels, n_cells, part in zip(
        shape, grid, (np.sin(angles), np.cos(angles)), strict=True
    ):
        # One sample per standard deviation catches all of the envelope.
        places = _centers(n_pixels, n_cells * math.ceil(n_pixels / (sigma * n_cells)))
        waves.append(_waves(n_pixels, places, sigma, 2 * np.pi * part / wavelength))
        middle = _centers(n_pixels, n_cells)
        width = 0.5 * n_pixels / n_cells
        window = np.exp(-0.5 * ((places - middle[:, None]) / width) ** 2)
        windows.append(window / window.sum(axis=1, keepdims=True))
    waves[1] = 2 * waves[1]  # a pair of filters sees half of a real wave
    return tuple(jnp.asarray(part, dtype) for part in (*waves, *windows))


def _waves(
    n_pixels: int, places: np.ndarray, sigma: float, frequency: np.ndarray
) -> np.ndarray:
    """Gabor functions of a line, (n_angles, n_places, 2, n_pixels), cosine and sine."""
    reach = math.ceil(4 * sigma)
    pixel = np.arange(-reach, n_pixels + reach)
    mirrored = pixel % (2 * n_pixels)
    mirrored = np.minimum(mirrored, 2 * n_pixels - 1 - mirrored)
    offset = pixel - places[:, None]
    envelope = np.exp(-0.5 * (offset / sigma) ** 2) / (sigma * math.sqrt(2 * np.pi))
    wave = envelope * np.exp(-1j * frequency[:, None, None] * offset)
    folded = np.zeros((n_pixels, frequency.size, places.size), complex)
    np.add.at(folded, mirrored, np.moveaxis(wave, 2, 0))
    folded = np.moveaxis(folded, 0, 2)
    return np.stack([np.real(folded), np.imag(folded)], axis=2)


@partial(jax.jit, static_argnames="size")
def _all_blocks(
    images: jax.Array, banks: list, power: float, *, size: int
) -> jax.Array:
    n_images = images.shape[0]
    n_blocks = max(1, -(-n_images // size))
    padded = jnp.pad(images, ((0, n_blocks * size - n_images), (0, 0), (0, 0)))
    blocks = padded.reshape(n_blocks, size, *images.shape[1:])
    features = jax.lax.map(lambda block: _block(block, banks, power), blocks)
    return features.reshape(n_blocks * size, -1)[:n_images]


@jax.jit
def _block(images: jax.Array, banks: list, power: float) -> jax.Array:
    x = images.astype(banks[0][0].dtype)
    x = x - x.mean(axis=(1, 2), keepdims=True)
    pooled = [_pooled(x, *bank) for bank in banks]
    energy = jnp.concatenate(pooled, axis=1)  # (n_images, angles of all scales, ...)
    exponent = jnp.asarray(power, energy.dtype)
    # The slope of a root is infinite at zero, where flat images are.
    some = energy > 0
    features = jnp.where(some, jnp.where(some, energy, 1) ** exponent, 0)
    return features.reshape(images.shape[0], -1)


def _pooled(
    x: jax.Array,
    down: jax.Array,
    across: jax.Array,
    rows: jax.Array,
    columns: jax.Array,
) -> jax.Array:
    """Energy around the points of the grid, (n_images, n_angles, rows, columns)."""
    n, height, width = x.shape
    n_angles, n_across = across.shape[:2]
    n_down = down.shape[1]
    filtered = dot(x.reshape(n * height, width), across.reshape(-1, width).T)
    filtered = filtered.reshape(n, height, n_angles, 2 * n_across)
    filtered = filtered.transpose(2, 1, 0, 3).reshape(n_angles, height, -1)
    filtered = dot(down.reshape(n_angles, -1, height), filtered)
    filtered = filtered.reshape(n_angles, n_down, 2, n, n_across, 2)
    cosine, sine = filtered[:, :, 0], filtered[:, :, 1]
    even = cosine[..., 0] - sine[..., 1]
    odd = cosine[..., 1] + sine[..., 0]
    energy = dot(even**2 + odd**2, columns.T)  # (n_angles, n_down, n, columns)
    energy = dot(rows, energy.reshape(n_angles, n_down, -1))
    shape = (n_angles, rows.shape[0], n, columns.shape[0])
    return energy.reshape(shape).transpose(2, 0, 1, 3)
