"""What an image must be after every step: blurred, of some mean, contrast and range."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check
from ..core.struct import static, struct
from ._blur import blurred, reach_of

__all__ = ["Constraints", "blur_schedule", "constrain"]

# Turns in which contrast and range are imposed after one another.
_TURNS = 10


@struct
class Constraints:
    """A function ``(image, step) -> image``, made by :func:`constrain`.

    Attributes
    ----------
    sigma : array (n_sigmas,), or None
        Blur of each step in pixels; the last one is that of all later steps.
    reach : int array (n_sigmas,), or None
        Pixels to each side that it takes.
    mean, std, norm, low, high : float, or None
        What is imposed.
    mask : array (height, width, 1), or None
        Where.
    longest : int
        Largest `reach`.
    rescale, at_most : bool
        Options of :func:`constrain`.
    """

    sigma: jax.Array | None
    reach: jax.Array | None
    mean: jax.Array | None
    std: jax.Array | None
    norm: jax.Array | None
    low: jax.Array | None
    high: jax.Array | None
    mask: jax.Array | None
    longest: int = static()  # type: ignore[assignment]  # a dataclass field
    rescale: bool = static()  # type: ignore[assignment]  # a dataclass field
    at_most: bool = static()  # type: ignore[assignment]  # a dataclass field

    def __call__(self, image: jax.Array, step: jax.Array) -> jax.Array:
        """Impose the constraints.

        Parameters
        ----------
        image : array (height, width, channels)
            Image after a step.
        step : int
            Number of the step, from 0.

        Returns
        -------
        array (height, width, channels)
            The image that is nearest in form.

        Raises
        ------
        ValueError
            If the mask has another size than the image.
        """
        if self.mask is not None and self.mask.shape[:2] != image.shape[:2]:
            raise ValueError(
                f"mask has shape {self.mask.shape[:2]} but the images have "
                f"{image.shape[:2]}."
            )
        start = image
        if self.sigma is not None and self.longest:
            image = self._blurred(image, step)
        if self.rescale:
            image = self._rescaled(image)
        if not (self.mean is self.std is self.norm is None):
            ranged = not (self.low is self.high is None or self.rescale)
            image = self._scaled(image)
            if ranged:
                image = jax.lax.fori_loop(
                    0,
                    _TURNS,
                    lambda _, image: self._scaled(self._clipped(image)),
                    image,
                )
        image = self._clipped(image)
        if self.mask is None:
            return image
        return jnp.where(self.mask.astype(image.dtype) > 0, image, start)

    def _blurred(self, image: jax.Array, step: jax.Array) -> jax.Array:
        assert self.sigma is not None
        assert self.reach is not None
        at = jnp.minimum(step, self.sigma.size - 1)
        sigma, reach = self.sigma[at].astype(image.dtype), self.reach[at]
        return jax.lax.cond(
            reach > 0,
            lambda image: blurred(image, sigma, reach, self.longest),
            lambda image: image,
            image,
        )

    def _weights(self, image: jax.Array) -> jax.Array:
        """Of the pixels in the mean and the contrast, sum 1."""
        if self.mask is None:
            return jnp.full(image.shape, 1 / image.size, image.dtype)
        weights = jnp.broadcast_to(self.mask.astype(image.dtype), image.shape)
        return weights / weights.sum()

    def _scaled(self, image: jax.Array) -> jax.Array:
        weights = self._weights(image)
        mean = (image * weights).sum()
        away = image - mean
        if self.mean is not None:
            mean = self.mean.astype(image.dtype)
        if self.std is not None:
            size = jnp.sqrt((away**2 * weights).sum())
            away = away * self._gain(size, self.std.astype(image.dtype))
        image = mean + away
        if self.norm is not None:
            inside = jnp.where(weights > 0, image, 0)
            size = jnp.sqrt((inside**2).sum())
            image = image * self._gain(size, self.norm.astype(image.dtype))
        return image

    def _gain(self, size: jax.Array, wanted: jax.Array) -> jax.Array:
        gain = jnp.where(size > 0, wanted / jnp.where(size > 0, size, 1), 1)
        return jnp.minimum(gain, 1) if self.at_most else gain

    def _clipped(self, image: jax.Array) -> jax.Array:
        if self.rescale or self.low is self.high is None:
            return image
        low, high = (
            None if bound is None else bound.astype(image.dtype)
            for bound in (self.low, self.high)
        )
        return jnp.clip(image, low, high)

    def _rescaled(self, image: jax.Array) -> jax.Array:
        assert self.low is not None
        assert self.high is not None
        low, high = self.low.astype(image.dtype), self.high.astype(image.dtype)
        least, most = image.min(), image.max()
        span = jnp.where(most > least, most - least, 1)
        middle = jnp.where(most > least, low, (low + high) / 2)
        return middle + (image - least) * (high - low) / span


def constrain(
    *,
    blur: ArrayLike | None = None,
    mean: float | None = None,
    std: float | None = None,
    norm: float | None = None,
    low: float | None = None,
    high: float | None = None,
    rescale: bool = False,
    at_most: bool = False,
    mask: ArrayLike | None = None,
) -> Constraints:
    """State what images must be, as the `project` of :func:`ascend`.

    After every step an image is blurred, then given its mean and contrast, then its
    range. Contrast and range are imposed in turns, the range at last.

    Parameters
    ----------
    blur : float or array (n_steps,), optional
        Standard deviation of a Gaussian in pixels, for all steps or step by step; see
        :func:`blur_schedule`. Less than an eighth of a pixel is no blur.
    mean, std : float, optional
        Mean and standard deviation of the pixels.
    norm : float, optional
        Square root of the sum of the squared pixels.
    low, high : float, optional
        Range of the pixels, outside of which they are cut off.
    rescale : bool
        Stretch every image so that it fills the range from `low` to `high`. The
        contrast is then no longer free: a single bright pixel sets that of all others.
    at_most : bool
        Only lower the contrast or norm of images that have more.
    mask : array (height, width), optional
        Pixels above zero that these are about and that change; weights of the mean
        and the standard deviation.

    Returns
    -------
    Constraints
        A function of an image and a step, whose numbers may change without another
        compilation.

    Raises
    ------
    ValueError
        If constraints contradict each other, a number is out of its range, or the mask
        is empty.

    Examples
    --------
    >>> project = constrain(mean=0.5, std=0.1, low=0, high=1)
    >>> image = jax.random.normal(jax.random.key(0), (8, 9, 1))
    >>> round(float(project(image, 0).std()), 3)
    0.1
    """
    given = dict(mean=mean, std=std, norm=norm, low=low, high=high)
    values = {
        k: None if v is None else check.real_number(k, v) for k, v in given.items()
    }
    _agree(**values)
    if rescale and (low is None or high is None):
        raise ValueError("rescale needs both low and high.")
    if rescale and not (mean is std is norm is None):
        raise ValueError(
            "rescale leaves neither mean, std nor norm free; leave those out, or "
            "rescale."
        )
    sigma = reach = None
    longest = 0
    if blur is not None:
        sigma = np.atleast_1d(np.asarray(blur, np.float64))
        check.has_ndim("blur", sigma, 1)
        if not sigma.size or not np.isfinite(sigma).all() or sigma.min() < 0:
            raise ValueError("blur must hold finite numbers of pixels, none negative.")
        reach = np.array([reach_of(s) for s in sigma], np.int32)
        longest = int(reach.max())
    numbers = {k: None if v is None else jnp.asarray(v) for k, v in values.items()}
    return Constraints(
        sigma=None if sigma is None else jnp.asarray(sigma, jnp.zeros(()).dtype),
        reach=None if reach is None else jnp.asarray(reach),
        mask=None if mask is None else _mask(mask),
        longest=longest,
        rescale=rescale,
        at_most=at_most,
        **numbers,
    )


def blur_schedule(
    n_steps: int, start: float, stop: float = 0.01, *, kind: str = "linear"
) -> np.ndarray:
    """Let a blur shrink from step to step.

    Parameters
    ----------
    n_steps : int
        Number of steps.
    start, stop : float
        Standard deviations in pixels at the first and the last step.
    kind : {"linear", "notebook"}
        "notebook" moves the fraction ``i / n_steps`` of the way to `stop` at step ``i``
        from 1, which compounds to about ``start * exp(-i**2 / (2 * n_steps))``.

    Returns
    -------
    array (n_steps,)
        Standard deviations in pixels.

    Raises
    ------
    ValueError
        If `kind` is unknown.
    """
    check.choice("kind", kind, ("linear", "notebook"))
    if kind == "linear":
        return np.linspace(start, stop, n_steps)
    sigmas, sigma = [], start
    for step in range(1, n_steps + 1):
        sigma = sigma + (stop - sigma) * step / n_steps
        sigmas.append(sigma)
    return np.asarray(sigmas)


def _agree(
    mean: float | None,
    std: float | None,
    norm: float | None,
    low: float | None,
    high: float | None,
) -> None:
    """Refuse constraints that no image meets."""
    for name, value in (("std", std), ("norm", norm)):
        if value is not None and value <= 0:
            raise ValueError(f"{name} is {value:g} but must be positive.")
    if std is not None and norm is not None:
        raise ValueError(
            "std and norm both set the size of an image; give one of them."
        )
    low = -math.inf if low is None else low
    high = math.inf if high is None else high
    if low >= high:
        raise ValueError(f"low is {low:g} but must be below high, which is {high:g}.")
    if mean is not None and not low < mean < high:
        raise ValueError(
            f"mean is {mean:g} but must lie between low and high, {low:g} and {high:g}."
        )
    if std is None or math.isinf(low) or math.isinf(high):
        return
    middle = (low + high) / 2 if mean is None else mean
    most = math.sqrt((high - middle) * (middle - low))
    if std > most:
        raise ValueError(
            f"std is {std:g} but an image within [{low:g}, {high:g}] has at most "
            f"{most:g}{'' if mean is None else ' at this mean'}."
        )


def _mask(mask: ArrayLike) -> jax.Array:
    values = np.asarray(mask)
    check.has_ndim("mask", values, 2)
    if not (values > 0).any():
        raise ValueError("mask is empty; it needs pixels above zero.")
    return jnp.asarray(values, jnp.zeros(()).dtype)[:, :, None]
