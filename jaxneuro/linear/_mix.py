"""A grid of penalties as few products: neighbouring penalties shrink alike."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ..core.struct import static, struct
from ._factor import FoldFactor

__all__ = ["Mix", "mix"]

_SEGMENTS = (1, 2, 3, 4, 5, 6)
# Costs of a product and of a term of the mixture, in multiplications of a product.
_LATENCY, _TERM = 64, 8
# Bound of the error of predictions, in units of the rounding error, for the target
# that it hits hardest; that of scores stays below their rounding (see the tests).
_BOUND = 256


@struct
class Mix:
    """Shrinkage as sums of a few functions on segments of the spectrum.

    Attributes
    ----------
    parts : tuple of array (n_folds, rank_of_segment, width)
        Functions on each segment.
    weights : array (n_folds, n_alphas, n_parts)
        How each penalty mixes the functions of all segments, in order.
    stops : tuple of int
        Where the segments end.
    """

    parts: tuple[jax.Array, ...]
    weights: jax.Array
    stops: tuple[int, ...] = static()  # type: ignore[assignment]  # a dataclass field


def mix(
    factor: FoldFactor,
    alphas: np.ndarray,
    *,
    dual: bool,
    relative: bool,
    like: Mix | None = None,
) -> Mix | None:
    """Find the cheapest mixture whose predictions are as exact as the arithmetic.

    On a segment of the spectrum the shrinkages ``1 / (gain + alpha)`` of all
    penalties are spanned by a few of their combinations, found by a singular value
    decomposition. Weighed by the largest prediction that a target of unit norm can
    have in each direction, what is dropped bounds the error of predictions.

    Parameters
    ----------
    factor : FoldFactor
        Factorisations, concrete.
    alphas : array (n_alphas,)
        Penalties.
    dual : bool
        Whether the factors are of the kernel.
    relative : bool
        Bound errors relative to the predictions at each penalty, as a correlation
        needs, instead of relative to the targets.
    like : Mix, optional
        A mixture whose segments are taken, and at least as many functions.

    Returns
    -------
    Mix or None
        None where one product per penalty is as cheap.
    """
    if factor.gain is None or isinstance(factor.gain, Tracer):
        return None
    gain = np.asarray(factor.gain, np.float64)
    dtype = np.dtype(factor.gain.dtype)
    reach = np.linalg.norm(np.asarray(factor.test), axis=1).astype(np.float64)
    if not dual:
        reach = reach * np.sqrt(gain)
    curve = _shrink(gain, alphas)  # (n_folds, rank, n_alphas)
    heavy = reach[..., None] * curve
    size = np.linalg.norm(heavy, axis=1, keepdims=True)  # (n_folds, 1, n_alphas)
    size = np.where(size > 0, size, 1) if relative else np.ones_like(size)
    curve, heavy = curve / size, heavy / size
    tolerance = max(_BOUND * np.finfo(dtype).eps, 1e-12)
    if relative:
        tolerance /= _BOUND
    height, rank = factor.test.shape[1:]
    best, cost = None, 0.9 * alphas.size * height * (rank + _LATENCY)
    for n in _SEGMENTS if like is None else (len(like.stops),):
        stops = np.linspace(0, rank, n + 1).astype(int)[1:]
        least = [1] * n if like is None else [part.shape[1] for part in like.parts]
        bases = _bases(heavy, stops, tolerance / np.sqrt(n), least)
        work = _work(bases, stops, height)
        if work < cost or like is not None:
            best, cost = (stops, bases), work
    if best is None:
        return None
    stops, bases = best
    starts = [0, *stops[:-1]]
    parts = [
        np.swapaxes(curve[:, a:b] @ base, 1, 2)
        for a, b, base in zip(starts, stops, bases, strict=True)
    ]
    weights = np.swapaxes(size, 1, 2) * np.concatenate(bases, axis=2)
    return Mix(
        parts=tuple(jnp.asarray(part, dtype) for part in parts),
        weights=jnp.asarray(weights, dtype),
        stops=tuple(int(stop) for stop in stops),
    )


def _shrink(gain: np.ndarray, alphas: np.ndarray) -> np.ndarray:
    limit = gain.max(1)[:, None, None] * gain.shape[1] * np.finfo(np.float32).eps
    total = gain[..., None] + alphas
    kept = (alphas > 0) | (gain[..., None] > limit)
    return np.where(kept & (total > 0), 1 / np.where(total > 0, total, 1), 0)


def _bases(
    heavy: np.ndarray, stops: np.ndarray, tolerance: float, least: list[int]
) -> list[np.ndarray]:
    """Find combinations per segment: (n_folds, n_alphas, rank_of_segment)."""
    bases, start = [], 0
    for stop, n in zip(stops, least, strict=True):
        _, values, vt = np.linalg.svd(heavy[:, start:stop], full_matrices=False)
        tail = np.sqrt(np.cumsum(values[:, ::-1] ** 2, axis=1))[:, ::-1]
        n = max(n, int((tail > tolerance).sum(1).max()))
        bases.append(np.swapaxes(vt[:, :n], 1, 2))
        start = stop
    return bases


def _work(bases: list[np.ndarray], stops: np.ndarray, height: int) -> float:
    """Count multiplications per target, in those of a product."""
    starts = [0, *stops[:-1]]
    work = 0
    for base, start, stop in zip(bases, starts, stops, strict=True):
        n_alphas, n = base.shape[1:]
        work += n * min(stop, height) * (stop - start + _LATENCY + _TERM * n_alphas)
    return work
