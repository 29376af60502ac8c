"""Voxels that see pixels."""

from functools import partial

import jax
import jax.numpy as jnp

from ..core import check

__all__ = ["pixel_fields", "pixel_voxels"]

# Receptive fields are round, a tenth to a fifth of the image wide.
_WIDTH = (0.1, 0.2)
# Share of a voxel's variance that its field explains: from nothing to half.
_MOST_EXPLAINED = 0.5


def pixel_fields(
    key: jax.Array, shape: tuple[int, int] = (10, 10), n_targets: int = 100
) -> jax.Array:
    """Draw receptive fields on a grid of pixels.

    Each is a Gaussian bump, mostly positive ones.

    Parameters
    ----------
    key : array
        Random key.
    shape : tuple of int
        Height and width in pixels.
    n_targets : int
        Number of voxels.

    Returns
    -------
    array (n_pixels, n_targets)
        Fields of unit norm, rows of pixels one after the other: those of
        :func:`pixel_voxels` for the same key and sizes.

    Raises
    ------
    ValueError
        If a size is not positive.
    """
    _check(height=shape[0], width=shape[1], n_targets=n_targets)
    return _fields(_keys(key)[0], shape=tuple(shape), n_targets=n_targets)


def pixel_voxels(
    key: jax.Array,
    *,
    n_samples: int = 2860,
    shape: tuple[int, int] = (10, 10),
    n_targets: int = 5438,
) -> tuple[jax.Array, jax.Array]:
    """Simulate voxels that respond to random black and white pixels.

    After the experiment of [1]_: images of independent binary pixels, and voxels
    that sum the pixels of their field of :func:`pixel_fields`, plus white noise. The
    field explains up to half of a voxel's variance, evenly spread over voxels.

    Parameters
    ----------
    key : array
        Random key.
    n_samples : int
        Number of images.
    shape : tuple of int
        Height and width in pixels.
    n_targets : int
        Number of voxels.

    Returns
    -------
    stimuli : array (n_samples, n_pixels)
        Zeros and ones, rows of pixels one after the other.
    bold : array (n_samples, n_targets)
        Mean near zero, unit variance of signal and noise together.

    Raises
    ------
    ValueError
        If a size is not positive.

    References
    ----------
    .. [1] Miyawaki et al., Neuron 60 (2008) 915-929, doi:10.1016/j.neuron.2008.11.004.

    Examples
    --------
    >>> stimuli, bold = pixel_voxels(jax.random.key(0), n_samples=50, n_targets=4)
    >>> stimuli.shape, bold.shape
    ((50, 100), (50, 4))
    """
    _check(n_samples=n_samples)
    fields = pixel_fields(key, shape, n_targets)
    return _record(key, fields, n_samples=n_samples)


def _keys(key: jax.Array) -> tuple[jax.Array, ...]:
    """Keys of fields, images, noise and strengths: both functions draw the same."""
    return tuple(jax.random.split(key, 4))


@partial(jax.jit, static_argnames=("shape", "n_targets"))
def _fields(key: jax.Array, *, shape: tuple[int, int], n_targets: int) -> jax.Array:
    row, column, width, sign = jax.random.uniform(key, (4, 1, 1, n_targets))
    size = max(shape)
    dtype = row.dtype
    y = jnp.arange(shape[0], dtype=dtype)[:, None, None]
    x = jnp.arange(shape[1], dtype=dtype)[None, :, None]
    spread = size * (_WIDTH[0] + (_WIDTH[1] - _WIDTH[0]) * width)
    distance = (y - (shape[0] - 1) * row) ** 2 + (x - (shape[1] - 1) * column) ** 2
    bump = jnp.exp(-0.5 * distance / spread**2) * jnp.where(sign < 0.8, 1, -1)
    fields = bump.reshape(-1, n_targets)
    return fields / jnp.sqrt((fields**2).sum(0, keepdims=True))


@partial(jax.jit, static_argnames="n_samples")
def _record(
    key: jax.Array, fields: jax.Array, *, n_samples: int
) -> tuple[jax.Array, jax.Array]:
    _, k_image, k_noise, k_share = _keys(key)
    n_pixels, n_targets = fields.shape
    pixels = jax.random.bernoulli(k_image, 0.5, (n_samples, n_pixels))
    stimuli = pixels.astype(fields.dtype)
    # A pixel's deviation is one half, so that the signal has unit variance.
    signal = jnp.matmul(2 * stimuli - 1, fields, precision="highest")
    share = _MOST_EXPLAINED * jax.random.uniform(k_share, (1, n_targets))
    noise = jax.random.normal(k_noise, signal.shape)
    return stimuli, jnp.sqrt(share) * signal + jnp.sqrt(1 - share) * noise


def _check(**sizes: int) -> None:
    for name, value in sizes.items():
        if check.real_number(name, value) <= 0:
            raise ValueError(f"{name} is {value:g} but must be positive.")
