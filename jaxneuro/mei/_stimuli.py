"""What an optimised image is measured against: images, Gabors and fields at hand."""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check
from ..core.members import over_members
from ._match import blocks, match, of_targets, outputs, shown
from ._members import all_outputs
from ._record import MEI
from ._setup import targets_of

__all__ = ["best_image", "best_presented", "linear_field"]

_N_AGAIN = 8  # images that are shown again at the contrast of each target


def best_presented(
    images: ArrayLike, responses: ArrayLike, *, n_best: int = 3, rescale: bool = True
) -> jax.Array:
    """Average the images to which each neuron responded most.

    With Gabors and their spike counts this is the best Gabor of the notebook that this
    reproduces, which takes the rows of a table by labels that start at 1, and so shows
    the image after each of the best.

    Parameters
    ----------
    images : array (n_images, height, width, channels)
        What was presented.
    responses : array (n_images, n_targets)
        Measured responses; of equal ones the first images count, and NaN counts last.
    n_best : int
        Number of images to average.
    rescale : bool
        Stretch each average to the range from 0 to 1.

    Returns
    -------
    array (n_targets, height, width, channels)
        Averages.

    Raises
    ------
    ValueError
        If shapes disagree or there are fewer images than `n_best`.
    """
    images = check.float_array("images", images, ndim=4)
    responses = check.float_array("responses", responses, ndim=2)
    check.same_length("images", images, "responses", responses, "images")
    if not 1 <= n_best <= images.shape[0]:
        raise ValueError(
            f"n_best is {n_best} but must be from 1 to the number of images, "
            f"{images.shape[0]}."
        )
    return _best_presented(images, responses, n_best=n_best, rescale=rescale)


@partial(jax.jit, static_argnames=("n_best", "rescale"))
def _best_presented(
    images: jax.Array, responses: jax.Array, *, n_best: int, rescale: bool
) -> jax.Array:
    sizes = jnp.where(jnp.isnan(responses), -jnp.inf, responses)
    best = jnp.argsort(-sizes, axis=0, stable=True)[:n_best]  # (n_best, n_targets)
    mean = images[best].mean(0)
    if not rescale:
        return mean
    low = mean.min((1, 2, 3), keepdims=True)
    span = mean.max((1, 2, 3), keepdims=True) - low
    return (mean - low) / jnp.where(span > 0, span, 1)


def best_image(
    apply: Callable,
    variables: Any,
    images: ArrayLike,
    targets: ArrayLike,
    *,
    contrast: ArrayLike,
    mean: ArrayLike,
    low: float | None = None,
    high: float | None = None,
    n_members: int | None = None,
    batch_size: int = 64,
) -> MEI:
    """Find the image to which each neuron of a network responds most.

    All images are brought to one mean and contrast. Where targets have contrasts of
    their own, all images are shown at the median first, and the eight best of each
    target again at its own.

    Parameters
    ----------
    apply, variables, targets, n_members
        As :func:`ascend` takes them.
    images : array (n_images, height, width, channels)
        Candidates, such as natural images; arrays of NumPy are read in blocks.
    contrast, mean : float or array (n_targets,)
        Standard deviation and mean of the pixels, such as those of the most exciting
        inputs.
    low, high : float, optional
        Range of the pixels.
    batch_size : int
        Images shown to the network at a time.

    Returns
    -------
    MEI
        The images as they were shown, without a step.

    Raises
    ------
    ValueError
        If shapes do not fit, or no image can have the contrast.

    Warns
    -----
    UserWarning
        Counts images that cannot have the contrast, which are left out.
    """
    check.has_ndim("images", images, 4)
    rows: Any = images
    n_images, *size = check.shape_of(images)
    first = check.float_array("images", rows[:1])
    chosen = targets_of(targets, apply, variables, tuple(size), first.dtype, n_members)
    n_targets = chosen.shape[0]
    levels = {
        name: np.broadcast_to(np.asarray(value, first.dtype), (n_targets,))
        for name, value in (("mean", mean), ("contrast", contrast))
    }
    median = {name: float(np.median(value)) for name, value in levels.items()}
    found = np.empty((n_images, n_targets), first.dtype)
    for at in blocks(batch_size, n_images):
        part = match(rows[at], low=low, high=high, **median)
        outs = outputs(apply, variables, part, n_members=n_members).mean(0)
        found[at] = of_targets(outs, chosen)
    bad = ~np.isfinite(found).any(1)
    if bad.any():
        if bad.all():
            raise ValueError(
                f"contrast is {median['contrast']:g}, which none of the {n_images} "
                "images can have; lower it or widen the range."
            )
        warnings.warn(
            f"{bad.sum()} of {n_images} images cannot have the contrast and are left "
            f"out (first: {np.flatnonzero(bad)[:5].tolist()}).",
            UserWarning,
            stacklevel=2,
        )
    best = np.argsort(-np.where(np.isfinite(found), found, -np.inf), axis=0)
    again = all(np.ptp(value) == 0 for value in levels.values())
    records = []
    for rank in range(1 if again else min(_N_AGAIN, n_images)):
        own = match(rows[best[rank]], low=low, high=high, **levels)
        records.append(shown(apply, variables, own, targets, n_members, batch_size))
    return _best_of(records)


