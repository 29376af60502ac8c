"""Gradient ascent on images."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from ..core import check
from ._climb import Plan, Problem, climb
from ._record import MEI
from ._setup import (
    as_trees,
    check_options,
    group_size,
    mask_of,
    start_of,
    targets_of,
    warn_of,
)
from ._spectrum import scale_by_mean_size, scale_by_spectrum

__all__ = ["ascend"]


@cache
def _default_optimizer() -> optax.GradientTransformation:
    smooth = scale_by_spectrum(0.25)
    return optax.chain(smooth, scale_by_mean_size(), optax.sgd(0.02))


def ascend(
    apply: Callable,
    variables: Any,
    images: ArrayLike,
    targets: ArrayLike,
    *,
    n_steps: int = 1000,
    optimizer: optax.GradientTransformation | None = None,
    penalty: Callable | Sequence[Callable] = (),
    project: Callable | Sequence[Callable] = (),
    objective: str | Callable = "excite",
    n_members: int | None = None,
    mask: ArrayLike | None = None,
    diversity: float = 0.0,
    parameters: str = "pixels",
    jitter: int = 0,
    tol: float = 1e-3,
    patience: int | None = None,
    key: jax.Array | None = None,
    batch_size: int | None = None,
) -> MEI:
    """Change images so that neurons of a network respond most.

    Every target climbs by itself, for many steps within one compiled loop:

    1. compute the response and its slope by the image, less those of the penalties;
    2. let the optimizer make a step of it, which `mask` weighs;
    3. put the image back among those that are allowed, by `project`.

    An image whose response or slope is no longer finite stops at the last one where
    they were; the others go on.

    Parameters
    ----------
    apply : function
        ``apply(variables, images)`` maps ``(n, height, width, channels)`` to
        ``(n, n_outputs)``, each image by itself. A function with a method
        ``narrow(variables, target)`` may give itself, for one target, a faster form;
        see :func:`jaxneuro.nn.fold`.
    variables : pytree
        Parameters of the network; with `n_members` each leaf has a leading axis.
    images : array (n_targets, height, width, channels)
        Where to start. ``(n_targets, n_starts, height, width, channels)`` gives each
        target several, and a first axis of length 1 gives all targets the same.
    targets : int array (n_targets,) or array (n_targets, n_outputs)
        Neurons, or weights of all neurons, whose weighted sum is the response.
    n_steps : int
        Number of steps.
    optimizer : optax.GradientTransformation, optional
        Minimises, as optax does, the negative of the objective; it sees one image
        ``(height, width, channels)`` at a time. Default: the slope, smoothed by
        :func:`scale_by_spectrum`, moves a pixel by 0.02 on average, which suits images
        of range 0 to 1. Adam gives every pixel the same pace, which undoes some of
        the smoothing.
    penalty : function, or sequence of these
        ``penalty(image)`` is subtracted from the response.
    project : function, or sequence of these
        ``project(image, step)`` is what becomes of the image after a step, such as
        :func:`constrain` makes. Default: nothing, and images that grow as long as that
        helps.
    objective : {"excite", "inhibit"} or function
        "inhibit" looks for the least response. A function ``objective(outputs,
        target)`` takes ``(n_members, n_outputs)`` of one image and a row of `targets`
        and returns what to make large.
    n_members : int, optional
        Length of the leading axis of `variables`: an ensemble, whose mean counts.
        Default: one network.
    mask : array (height, width) or (n_targets, height, width), optional
        Weights of the pixels in every step. Where it is zero the image stays as it
        starts: a receptive field to grow in, as :func:`estimate_mask` finds it in
        that of :func:`linear_field`, or a surround whose centre is fixed.
    diversity : float
        Price of the mean correlation of an image with those of the same target's
        other starts, in units of the response: 0 lets each start climb alone.
    parameters : {"pixels", "fourier"}
        What the optimizer changes: pixels, or coefficients of waves whose amplitudes
        fall with their frequency; those are ``(2, height, width // 2 + 1, channels)``,
        real and imaginary parts.
    jitter : int
        Largest number of pixels by which images are moved, around their edges, before
        the network sees them. The trace then tells of the moved images.
    tol : float
        A response that grew by less than this fraction has not risen.
    patience : int, optional
        Steps without a rise after which an image stops. Default: none stops, and those
        without a rise during the last tenth of the steps count as converged.
    key : key, optional
        Needed for `jitter`.
    batch_size : int, optional
        Targets computed together on an accelerator. Default: as many as fit into 2 GB
        by an estimate from the network's operations. A CPU takes one after the other.

    Returns
    -------
    MEI
        Images, and traces of responses, contrasts and norms.

    Raises
    ------
    ValueError
        If shapes do not fit each other or the network, a target does not exist, or an
        option is out of its range.

    Warns
    -----
    UserWarning
        Names targets whose response has no slope anywhere on the way, and those whose
        response was not finite.

    References
    ----------
    .. [1] Walker et al., Inception loops discover what excites neurons most using deep
       predictive models, Nature Neuroscience 22 (2019) 2060-2065,
       doi:10.1038/s41593-019-0517-x; cajal/inception_loop2019 and cajal/featurevis.
    .. [2] Bashivan, Kar & DiCarlo, Neural population control via deep image synthesis,
       Science 364, 2019, doi:10.1126/science.aav9436.
    .. [3] Cadena et al., Diverse feature visualizations reveal invariances in early
       layers of deep neural networks, ECCV 2018, arXiv:1807.10589.
    .. [4] Olah, Mordvintsev & Schubert, Feature visualization, Distill, 2017,
       doi:10.23915/distill.00007.

    Examples
    --------
    >>> def apply(weights, images):
    ...     return jnp.einsum("nhwc,hwct->nt", images, weights)
    >>> weights = jax.random.normal(jax.random.key(0), (8, 9, 1, 3))
    >>> start = jnp.zeros((2, 8, 9, 1))
    >>> found = ascend(apply, weights, start, [0, 2], project=constrain(norm=1.0))
    >>> found.images.shape, found.responses.shape
    ((2, 8, 9, 1), (1001, 2))
    """
    check_options(n_steps, objective, parameters, jitter, patience, tol, diversity, key)
    starts = start_of(images, check.shape_of(targets)[0])
    n_targets, n_starts = starts.shape[:2]
    shape, dtype = starts.shape[2:], starts.dtype
    chosen = targets_of(targets, apply, variables, shape, dtype, n_members)
    mask = mask_of(mask, n_targets, shape)
    coupled = diversity != 0 and n_starts > 1
    if not coupled:
        starts, chosen, mask = _separate(starts, chosen, mask)
    plan = Plan(
        apply=apply,
        optimizer=_default_optimizer() if optimizer is None else optimizer,
        objective=objective,
        n_steps=n_steps,
        n_members=n_members,
        parameters=parameters,
        jitter=jitter,
        patience=patience,
        coupled=coupled,
        size=group_size(apply, variables, starts, n_members, batch_size),
    )
    problem = Problem(
        variables=variables,
        projects=as_trees(project),
        penalties=as_trees(penalty),
        mask=mask,
        diversity=jnp.asarray(diversity, dtype),
        tol=jnp.asarray(tol, dtype),
    )
    keys = jax.random.split(jax.random.key(0) if key is None else key, len(chosen))
    found, dead, failed = climb(plan, problem, starts, chosen, keys)
    dead, failed = (each.reshape(n_targets, n_starts) for each in (dead, failed))
    warn_of(dead, failed, targets)
    return _unfolded(found, n_targets, n_starts, check.shape_of(images))


def _separate(
    starts: jax.Array, chosen: jax.Array, mask: jax.Array | None
) -> tuple[jax.Array, jax.Array, jax.Array | None]:
    """Make every start a climb of its own."""
    n_starts = starts.shape[1]
    if mask is not None and mask.ndim == 3:
        mask = jnp.repeat(mask, n_starts, axis=0)
    starts = starts.reshape(-1, 1, *starts.shape[2:])
    return starts, jnp.repeat(chosen, n_starts, axis=0), mask


def _unfolded(found: MEI, n_targets: int, n_starts: int, given: tuple) -> MEI:
    """Bring the results into the form of the starts."""
    front = (n_targets,) if len(given) == 4 else (n_targets, n_starts)
    steps = found.responses.shape[0]
    return MEI(
        images=found.images.reshape(*front, *given[-3:]),
        responses=found.responses.reshape(steps, *front),
        contrasts=found.contrasts.reshape(steps, *front),
        norms=found.norms.reshape(steps, *front),
        n_iter=found.n_iter.reshape(front),
        converged=found.converged.reshape(front),
    )
