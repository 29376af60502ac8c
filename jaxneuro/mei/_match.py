"""Images of one mean and contrast, and what a network says to them."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from ..core import check
from ._constraints import Constraints
from ._members import all_outputs
from ._record import MEI
from ._setup import targets_of

__all__ = [
    "blocks",
    "brought",
    "match",
    "matched",
    "of_targets",
    "outputs",
    "responses",
    "shown",
]

_CLOSE = 0.01  # how far contrast and mean may stay off, as a fraction of the contrast


def match(
    images: ArrayLike,
    *,
    mean: ArrayLike,
    contrast: ArrayLike,
    low: float | None = None,
    high: float | None = None,
) -> jax.Array:
    """Give images a mean and a contrast, so that responses to them compare.

    Parameters
    ----------
    images : array (n_images, height, width, channels)
        Images.
    mean, contrast : float or array (n_images,)
        Mean and standard deviation of the pixels.
    low, high : float, optional
        Range of the pixels; what is cut off is made up for by the others.

    Returns
    -------
    array (n_images, height, width, channels)
        NaN for an image that cannot have the contrast: an even one, or one that the
        range cuts too much.

    Raises
    ------
    ValueError
        If no image within the range has such a mean and contrast, or shapes disagree.
    """
    images = check.float_array("images", images, ndim=4)
    parts = {"mean": mean, "contrast": contrast}
    values = {name: check.float_array(name, part) for name, part in parts.items()}
    for name, value in values.items():
        if value.shape not in ((), (images.shape[0],)):
            raise ValueError(
                f"{name} has shape {value.shape} but must be one number, or one for "
                f"each of {images.shape[0]} images."
            )
    if not any(isinstance(value, Tracer) for value in values.values()):
        _possible(np.asarray(values["mean"]), np.asarray(values["contrast"]), low, high)
    bounds = None if low is None else low, None if high is None else high
    return _match(images, values["mean"], values["contrast"], bounds)


def _possible(
    mean: np.ndarray, contrast: np.ndarray, low: float | None, high: float | None
) -> None:
    """Refuse contrasts that no image has."""
    mean, contrast = np.broadcast_arrays(mean.astype(float), contrast.astype(float))
    least = -np.inf if low is None else low
    most = np.inf if high is None else high
    for name, bad, wanted in (
        ("contrast", ~(contrast > 0), "must be positive"),
        ("mean", ~((mean > least) & (mean < most)), "must lie between low and high"),
    ):
        if bad.any():
            value = (contrast if name == "contrast" else mean)[bad].flat[0]
            raise ValueError(f"{name} is {value:g} but {wanted}.")
    largest = np.sqrt((most - mean) * (mean - least))
    if (contrast > largest).any():
        at = np.flatnonzero((contrast > largest).ravel())[0]
        raise ValueError(
            f"contrast is {contrast.flat[at]:g} but images of mean {mean.flat[at]:g} "
            f"within [{least:g}, {most:g}] have at most {largest.flat[at]:g}; lower it "
            "or widen the range."
        )


@jax.jit
def _match(
    images: jax.Array, mean: jax.Array, contrast: jax.Array, bounds: tuple
) -> jax.Array:
    n, dtype = images.shape[:1], images.dtype
    mean, contrast = (jnp.broadcast_to(x.astype(dtype), n) for x in (mean, contrast))
    return jax.vmap(partial(matched, bounds=bounds))(images, mean, contrast)


def matched(
    image: jax.Array, mean: jax.Array, contrast: jax.Array, *, bounds: tuple
) -> jax.Array:
    """One image (height, width, channels) as :func:`match` makes it."""
    image = brought(image, mean, contrast, bounds=bounds)
    close = jnp.abs(image.std() - contrast) <= _CLOSE * contrast
    close = close & (jnp.abs(image.mean() - mean) <= _CLOSE * contrast)
    return jnp.where(close, image, jnp.nan)


def brought(
    image: jax.Array, mean: jax.Array, contrast: jax.Array, *, bounds: tuple
) -> jax.Array:
    """Bring one image as near to a mean and contrast as its form and range allow."""
    low, high = (None if b is None else jnp.asarray(b, image.dtype) for b in bounds)
    rule = Constraints(
        sigma=None,
        reach=None,
        mean=mean,
        std=contrast,
        norm=None,
        low=low,
        high=high,
        mask=None,
        longest=0,
        rescale=False,
        at_most=False,
    )
    return rule(image, jnp.int32(0))


def responses(
    apply: Callable,
    variables: Any,
    images: ArrayLike,
    targets: ArrayLike,
    *,
    n_members: int | None = None,
    batch_size: int = 64,
) -> jax.Array:
    """Compute the response of every target to the image of its own.

    Parameters
    ----------
    apply, variables, targets, n_members
        As :func:`ascend` takes them.
    images : array (n_targets, height, width, channels)
        One image per target, such as ``MEI.images``.
    batch_size : int
        Images shown to the network at a time.

    Returns
    -------
    array (n_targets,) or (n_members, n_targets)
        Those of each member where there are several: optimise on some members of an
        ensemble, and score on the others.

    Raises
    ------
    ValueError
        If shapes do not fit each other or the network.
    """
    images = check.float_array("images", images, ndim=4)
    shape, dtype = images.shape[1:], images.dtype
    chosen = targets_of(targets, apply, variables, shape, dtype, n_members)
    check.same_length("targets", chosen, "images", images, "entries")
    parts = [
        _own(outputs(apply, variables, images[at], n_members=n_members), chosen[at])
        for at in blocks(batch_size, images.shape[0])
    ]
    found = jnp.concatenate(parts, axis=1)[:, : images.shape[0]]
    return found[0] if n_members is None else found


def blocks(size: int, n: int) -> Iterator[np.ndarray]:
    """Cut ``range(n)`` into parts of one length, the last one filled up."""
    if size < 1:
        raise ValueError(f"batch_size is {size} but must be at least 1.")
    size = min(size, n)
    for start in range(0, n, size):
        yield np.minimum(np.arange(start, start + size), n - 1)


@partial(jax.jit, static_argnums=0, static_argnames="n_members")
def outputs(
    apply: Callable, variables: Any, images: jax.Array, *, n_members: int | None
) -> jax.Array:
    """All outputs of all members, (n_members or 1, n_images, n_outputs)."""
    return all_outputs(apply, variables, images, n_members)


@jax.jit
def _own(found: jax.Array, targets: jax.Array) -> jax.Array:
    """Of (n_members, n, n_outputs) those of the target of each image."""
    if targets.ndim == 2:
        weights = targets.astype(found.dtype)
        return jnp.einsum("mnt,nt->mn", found, weights, precision="highest")
    return jnp.take_along_axis(found, targets[None, :, None], axis=2)[:, :, 0]


@jax.jit
def of_targets(found: jax.Array, targets: jax.Array) -> jax.Array:
    """Of (n_images, n_outputs) those of all targets, (n_images, n_targets)."""
    if targets.ndim == 2:
        return jnp.matmul(found, targets.T.astype(found.dtype), precision="highest")
    return found[:, targets]


def shown(
    apply: Callable,
    variables: Any,
    images: jax.Array,
    targets: ArrayLike,
    n_members: int | None,
    batch_size: int,
) -> MEI:
    """Record images that no step has changed, with the mean response of the members."""
    found = responses(
        apply, variables, images, targets, n_members=n_members, batch_size=batch_size
    )
    found = found if n_members is None else found.mean(0)
    flat = images.reshape(images.shape[0], -1)
    return MEI(
        images=images,
        responses=found[None],
        contrasts=flat.std(1)[None],
        norms=jnp.sqrt((flat**2).sum(1))[None],
        n_iter=jnp.zeros(images.shape[0], jnp.int32),
        converged=jnp.isfinite(found),
    )
