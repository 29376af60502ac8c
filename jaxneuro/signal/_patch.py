"""The Gabor function in closed form."""

from functools import partial

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

__all__ = ["gabor"]


@partial(jax.jit, static_argnames="shape")
def gabor(
    shape: tuple[int, int],
    *,
    wavelength: ArrayLike,
    orientation: ArrayLike,
    phase: ArrayLike = 0.0,
    sigma: ArrayLike,
    center: ArrayLike | tuple[float, float] = (0.0, 0.0),
) -> jax.Array:
    """Draw a grating under a round Gaussian envelope, or many of them.

    ``cos(2 pi u / wavelength + phase) exp(-r^2 / (2 sigma^2))``, where `r` is the
    distance from the centre and `u` its part along the direction `orientation`.
    Parameters are numbers or one number for each of the images, and the result is
    differentiable in all of them.

    Parameters
    ----------
    shape : tuple of int
        Height and width in pixels.
    wavelength : float or array (n_images,)
        Period in pixels; one that is infinite leaves the envelope.
    orientation : float or array (n_images,)
        Direction in which the function oscillates, in radians from growing columns to
        growing rows: 0 draws vertical stripes.
    phase : float or array (n_images,)
        Phase of the cosine at the centre, in radians.
    sigma : float or array (n_images,)
        Standard deviation of the envelope in pixels.
    center : array (2,) or (n_images, 2)
        Row and column, from the middle of the image, as fractions of its height and
        width.

    Returns
    -------
    array (height, width) or (n_images, height, width)
        Values from -1 to 1.

    Raises
    ------
    ValueError
        If parameters differ in length, or `shape` is not two positive integers.

    References
    ----------
    .. [1] Daugman, Uncertainty relation for resolution in space, spatial frequency, and
       orientation optimized by two-dimensional visual cortical filters, Journal of the
       Optical Society of America A 2, 1985, doi:10.1364/JOSAA.2.001160.

    Examples
    --------
    >>> gabor((20, 30), wavelength=8.0, orientation=0.0, sigma=3.0).shape
    (20, 30)
    """
    if len(shape) != 2 or min(shape) < 1:
        raise ValueError(f"shape is {shape} but must hold height and width in pixels.")
    given = {
        "wavelength": wavelength,
        "orientation": orientation,
        "phase": phase,
        "sigma": sigma,
    }
    dtype = jnp.result_type(*jax.tree.leaves((given, center)))
    dtype = dtype if jnp.issubdtype(dtype, jnp.floating) else jnp.zeros(()).dtype
    parts = [jnp.asarray(value, dtype) for value in given.values()]
    middle = jnp.asarray(center, dtype)
    sizes = {part.shape for part in parts} | {middle.shape[:-1]}
    if middle.shape[-1:] != (2,) or len(sizes - {()}) > 1 or max(map(len, sizes)) > 1:
        raise ValueError(
            f"{', '.join(given)} and center have the shapes "
            f"{', '.join(str(part.shape) for part in (*parts, middle))} but must hold "
            "one number, and center two, for all images or for each of them."
        )
    n_images = max((size[0] for size in sizes if size), default=1)
    length, angle, start, width = (
        jnp.broadcast_to(part, (n_images,))[:, None, None] for part in parts
    )
    middle = jnp.broadcast_to(middle, (n_images, 2))
    row, column = (
        (jnp.arange(n, dtype=dtype) - (n - 1) / 2)[None] - n * middle[:, axis, None]
        for axis, n in enumerate(shape)
    )
    row, column = row[:, :, None], column[:, None, :]
    along = jnp.cos(angle) * column + jnp.sin(angle) * row
    envelope = jnp.exp(-0.5 * (row**2 + column**2) / width**2)
    images = jnp.cos(2 * jnp.pi * along / length + start) * envelope
    return images if sizes != {()} else images[0]
