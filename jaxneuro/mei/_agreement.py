"""Whether optimised images depend on the start, and on the network."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ..core import check
from ..core.struct import struct
from ._ascent import ascend
from ._match import responses
from ._penalties import correlations
from ._record import MEI

__all__ = ["Agreement", "Transfer", "agreement", "transfer"]


@struct
class Agreement:
    """How alike the images of several starts are.

    Attributes
    ----------
    correlations : array (n_targets, n_starts, n_starts)
        Of the pixels of each pair of images.
    diversity : array (n_targets,)
        One less the mean correlation of different starts: 0 where all end in the same
        image, about 1 where they share nothing.
    spread : array (n_targets,)
        Standard deviation of the responses over starts, divided by their mean.
    """

    correlations: jax.Array
    diversity: jax.Array
    spread: jax.Array


@struct
class Transfer:
    """Responses of one half of an ensemble to images made with the other.

    Attributes
    ----------
    mei : MEI
        Images made with the members of even number.
    own : array (n_targets,)
        Mean response of those members.
    others : array (n_targets,)
        Mean response of the rest.
    """

    mei: MEI
    own: jax.Array
    others: jax.Array


@jax.jit
def agreement(
    images: ArrayLike, responses: ArrayLike, *, mask: ArrayLike | None = None
) -> Agreement:
    """Compare the images that one target reached from several starts.

    A simple cell ends in one image wherever it starts. One that is invariant, as a
    complex cell is to phase, ends in different images of equal response: its diversity
    is large and its spread small.

    Parameters
    ----------
    images : array (n_targets, n_starts, height, width, channels)
        Images, as :func:`ascend` returns them for several starts.
    responses : array (n_targets, n_starts)
        Response to each, the last row of its trace.
    mask : array (height, width), optional
        Weights of the pixels. Default: all the same.

    Returns
    -------
    Agreement
        Correlations, diversity and spread.

    Raises
    ------
    ValueError
        If shapes do not fit, or there is one start only.

    References
    ----------
    .. [1] Cadena et al., Diverse feature visualizations reveal invariances in early
       layers of deep neural networks, ECCV 2018, arXiv:1807.10589.
    """
    images = check.float_array("images", images, ndim=5)
    responses = check.float_array("responses", responses, ndim=2).astype(images.dtype)
    n_starts = images.shape[1]
    if n_starts < 2:
        raise ValueError("images has one start per target but must have two or more.")
    if responses.shape != images.shape[:2]:
        raise ValueError(
            f"responses has shape {responses.shape} but images has {images.shape[:2]} "
            "targets and starts."
        )
    weights = None
    if mask is not None:
        weights = check.float_array("mask", mask, ndim=2)
        if weights.shape != images.shape[2:4]:
            raise ValueError(
                f"mask has shape {weights.shape} but the images have "
                f"{images.shape[2:4]}."
            )
    each = jax.vmap(lambda own: correlations(own, weights))(images)
    total = each.sum((1, 2)) - jnp.trace(each, axis1=1, axis2=2)
    mean = responses.mean(1)
    safe = jnp.where(mean != 0, mean, 1)
    return Agreement(
        correlations=each,
        diversity=1 - total / (n_starts * (n_starts - 1)),
        spread=jnp.where(mean != 0, responses.std(1) / jnp.abs(safe), jnp.nan),
    )


def transfer(
    apply: Callable,
    variables: Any,
    images: ArrayLike,
    targets: ArrayLike,
    *,
    n_members: int,
    **options: Any,
) -> Transfer:
    """Make images with one half of an ensemble and show them to the other.

    An image may exploit what one network does not know. What it gains there, other
    networks of the same neurons do not confirm.

    Parameters
    ----------
    apply, images
        As :func:`ascend` takes them; images has four axes.
    variables : pytree
        Of the ensemble; each leaf has a leading axis of `n_members`.
    targets : int array (n_targets,)
        Neurons.
    n_members : int
        Number of networks, 2 at least.
    **options
        Further ones of :func:`ascend`.

    Returns
    -------
    Transfer
        Images, and the responses of both halves.

    Raises
    ------
    ValueError
        If there are fewer than two members.

    References
    ----------
    .. [1] Walker et al., Nature Neuroscience 22 (2019) 2060-2065,
       doi:10.1038/s41593-019-0517-x, where images of an ensemble excite real neurons.
    """
    if n_members < 2:
        raise ValueError(f"n_members is {n_members} but must be at least 2.")
    check.has_ndim("images", images, 4)
    chosen = jnp.asarray(targets)
    check.has_ndim("targets", chosen, 1)
    halves = [jax.tree.map(lambda leaf, k=k: leaf[k::2], variables) for k in (0, 1)]
    sizes = [(n_members + 1) // 2, n_members // 2]
    found = ascend(apply, halves[0], images, chosen, n_members=sizes[0], **options)
    own, others = (
        responses(apply, half, found.images, chosen, n_members=n).mean(0)
        for half, n in zip(halves, sizes, strict=True)
    )
    return Transfer(mei=found, own=own, others=others)
