"""Gabor functions: a bank of them, and those of a table of stimuli."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check
from ..core.struct import struct

__all__ = ["Gabors", "gabor_bank", "presented_gabors"]


@struct
class Gabors:
    """Parameters of Gabor functions, as :func:`gabor` takes them.

    Draw them all with ``mei.gabor(shape, **vars(gabors))``.

    Attributes
    ----------
    wavelength, orientation, phase, sigma : array (n_gabors,)
        Pixels and radians.
    center : array (n_gabors, 2)
        Row and column, from the middle of the image, as fractions of its height and
        width.
    """

    wavelength: jax.Array
    orientation: jax.Array
    phase: jax.Array
    sigma: jax.Array
    center: jax.Array


def gabor_bank(
    shape: tuple[int, int],
    *,
    wavelengths: Sequence[float] | None = None,
    n_orientations: int = 8,
    n_phases: int = 4,
    widths: Sequence[float] = (0.4,),
    grid: tuple[int, int] = (5, 7),
) -> Gabors:
    """List the Gabor functions of a grid over all parameters.

    Parameters
    ----------
    shape : tuple of int
        Height and width of the images in pixels.
    wavelengths : sequence of float, optional
        Periods in pixels. Default: five, from 4 pixels to half the shorter side, evenly
        spaced on a logarithmic scale.
    n_orientations, n_phases : int
        How many, evenly spaced over half a turn and a whole one.
    widths : sequence of float
        Standard deviations of the envelope, in wavelengths; 0.4 has a bandwidth of
        about 1.5 octaves, that of many cells of primary visual cortex.
    grid : tuple of int
        Rows and columns of centres, which divide the image evenly.

    Returns
    -------
    Gabors
        Every combination; centres change first, wavelengths last.

    Raises
    ------
    ValueError
        If a number is out of its range.

    References
    ----------
    .. [1] Walker et al., Nature Neuroscience 22 (2019) 2060-2065,
       doi:10.1038/s41593-019-0517-x, whose bank this is, but for its sizes.

    Examples
    --------
    >>> gabor_bank((36, 64), grid=(3, 3)).phase.shape
    (1440,)
    """
    counts = {"n_orientations": (n_orientations,), "n_phases": (n_phases,)}
    for name, values in {**counts, "grid": grid}.items():
        if min(values) < 1:
            raise ValueError(f"{name} is {values} but must be 1 or more.")
    if wavelengths is None:
        wavelengths = tuple(np.geomspace(4, max(min(shape) / 2, 4), 5))
    for name, values in (("wavelengths", wavelengths), ("widths", widths)):
        for value in values:
            check.positive(name, value)
    places = [(np.arange(n) + 0.5) / n - 0.5 for n in grid]
    axes = (
        np.asarray(wavelengths, float),
        np.asarray(widths, float),
        np.pi * np.arange(n_orientations) / n_orientations,
        2 * np.pi * np.arange(n_phases) / n_phases,
        *places,
    )
    length, width, angle, phase, row, column = (
        part.ravel() for part in np.meshgrid(*axes, indexing="ij")
    )
    numbers = (length, angle, phase, width * length, np.stack([row, column], 1))
    dtype = jnp.zeros(()).dtype
    names = ("wavelength", "orientation", "phase", "sigma", "center")
    parts = {n: jnp.asarray(x, dtype) for n, x in zip(names, numbers, strict=True)}
    return Gabors(**parts)


def presented_gabors(
    shape: tuple[int, int],
    *,
    wavelength: ArrayLike,
    orientation: ArrayLike,
    phase: ArrayLike,
    sigma: ArrayLike,
    dy: ArrayLike = 0.0,
    dx: ArrayLike = 0.0,
) -> Gabors:
    """Translate Gabor functions as stimulus tables state them.

    The table's angles are degrees. At orientation 0 its waves run down the rows, and
    they turn against the clock. The phase is that of a sine at the first row of an
    image three times as large, or larger, and a centre moves by whole pixels [1]_. The
    program that reads such tables turns a sampled wave by cubic splines, from which the
    closed form differs by 1.2e-3 at wavelengths from 7.5 pixels, and by 0.08 at 3.1
    pixels and 45 degrees, where the splines fail.

    Parameters
    ----------
    shape : tuple of int
        Height and width of the images in pixels.
    wavelength, sigma : float or array (n_gabors,)
        In pixels.
    orientation, phase : float or array (n_gabors,)
        In degrees.
    dy, dx : float or array (n_gabors,)
        Movement down and right, in heights and widths of the image.

    Returns
    -------
    Gabors
        Arrays (n_gabors,).

    Raises
    ------
    ValueError
        If parameters differ in length.

    References
    ----------
    .. [1] cajal/inception_loop2019 and the notebook that this reproduces,
       ``create_gabor``.
    """
    given = (wavelength, orientation, phase, sigma, dy, dx)
    parts = [np.atleast_1d(np.asarray(part, float)) for part in given]
    sizes = {part.shape for part in parts} - {(1,)}
    if len(sizes) > 1 or max(part.ndim for part in parts) > 1:
        raise ValueError(
            "wavelength, orientation, phase, sigma, dy and dx have the shapes "
            f"{', '.join(str(part.shape) for part in parts)} but must be of one length."
        )
    length, angle, start, width, down, right = np.broadcast_arrays(*parts)
    height, n_columns = shape
    middle = (height + 2 * max(shape) - 1) / 2  # row of the larger image
    start = np.deg2rad(start) + 2 * np.pi * middle / length - np.pi / 2
    center = [np.trunc(down * height) / height, np.trunc(right * n_columns) / n_columns]
    dtype = jnp.zeros(()).dtype
    return Gabors(
        wavelength=jnp.asarray(length, dtype),
        orientation=jnp.asarray(np.pi / 2 - np.deg2rad(angle), dtype),
        phase=jnp.asarray(start % (2 * np.pi), dtype),
        sigma=jnp.asarray(width, dtype),
        center=jnp.asarray(np.stack(center, 1), dtype),
    )
