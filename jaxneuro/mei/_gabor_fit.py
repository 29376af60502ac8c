"""The Gabor function that is nearest to an image."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core.members import over_members
from ..core.struct import struct
from ._images import gray, moments, weights

__all__ = ["GaborFit", "fit_gabor"]

_N_STEPS = 100  # at most; ten to thirty are usual
_WIDEST = 2.0  # standard deviation of the envelope, in longer sides of the image


@struct
class GaborFit:
    """Gabor functions fitted to images, ``offset + amplitude * gabor``.

    Attributes
    ----------
    wavelength, orientation, phase, sigma : array () or (n_images,)
        As :func:`gabor` takes them; orientations from 0 to pi, phases from -pi to pi.
    center : array (2,) or (n_images, 2)
        Row and column, from the middle of the image, as fractions of its height and
        width.
    amplitude, offset : array () or (n_images,)
        In the unit of the images; the amplitude is positive.
    r2 : array () or (n_images,)
        Share of the pixels' variance that the fit explains.
    converged : bool array () or (n_images,)
        Whether the last steps changed nothing.
    """

    wavelength: jax.Array
    orientation: jax.Array
    phase: jax.Array
    sigma: jax.Array
    center: jax.Array
    amplitude: jax.Array
    offset: jax.Array
    r2: jax.Array
    converged: jax.Array


def fit_gabor(image: ArrayLike, *, mask: ArrayLike | None = None) -> GaborFit:
    """Fit a Gabor function to each image by least squares.

    Starts from the centre of the image's energy and the peak of its spectrum, with
    envelopes of three sizes; the best of the three descents counts [1]_.

    Parameters
    ----------
    image : array (height, width) or (n_images, height, width[, channels])
        Images; channels are averaged.
    mask : array (height, width) or (n_images, height, width), optional
        Which pixels count, or how much. Default: all, and equally.

    Returns
    -------
    GaborFit
        Arrays of one number per image; NaN for one without contrast.

    Raises
    ------
    ValueError
        If shapes disagree or `mask` has no pixel.

    References
    ----------
    .. [1] Levenberg and Marquardt's method; Marquardt, Journal of the Society for
       Industrial and Applied Mathematics 11, 1963, doi:10.1137/0111030.
    """
    images, single = gray(image)
    found = _fits(images, weights(mask, images))
    return jax.tree.map(lambda part: part[0], found) if single else found


@jax.jit
def _fits(images: jax.Array, weight: jax.Array) -> GaborFit:
    return over_members(_fit, images, weight)


def _fit(image: jax.Array, weight: jax.Array) -> GaborFit:
    """Fit one image: eight numbers, the first five of which bend the curve."""
    shape = (image.shape[0], image.shape[1])
    mean, std = (part[0, 0, 0] for part in moments(image[None], weight[None]))
    scaled = (image - mean) / jnp.where(std > 0, std, 1)
    starts = _starts(scaled * (weight > 0).astype(scaled.dtype), shape)
    descend = partial(_descend, scaled, jnp.sqrt(weight), shape)
    numbers, errors, still = over_members(descend, starts)
    best = jnp.argmin(errors)
    numbers, error = numbers[best], errors[best]
    length, sigma = jnp.exp(numbers[0]), jnp.exp(numbers[2])
    # The same function for every wave that runs the other way.
    turns = jnp.floor(numbers[1] / jnp.pi)
    odd = jnp.abs(turns % 2) == 1
    phase = jnp.arctan2(jnp.where(odd, numbers[6], -numbers[6]), numbers[5])
    defined = std > 0
    fit = GaborFit(
        wavelength=length,
        orientation=numbers[1] - turns * jnp.pi,
        phase=phase,
        sigma=sigma,
        center=numbers[3:5],
        amplitude=std * jnp.hypot(numbers[5], numbers[6]),
        offset=mean + std * numbers[7],
        r2=1 - error,
        converged=still[best] & defined,
    )
    return jax.tree.map(
        lambda part: part if part.dtype == bool else jnp.where(defined, part, jnp.nan),
        fit,
    )


def _starts(image: jax.Array, shape: tuple[int, int]) -> jax.Array:
    """Wavelength, orientation, size, centre and three amplitudes, (3, 8)."""
    energy = image**2
    energy = jnp.where(energy > 0.1 * energy.max(), energy, 0)
    total = jnp.maximum(energy.sum(), jnp.finfo(image.dtype).tiny)
    row, column = ((np.arange(n) + 0.5) / n - 0.5 for n in shape)
    row, column = (
        jnp.asarray(row, image.dtype)[:, None],
        jnp.asarray(column, image.dtype)[None],
    )
    row, column = jnp.broadcast_arrays(row, column)
    center = [(energy * part).sum() / total for part in (row, column)]
    # Transforms of the padded image have their peak between those of the image.
    size = tuple(4 * n for n in shape)
    spectrum = jnp.abs(jnp.fft.fft2(image - image.mean(), size))
    down, across = (np.fft.fftfreq(n) for n in size)
    away = np.hypot(down[:, None], across[None])
    # Waves longer than the image are its slope, not its stripes.
    usable = (away > 0.7 / max(shape)) & (away <= 0.5)
    peak = jnp.argmax(jnp.where(usable, spectrum, 0).ravel())
    length = 1 / jnp.asarray(away.ravel(), image.dtype)[peak]
    angle = np.arctan2(*np.broadcast_arrays(down[:, None], across[None])).ravel()
    angle = jnp.asarray(angle, image.dtype)[peak]
    spread = (row - center[0]) ** 2 * shape[0] ** 2
    spread = spread + (column - center[1]) ** 2 * shape[1] ** 2
    sigma = jnp.sqrt(jnp.maximum((energy * spread).sum() / total, 1))
    zero = jnp.zeros_like(sigma)

    def start(size: float) -> jax.Array:
        five = [jnp.log(length), angle, jnp.log(size * sigma), *center]
        return jnp.stack([*five, zero, zero, zero])

    return jnp.stack([start(size) for size in (0.7, 1.0, 1.4)])


def _waves(
    numbers: jax.Array, shape: tuple[int, int]
) -> tuple[list[jax.Array], list[jax.Array], jax.Array]:
    """Rows and columns from the centre, wave numbers along both, the complex Gabor."""
    wave, sigma = 2 * jnp.pi * jnp.exp(-numbers[0]), jnp.exp(numbers[2])
    parts = [wave * jnp.sin(numbers[1]), wave * jnp.cos(numbers[1])]
    places = [
        jnp.arange(n, dtype=numbers.dtype) - (n - 1) / 2 - n * numbers[3 + axis]
        for axis, n in enumerate(shape)
    ]
    # A wave and a round envelope are products of a function of rows and of columns.
    row, column = (
        jnp.exp(jax.lax.complex(-0.5 * (at / sigma) ** 2, part * at))
        for at, part in zip(places, parts, strict=True)
    )
    return places, parts, row[:, None] * column[None]


def _model(numbers: jax.Array, shape: tuple[int, int]) -> tuple[jax.Array, jax.Array]:
    """Image, and its slope by each of the eight numbers, (8, height, width)."""
    places, (down, across), wave = _waves(numbers, shape)
    row, column = jnp.broadcast_arrays(places[0][:, None], places[1][None])
    inverse = jnp.exp(-2 * numbers[2])
    whole = jax.lax.complex(numbers[5], -numbers[6]) * wave
    even, odd = whole.real, whole.imag
    slope = [
        (down * row + across * column) * odd,
        (down * column - across * row) * odd,
        inverse * (row**2 + column**2) * even,
        shape[0] * (down * odd + inverse * row * even),
        shape[1] * (across * odd + inverse * column * even),
        wave.real,
        wave.imag,
        jnp.ones_like(even),
    ]
    return even + numbers[7], jnp.stack(slope)


def _descend(
    image: jax.Array, root: jax.Array, shape: tuple[int, int], start: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Take damped steps until three of them gain nothing."""

    def equations(numbers: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        model, slope = _model(numbers, shape)
        slope = (root[None] * slope).reshape(8, -1)
        rest = (root * (model - image)).ravel()
        both = jnp.concatenate([slope, rest[None]])
        gram = jnp.matmul(both, both.T, precision="highest")
        return gram[8, 8], gram[:8, 8], gram[:8, :8]

    def solve(matrix: jax.Array, right: jax.Array) -> jax.Array:
        return jnp.linalg.solve(matrix, right[:, None])[:, 0]

    def linear(numbers: jax.Array) -> jax.Array:
        # Amplitudes of zero leave the image itself as the rest.
        _, right, gram = equations(numbers)
        ridge = 1e-6 * jnp.eye(3, dtype=gram.dtype)
        return numbers.at[5:].set(solve(gram[5:, 5:] + ridge, -right[5:]))

    eps = float(jnp.finfo(image.dtype).eps)
    longest = jnp.log(jnp.asarray(_WIDEST * max(shape), image.dtype))

    def bounded(numbers: jax.Array) -> jax.Array:
        length = jnp.clip(numbers[0], jnp.log(2.0), longest + 1)
        sigma = jnp.clip(numbers[2], -0.5, longest)
        center = jnp.clip(numbers[3:5], -0.7, 0.7)
        return numbers.at[0].set(length).at[2].set(sigma).at[3:5].set(center)

    def step(state: tuple) -> tuple:
        n, numbers, (error, down, gram), damping, calm = state
        scale = jnp.diag(jnp.diag(gram) + 1e-8)
        new = bounded(numbers - solve(gram + damping * scale, down))
        there = equations(new)
        gain = error - there[0]
        # Near the least error a gain drowns in rounding long before a step does.
        noise = 10 * eps * error + eps**1.5
        better = gain > -noise
        small = ~(gain > noise)
        here = (numbers, (error, down, gram))
        numbers, now = jax.tree.map(
            lambda a, b: jnp.where(better, a, b), (new, there), here
        )
        damping = jnp.clip(jnp.where(better, damping / 4, damping * 3), 1e-7, 1e7)
        return n + 1, numbers, now, damping, jnp.where(small, calm + 1, 0)

    first = linear(start)
    damping = jnp.full((), 1e-2, image.dtype)
    state = (jnp.int32(0), first, equations(first), damping, jnp.int32(0))
    _, numbers, (error, *_), _, calm = jax.lax.while_loop(
        lambda state: (state[0] < _N_STEPS) & (state[4] < 4), step, state
    )
    return numbers, error, calm > 3
