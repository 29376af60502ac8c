"""A grid of penalties as few products: neighbouring penalties shrink alike."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from ..core.struct import struct
from ._factor import Factors, FoldFactor

__all__ = ["Mix", "Mixes", "mix"]


class _Costs(NamedTuple):
    """What products cost, in multiplications, as measured on a CPU.

    Attributes
    ----------
    rows : int
        Most held-out rows of a stretch: the products of all its maps then stay in the
        cache.
    map, term : int
        Of a map, and of a penalty's share of it.
    sum : int
        Of each penalty's sum over segments of one width.
    """

    rows: int
    map: int
    term: int
    sum: int


# Of folds that are apart, and of a stack, whose mixtures are batches of small products.
_APART, _STACKED = _Costs(60, 20, 1, 28), _Costs(150, 40, 3, 28)
# Segments of one width, and the share of the rank that is left to one more, before them
# or at the end, where few large eigenvalues need more maps than the others.
_SEGMENTS, _RESTS = (8, 6, 4, 3, 2, 1), (0, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 2 / 5)
# How often combinations are sought anew, and from which error, in tolerances, it is in
# vain.
_TURNS, _HOPELESS = 5, 5
# Bound of the error of predictions, in units of the rounding error, for the target
# that it hits hardest; that of scores stays below their rounding (see the tests).
_BOUND = 256


@struct
class Mix:
    """Predictions of a grid as mixtures of a few maps on segments of the spectrum.

    Where the factors of folds are stacked, so are the arrays.

    Attributes
    ----------
    maps : tuple of tuple of array (n_segments, n_maps * n_rows, width)
        For each stretch of held-out rows and each run of segments of one width the
        maps of every segment, one above the other. All segments of a run have as many
        maps: their products are one array without a copy.
    weights : array (n_alphas, n_parts)
        How each penalty mixes the maps of all segments, in order.
    """

    maps: tuple[tuple[jax.Array, ...], ...]
    weights: jax.Array


# Of all folds, or one of each.
Mixes = Mix | tuple[Mix, ...] | None


def mix(
    factor: Factors,
    alphas: np.ndarray,
    *,
    dual: bool,
    relative: bool,
    like: Mixes = None,
) -> Mixes:
    """Find the cheapest mixture whose predictions are as exact as the arithmetic.

    On a segment of the spectrum the shrinkages ``1 / (gain + alpha)`` of all
    penalties are spanned by a few of their combinations, found by a singular value
    decomposition. Weighed by the largest prediction that a target of unit norm can
    have in each direction, what is dropped bounds the error of predictions.

    Parameters
    ----------
    factor : FoldFactor or tuple of FoldFactor
        Factorisations; while they are traced there is no mixture.
    alphas : array (n_alphas,)
        Penalties.
    dual : bool
        Whether the factors are of the kernel.
    relative : bool
        Bound errors relative to the predictions at each penalty, as a correlation
        needs, instead of relative to the targets.
    like : Mix or tuple of Mix, optional
        A mixture whose segments are taken, and at least as many maps.

    Returns
    -------
    Mix, tuple of Mix, or None
        As the factors come; None where one product per penalty is as cheap.
    """
    costs = _APART
    if isinstance(factor, FoldFactor):
        gains, tests, costs = factor.gain, factor.test, _STACKED
    else:
        gains = tuple(fold.gain for fold in factor)
        tests = tuple(fold.test for fold in factor)
    leaves = jax.tree.leaves(gains)
    if not leaves or isinstance(leaves[0], Tracer):
        return None
    dtype = np.dtype(leaves[0].dtype)
    gain = np.asarray(gains, np.float64)
    tests = [np.asarray(test) for test in jax.device_get(tests)]
    reach = np.stack([np.linalg.norm(test, axis=0) for test in tests]).astype(float)
    # The power iteration nears it from below.
    overlap = 1.2 * max(map(_overlap, tests, reach))
    tolerance = max(_BOUND * np.finfo(dtype).eps, 1e-12) / overlap
    if not dual:
        reach = reach * np.sqrt(gain)
    curve = _shrink(gain, alphas)  # (n_folds, rank, n_alphas)
    heavy = reach[..., None] * curve
    size = np.linalg.norm(heavy, axis=1, keepdims=True)  # (n_folds, 1, n_alphas)
    size = np.where(size > 0, size, 1) if relative else np.ones_like(size)
    curve, heavy = curve / size, heavy / size
    if relative:
        tolerance /= _BOUND
    n_rows, rank = tests[0].shape
    n_stretches = _stretches(n_rows, costs.rows)
    if like is None:
        plan, bases = _cheapest(heavy, tolerance, alphas.size * rank, costs)
    else:
        plan, bases = _alike(heavy, tolerance, like, n_rows // n_stretches)
    if not plan:
        return None
    curves = [part @ base for part, base in zip(_cut(curve, plan), bases, strict=True)]
    shares = [np.moveaxis(base, 2, 1).reshape(*size.shape[::2], -1) for base in bases]
    weights = np.swapaxes(size, 1, 2) * np.concatenate(shares, axis=2)
    parts = [part.astype(dtype) for part in (weights, *curves)]

    def one(test: jax.Array, weights: ArrayLike, *curves: ArrayLike) -> Mix:
        maps = _maps(test, curves, n_stretches=n_stretches)
        return Mix(maps=maps, weights=jnp.asarray(weights))

    if isinstance(factor, FoldFactor):
        return jax.vmap(one)(factor.test, *parts)
    each = zip(factor, *parts, strict=True)
    return tuple(one(fold.test, *part) for fold, *part in each)


Plan = list[tuple[int, int]]


def _alike(
    heavy: np.ndarray, tolerance: float, like: Mix | tuple[Mix, ...], n_rows: int
) -> tuple[Plan, list[np.ndarray]]:
    """Take the plan of a mixture with stretches of `n_rows`; find combinations anew."""
    known = like[0] if isinstance(like, tuple) else like
    shapes = [run.shape[-3:] for run in known.maps[0]]
    plan = [(n, width) for n, _, width in shapes]
    least = [height // n_rows for _, height, _ in shapes]
    parts = zip(_cut(heavy, plan), least, strict=True)
    return plan, [_bases(part, tolerance, n) for part, n in parts]


def _cheapest(
    heavy: np.ndarray, tolerance: float, plain: int, costs: _Costs
) -> tuple[Plan, list[np.ndarray]]:
    """Find the cheapest plan and its combinations; none where `plain` is as cheap."""

    def combine(folds: np.ndarray, plan: Plan) -> tuple[float, list[np.ndarray]]:
        bases = [_bases(part, tolerance, 1) for part in _cut(folds, plan)]
        pairs = zip(bases, plan, strict=True)
        return sum(_work(base, width, costs) for base, (_, width) in pairs), bases

    # The first fold needs no more than all of them.
    bounds = [(combine(heavy[:1], plan)[0], plan) for plan in _plans(heavy.shape[1])]
    best, cost = ([], []), 0.9 * plain
    for bound, plan in sorted(bounds):
        if bound >= cost:
            break
        work, bases = combine(heavy, plan)
        if work < cost:
            best, cost = (plan, bases), work
    return best


def _plans(rank: int) -> list[Plan]:
    """List ways to cut a spectrum: numbers of segments of one width, and widths."""
    plans = []
    for n in _SEGMENTS:
        for rest in _RESTS:
            width = int(rank * (1 - rest)) // n
            left = rank - n * width
            plan = [(n, width), (1, left)] if left else [(n, width)]
            if width:
                plans += [plan, plan[::-1]] if left else [plan]
    return plans


def _cut(curve: np.ndarray, plan: Plan) -> list[np.ndarray]:
    """Cut functions on the spectrum: arrays (n_folds, n_segments, width, n_alphas)."""
    stops = np.cumsum([n * width for n, width in plan])[:-1]
    return [
        part.reshape(len(part), *shape, -1)
        for part, shape in zip(np.split(curve, stops, axis=1), plan, strict=True)
    ]


@partial(jax.jit, static_argnames="n_stretches")
def _maps(
    test: jax.Array, curves: Sequence[ArrayLike], *, n_stretches: int
) -> tuple[tuple[jax.Array, ...], ...]:
    """Scale columns by every function, as :class:`Mix` holds them."""
    stretches = []
    for some in jnp.split(test, n_stretches):
        runs, start = [], 0
        for curve in curves:
            n_segments, width, _ = jnp.shape(curve)
            stop = start + n_segments * width
            part = some[:, start:stop].reshape(-1, n_segments, width)
            scaled = (
                jnp.swapaxes(part, 0, 1)[:, None]
                * jnp.swapaxes(curve, 1, 2)[:, :, None]
            )
            runs.append(scaled.reshape(n_segments, -1, width))
            start = stop
        stretches.append(tuple(runs))
    return tuple(stretches)


def _stretches(n_rows: int, most: int) -> int:
    """Cut rows into equal stretches; into one where they cannot be cut."""
    if n_rows <= most:
        return 1
    few = range(-(-n_rows // most), 2 * n_rows // most + 1)
    return next((n for n in few if n_rows % n == 0), 1)


def _overlap(test: np.ndarray, reach: np.ndarray) -> float:
    """Largest norm of what unit columns map a unit vector to."""
    unit = test / np.where(reach > 0, reach, 1)[None].astype(test.dtype)
    vector, norm = np.ones(unit.shape[1], test.dtype), 1.0
    for _ in range(8):
        vector = (unit @ vector) @ unit
        norm = float(np.linalg.norm(vector))
        vector = vector / max(norm, np.finfo(test.dtype).tiny)
    return float(np.sqrt(norm))


def _shrink(gain: np.ndarray, alphas: np.ndarray) -> np.ndarray:
    limit = gain.max(1)[:, None, None] * gain.shape[1] * np.finfo(np.float32).eps
    total = gain[..., None] + alphas
    kept = (alphas > 0) | (gain[..., None] > limit)
    return np.where(kept & (total > 0), 1 / np.where(total > 0, total, 1), 0)


def _bases(part: np.ndarray, tolerance: float, n: int) -> np.ndarray:
    """Find combinations per segment: (n_folds, n_segments, n_alphas, n_maps).

    The largest error counts, not the sum of squares: what is met least well is given
    more weight, a few times over.
    """
    _, sv, first = np.linalg.svd(part, full_matrices=False)
    # With fewer even the mean of the errors' squares is too large.
    small = sv.max((0, 1)) <= tolerance * np.sqrt(part.shape[2] * part.shape[3])
    n = max(n, int(small.argmax()) if small.any() else small.size)
    while n < first.shape[2]:
        vt, weight = first, np.ones((*part.shape[:3], 1))
        for turn in range(_TURNS):
            if turn:
                vt = np.linalg.svd(weight * part, full_matrices=False)[2]
            kept = np.swapaxes(vt[:, :, :n], 2, 3)
            error = np.abs(part - part @ kept @ vt[:, :, :n]).max(3, keepdims=True)
            worst = error.max(2, keepdims=True)
            if worst.max() <= tolerance:
                return kept
            if worst.max() > _HOPELESS * tolerance:
                break
            weight *= np.sqrt(error / np.maximum(worst, tolerance) + 1e-3)
        n += 1
    return np.swapaxes(first[:, :, :n], 2, 3)


def _work(base: np.ndarray, width: int, costs: _Costs) -> float:
    """Count multiplications per target and held-out row, in those of a product."""
    n_segments, n_alphas, n_maps = base.shape[1:]
    map_ = width + costs.map + costs.term * n_alphas
    return n_segments * n_maps * map_ + costs.sum * n_alphas
