"""What is done to a gradient before it becomes a step, as optax transforms."""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..core import check
from ._blur import blurred, reach_of

__all__ = [
    "blur_updates",
    "scale_by_mean_size",
    "scale_by_spectrum",
    "spectral_filter",
]

_KINDS = ("isotropic", "notebook", "walker")


@cache
def scale_by_spectrum(
    power: float = 0.25, *, kind: str = "isotropic"
) -> optax.GradientTransformation:
    """Divide the spectrum of a gradient by a power of its frequency.

    Gradients of networks are full of high frequencies that hardly change the response.
    Weighing them down makes the ascent follow the smooth images that neurons see.

    Parameters
    ----------
    power : float
        Exponent of the frequency: 0 leaves the gradient as it is, 1 gives it the
        spectrum of natural images.
    kind : {"isotropic", "notebook", "walker"}
        "isotropic" takes the frequency in cycles per pixel, signed along both axes, not
        below one cycle per image. The others reproduce programs: see
        :func:`spectral_filter`.

    Returns
    -------
    optax.GradientTransformation
        For gradients ``(..., height, width, channels)``; the same object for the same
        options, so that nothing is compiled twice.

    Raises
    ------
    ValueError
        If `kind` is unknown or `power` not a finite number.

    References
    ----------
    .. [1] Walker et al., Nature Neuroscience 22 (2019) 2060-2065,
       doi:10.1038/s41593-019-0517-x; ``fft_smooth`` of cajal/inception_loop2019.
    """
    power = check.real_number("power", power)
    check.choice("kind", kind, _KINDS)

    def smooth(update: jax.Array) -> jax.Array:
        shape = update.shape[-3], update.shape[-2]
        weights = jnp.asarray(spectral_filter(shape, power, kind=kind), update.dtype)
        weights = weights[:, :, None].reshape((1,) * (update.ndim - 3) + (*shape, 1))
        spectrum = jnp.fft.fft2(update, axes=(-3, -2))
        spectrum = spectrum * weights.astype(spectrum.dtype)
        return jnp.fft.ifft2(spectrum, axes=(-3, -2)).real

    return _stateless(smooth)


def spectral_filter(
    shape: tuple[int, int], power: float = 0.25, *, kind: str = "isotropic"
) -> np.ndarray:
    """Compute the weights by which :func:`scale_by_spectrum` multiplies a spectrum.

    Parameters
    ----------
    shape : tuple of int
        Height and width.
    power : float
        Exponent of the frequency.
    kind : {"isotropic", "notebook", "walker"}
        "notebook" counts rows from 0 to the height, without folding them: on one
        diagonal frequencies look higher than on the other, where noise is then left
        1.42 times the energy (60 x 96 pixels, `power` 0.25), and the mean counts a
        hundredfold. "walker" folds about half a cycle too low and counts cycles per
        image on both axes; `power` is twice that program's ``factor``, an exponent of
        the squared frequency.

    Returns
    -------
    array (height, width)
        Order of frequencies as in :func:`numpy.fft.fft2`, mean 1 over the frequencies
        that the program in question sees.

    References
    ----------
    .. [1] Walker et al., Nature Neuroscience 22 (2019) 2060-2065,
       doi:10.1038/s41593-019-0517-x; ``fft_smooth`` of cajal/inception_loop2019.
    """
    height, width = shape
    rows, columns = np.arange(height)[:, None], np.arange(width)[None]
    if kind == "notebook":
        half = columns[:, : width // 2 + 1]
        weights = (np.hypot(rows, half) + 1e-8) ** -power
        weights = weights / weights.mean()
        # The other half is what makes the filtered image real.
        mirrored = weights[-rows % height, (-columns % width) % half.size]
        full = weights[:, np.minimum(columns[0], half.size - 1)]
        return np.where(columns < half.size, full, mirrored)
    if kind == "walker":
        rows, columns = (
            np.minimum(k, n - 1 - k) for k, n in ((rows, height), (columns, width))
        )
        weights = np.maximum(1, np.hypot(rows, columns) ** power) ** -1.0
    else:
        frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
        weights = np.maximum(frequency, 1 / max(height, width)) ** -power
    return weights / weights.mean()


@cache
def scale_by_mean_size() -> optax.GradientTransformation:
    """Divide a gradient by the mean of its absolute values.

    Steps then have the same size whatever the gain of a neuron.

    Returns
    -------
    optax.GradientTransformation
        For one image; a gradient of zeros stays.

    References
    ----------
    .. [1] Walker et al., Nature Neuroscience 22 (2019) 2060-2065,
       doi:10.1038/s41593-019-0517-x.
    """

    def divide(update: jax.Array) -> jax.Array:
        size = jnp.abs(update).mean()
        return update / jnp.where(size > 0, size, 1)

    return _stateless(divide)


@cache
def blur_updates(sigma: float) -> optax.GradientTransformation:
    """Blur a gradient by a Gaussian.

    Parameters
    ----------
    sigma : float
        Standard deviation in pixels.

    Returns
    -------
    optax.GradientTransformation
        For one image ``(height, width, channels)``.

    Raises
    ------
    ValueError
        If `sigma` is not positive.
    """
    reach = reach_of(check.positive("sigma", sigma))

    def blur(update: jax.Array) -> jax.Array:
        return blurred(
            update,
            jnp.asarray(sigma, update.dtype),
            jnp.asarray(reach, jnp.int32),
            reach,
        )

    return _stateless(blur)


def _stateless(function: Any) -> optax.GradientTransformation:
    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        del params
        return jax.tree.map(function, updates), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)