def linear_field(
    apply: Callable,
    variables: Any,
    images: ArrayLike,
    targets: ArrayLike,
    *,
    contrast: ArrayLike,
    mean: ArrayLike,
    low: float | None = None,
    high: float | None = None,
    n_members: int | None = None,
    batch_size: int = 64,
) -> MEI:
    """Show each neuron its linear receptive field.

    The field is the slope of the response by the image, averaged over images: what a
    linear model that is fitted to the network would have as weights.

    Parameters
    ----------
    apply, variables, targets, n_members
        As :func:`ascend` takes them.
    images : array (n_images, height, width, channels)
        Where the slope is taken: natural images, or one even gray.
    contrast, mean : float or array (n_targets,)
        Standard deviation and mean of the pixels at which the fields are shown.
    low, high : float, optional
        Range of the pixels.
    batch_size : int
        Images shown to the network at a time.

    Returns
    -------
    MEI
        Fields of the given mean and contrast, without a step; NaN where a response has
        no slope.

    Raises
    ------
    ValueError
        If shapes do not fit, or no image can have the contrast.
    """
    images = check.float_array("images", images, ndim=4)
    size, dtype = images.shape[1:], images.dtype
    chosen = targets_of(targets, apply, variables, size, dtype, n_members)
    n_images = images.shape[0]
    total = jnp.zeros((chosen.shape[0], *size), dtype)
    for start in range(0, n_images, batch_size):
        part = images[start : start + batch_size]
        total = total + _slopes(apply, variables, part, chosen, n_members=n_members)
    fields = total / n_images
    # Tiny slopes are scaled up before they meet a contrast.
    peak = jnp.abs(fields).max((1, 2, 3), keepdims=True)
    fields = fields / jnp.where(peak > 0, peak, 1)
    own = match(fields, mean=mean, contrast=contrast, low=low, high=high)
    return shown(apply, variables, own, targets, n_members, batch_size)


@partial(jax.jit, static_argnums=0, static_argnames="n_members")
def _slopes(
    apply: Callable,
    variables: Any,
    images: jax.Array,
    targets: jax.Array,
    *,
    n_members: int | None,
) -> jax.Array:
    """Slopes of all targets by one image, summed over the images."""

    def respond(images: jax.Array) -> jax.Array:
        found = all_outputs(apply, variables, images, n_members).mean(0)
        return of_targets(found, targets)

    found, pull = jax.vjp(respond, images)
    one = jnp.eye(found.shape[1], dtype=found.dtype)

    def slope(row: jax.Array) -> jax.Array:
        return pull(jnp.broadcast_to(row[None], found.shape))[0].sum(0)

    return over_members(slope, one)


def _best_of(records: list[MEI]) -> MEI:
    """Keep, of several images of each target, the one with the largest response."""
    stacked = jax.tree.map(lambda *parts: jnp.stack(parts), *records)
    sizes = stacked.responses[:, 0]
    best = jnp.argmax(jnp.where(jnp.isfinite(sizes), sizes, -jnp.inf), axis=0)
    rows = jnp.arange(best.size)
    return MEI(
        images=stacked.images[best, rows],
        responses=stacked.responses[best, :, rows].T,
        contrasts=stacked.contrasts[best, :, rows].T,
        norms=stacked.norms[best, :, rows].T,
        n_iter=stacked.n_iter[best, rows],
        converged=stacked.converged[best, rows],
    )
