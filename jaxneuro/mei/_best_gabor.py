"""The Gabor function that excites a neuron most."""

import dataclasses
import warnings
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import ArrayLike

from ..core import check
from ..core.fronted import FrontedNetwork
from ..core.struct import struct
from ..signal import gabor
from ._ascent import ascend
from ._gabors import Gabors, gabor_bank
from ._match import blocks, brought, match, matched, of_targets, outputs
from ._record import MEI
from ._setup import targets_of

__all__ = ["best_gabor"]

_STEP = 0.1  # of the optimizer; see `_packed`


def best_gabor(
    apply: Callable,
    variables: Any,
    shape: tuple[int, ...],
    targets: ArrayLike,
    *,
    contrast: ArrayLike,
    mean: ArrayLike,
    low: float | None = None,
    high: float | None = None,
    bank: Gabors | None = None,
    n_starts: int = 3,
    n_steps: int = 100,
    n_members: int | None = None,
    batch_size: int = 64,
) -> MEI:
    """Find the Gabor function to which each neuron of a network responds most.

    The control for a most exciting input: of the same mean and contrast, shown to the
    same network. All functions of a bank are shown first; from the best of each
    wavelength, or of `n_starts` of them, all parameters climb the response together.

    Parameters
    ----------
    apply, variables, targets, n_members
        As :func:`ascend` takes them.
    shape : tuple of int
        Height and width of the images, and channels where there are several, which
        then are equal.
    contrast, mean : float or array (n_targets,)
        Standard deviation and mean of the pixels, such as those of the most exciting
        inputs.
    low, high : float, optional
        Range of the pixels.
    bank : Gabors, optional
        Where to look first. Default: :func:`gabor_bank` of this shape.
    n_starts : int
        Wavelengths of the bank from which to climb.
    n_steps : int
        Steps of the ascent.
    batch_size : int
        Images of the bank shown to the network at a time.

    Returns
    -------
    MEI
        Images; the responses are those of the ascent, and the contrasts and norms of
        all steps those of the last image. :func:`fit_gabor` gives the parameters.

    Raises
    ------
    ValueError
        If shapes do not fit, a contrast cannot be had, or an option is out of its
        range.

    Warns
    -----
    UserWarning
        Counts targets for which the range keeps every function from the contrast,
        whose images are NaN.

    References
    ----------
    .. [1] Walker et al., Nature Neuroscience 22 (2019) 2060-2065,
       doi:10.1038/s41593-019-0517-x; cajal/inception_loop2019, which goes on from the
       bank by dual annealing.

    Examples
    --------
    >>> def apply(weights, images):
    ...     return jnp.einsum("nhwc,hwct->nt", images, weights)
    >>> field = gabor((12, 14), wavelength=6.0, orientation=0.5, sigma=2.5)
    >>> best_gabor(
    ...     apply, field[:, :, None, None], (12, 14), [0], contrast=0.1, mean=0.5
    ... ).images.shape
    (1, 12, 14, 1)
    """
    size = (*shape, 1) if len(shape) == 2 else tuple(shape)
    if len(size) != 3 or min(size) < 1:
        raise ValueError(f"shape is {shape} but must hold height and width in pixels.")
    if n_starts < 1:
        raise ValueError(f"n_starts is {n_starts} but must be at least 1.")
    bank = gabor_bank(size[:2]) if bank is None else bank
    dtype = jnp.result_type(bank.wavelength)
    chosen = targets_of(targets, apply, variables, size, dtype, n_members)
    n_targets = chosen.shape[0]
    levels = {
        "mean": _each("mean", mean, n_targets, dtype),
        "contrast": _each("contrast", contrast, n_targets, dtype),
    }
    show = partial(_show, apply, variables, size, chosen, n_members, (low, high))
    found = _search(show, bank, levels, batch_size, n_starts)
    draw = _Drawing(shape=size, bounds=(low, high))
    packed = _packed(bank, found, levels, size)
    low_edge, high_edge = _edges(size)
    climbed = ascend(
        FrontedNetwork(draw, apply),
        variables,
        packed,
        targets,
        n_steps=n_steps,
        optimizer=_optimizer(n_steps),
        project=_Bounds(low=low_edge.astype(dtype), high=high_edge.astype(dtype)),
        mask=np.arange(8)[None] < 6,
        n_members=n_members,
    )
    return _chosen(draw, climbed, packed)


def _each(name: str, value: ArrayLike, n: int, dtype: jnp.dtype) -> jax.Array:
    array = check.float_array(name, value).astype(dtype)
    if array.shape not in ((), (n,)):
        raise ValueError(
            f"{name} has shape {array.shape} but must be one number, or one for each "
            f"of {n} targets."
        )
    return jnp.broadcast_to(array, (n,))


def _show(
    apply: Callable,
    variables: Any,
    size: tuple[int, ...],
    targets: jax.Array,
    n_members: int | None,
    bounds: tuple,
    levels: dict[str, float],
    part: Gabors,
) -> np.ndarray:
    """Responses (n_gabors, n_targets) to a block of the bank."""
    drawn = gabor(size[:2], **vars(part))
    images = jnp.broadcast_to(drawn[..., None], (drawn.shape[0], *size))
    images = match(images, low=bounds[0], high=bounds[1], **levels)
    found = outputs(apply, variables, images, n_members=n_members).mean(0)
    return np.asarray(of_targets(found, targets))


def _search(
    show: Callable,
    bank: Gabors,
    levels: dict[str, jax.Array],
    batch_size: int,
    n_starts: int,
) -> np.ndarray:
    """Find the best functions of the bank, (n_starts, n_targets), a wavelength each."""
    # One contrast for all targets, so that every image is shown once.
    one = {name: float(np.median(value)) for name, value in levels.items()}
    length = np.asarray(bank.wavelength)
    best, which = [], []
    for value in np.unique(length):
        index = np.flatnonzero(length == value)
        rows = [
            show(one, jax.tree.map(lambda part, at=index[at]: part[at], bank))
            for at in blocks(batch_size, index.size)
        ]
        found = np.concatenate(rows)[: index.size]
        found = np.where(np.isfinite(found), found, -np.inf)
        which.append(index[found.argmax(0)])
        best.append(found.max(0))
    order = np.argsort(-np.stack(best), axis=0, kind="stable")[:n_starts]
    return np.take_along_axis(np.stack(which), order, axis=0)


@struct
class _Bounds:
    """Keep packed parameters between two edges; the `project` of an ascent."""

    low: jax.Array
    high: jax.Array

    def __call__(self, packed: jax.Array, step: jax.Array) -> jax.Array:
        del step
        return jnp.clip(packed, self.low, self.high)


@dataclasses.dataclass(frozen=True)
class _Drawing:
    """Draw packed parameters (n, 1, 8, 1) as images (n, height, width, channels)."""

    shape: tuple[int, ...]
    bounds: tuple

    def __call__(self, packed: jax.Array, bring: Callable = brought) -> jax.Array:
        numbers = packed[:, 0, :, 0]
        images = gabor(self.shape[:2], **vars(_unpacked(numbers, self.shape)))
        images = jnp.broadcast_to(images[..., None], (numbers.shape[0], *self.shape))
        one = partial(bring, bounds=self.bounds)
        return jax.vmap(one)(images, numbers[:, 6], numbers[:, 7])


def _packed(
    bank: Gabors, chosen: np.ndarray, levels: dict, size: tuple[int, ...]
) -> jax.Array:
    """Parameters as images (n_targets, n_starts, 1, 8, 1) of which a step suits all."""
    picked = jax.tree.map(lambda part: part[chosen.T], bank)
    numbers = [
        jnp.log(picked.wavelength),
        picked.orientation,
        picked.phase / 2,
        jnp.log(picked.sigma),
        *(picked.center[..., axis] * size[axis] / 4 for axis in (0, 1)),
        *(
            jnp.broadcast_to(levels[name][:, None], picked.phase.shape)
            for name in ("mean", "contrast")
        ),
    ]
    return jnp.stack(numbers, axis=-1)[:, :, None, :, None]


def _unpacked(numbers: jax.Array, size: tuple[int, ...]) -> Gabors:
    return Gabors(
        wavelength=jnp.exp(numbers[:, 0]),
        orientation=numbers[:, 1],
        phase=2 * numbers[:, 2],
        sigma=jnp.exp(numbers[:, 3]),
        center=numbers[:, 4:6] * 4 / jnp.asarray(size[:2], numbers.dtype)[None],
    )


def _edges(size: tuple[int, ...]) -> tuple[jax.Array, jax.Array]:
    """Edges of what a step may reach, as an image (1, 8, 1)."""
    longest, free = np.log(2 * max(size[:2])), np.inf
    half = [n / 8 for n in size[:2]]  # centres stay within the image
    low = [np.log(2.5), -free, -free, np.log(0.7), -half[0], -half[1], -free, -free]
    high = [longest, free, free, np.log(max(size[:2])), *half, free, free]
    return tuple(jnp.asarray(edge)[None, :, None] for edge in (low, high))  # type: ignore[return-value]  # two of them


@cache
def _optimizer(n_steps: int) -> optax.GradientTransformation:
    return optax.adam(optax.cosine_decay_schedule(_STEP, n_steps, alpha=0.05))


def _chosen(draw: _Drawing, climbed: MEI, packed: jax.Array) -> MEI:
    """Keep the best start of each target, or what it began with if that is better."""
    n_targets, n_starts = packed.shape[:2]
    both = jnp.concatenate([climbed.images, packed], axis=1)
    images = _drawn(draw, both.reshape(-1, *packed.shape[2:]))
    images = images.reshape(n_targets, 2 * n_starts, *draw.shape)
    ends = jnp.concatenate([climbed.responses[-1], climbed.responses[0]], axis=1)
    # Images that the range keeps from the contrast are NaN, and no candidates.
    allowed = jnp.isfinite(images).all((2, 3, 4)) & jnp.isfinite(ends)
    best = jnp.argmax(jnp.where(allowed, ends, -jnp.inf), axis=1)
    rows, start = jnp.arange(n_targets), best % n_starts
    images = images[rows, best]
    fine = allowed[rows, best]
    if not fine.all():
        warnings.warn(
            f"{(~fine).sum()} of {n_targets} targets have no Gabor function of their "
            f"contrast within the range (first: {np.flatnonzero(~fine)[:5].tolist()}).",
            UserWarning,
            stacklevel=3,
        )
    trace = climbed.responses[:, rows, start]
    trace = trace.at[-1].set(jnp.where(fine, ends[rows, best], jnp.nan))
    flat = images.reshape(n_targets, -1)
    sizes = flat.std(1), jnp.sqrt((flat**2).sum(1))
    contrasts, norms = (jnp.broadcast_to(s[None], trace.shape) for s in sizes)
    return MEI(
        images=images,
        responses=trace,
        contrasts=contrasts,
        norms=norms,
        n_iter=climbed.n_iter[rows, start],
        converged=climbed.converged[rows, start] & fine,
    )


@partial(jax.jit, static_argnums=0)
def _drawn(draw: _Drawing, packed: jax.Array) -> jax.Array:
    return draw(packed, matched)
