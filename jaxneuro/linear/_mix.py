"""A grid of penalties as few products: neighbouring penalties shrink alike."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ..core.struct import static, struct
from ._factor import FoldFactor

__all__ = ["Mix", "mix"]

_SEGMENTS = (1, 2, 3, 4, 6)
# Costs of a term of the mixture, in multiplications of a product.
_LATENCY, _TERM = 40, 6
# Bound of the error of predictions, in units of the rounding error, for the target
# that it hits hardest; that of scores stays below their rounding (see the tests).
_BOUND = 512


@struct
class Mix:
    """Predictions of a grid as mixtures of a few maps on segments of the spectrum.

    Attributes
    ----------
    maps : tuple of array (n_folds, n_maps * n_test, width)
        The maps of each segment, one above the other.
    weights : array (n_folds, n_alphas, n_parts)
        How each penalty mixes the maps of all segments, in order.
    stops : tuple of int
        Where the segments end.
    """

    maps: tuple[jax.Array, ...]
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
        A mixture whose segments are taken, and at least as many maps.

    Returns
    -------
    Mix or None
        None where one product per penalty is as cheap.
    """
    if factor.gain is None or isinstance(factor.gain, Tracer):
        return None
    gain = np.asarray(factor.gain, np.float64)
    dtype = np.dtype(factor.gain.dtype)
    test = np.asarray(factor.test)
    reach = np.linalg.norm(test, axis=1).astype(np.float64)
    tolerance = max(_BOUND * np.finfo(dtype).eps, 1e-12) / _overlap(test, reach)
    if not dual:
        reach = reach * np.sqrt(gain)
    curve = _shrink(gain, alphas)  # (n_folds, rank, n_alphas)
    heavy = reach[..., None] * curve
    size = np.linalg.norm(heavy, axis=1, keepdims=True)  # (n_folds, 1, n_alphas)
    size = np.where(size > 0, size, 1) if relative else np.ones_like(size)
    curve, heavy = curve / size, heavy / size
    if relative:
        tolerance /= _BOUND
    height, rank = test.shape[1:]
    best, cost = None, 0.9 * alphas.size * rank
    for n in _SEGMENTS if like is None else (len(like.stops),):
        stops = np.linspace(0, rank, n + 1).astype(int)[1:]
        least = [1] * n
        if like is not None:
            least = [part.shape[1] // height for part in like.maps]
        bases = _bases(heavy, stops, tolerance, least)
        work = _work(bases, stops)
        if work < cost or like is not None:
            best, cost = (stops, bases), work
    if best is None:
        return None
    stops, bases = best
    starts = [0, *stops[:-1]]
    weights = np.swapaxes(size, 1, 2) * np.concatenate(bases, axis=2)
    maps = [
        _maps(factor.test[:, :, a:b], jnp.asarray(curve[:, a:b] @ base, dtype))
        for a, b, base in zip(starts, stops, bases, strict=True)
    ]
    return Mix(
        maps=tuple(maps),
        weights=jnp.asarray(weights, dtype),
        stops=tuple(int(stop) for stop in stops),
    )


@jax.jit
def _maps(test: jax.Array, curves: jax.Array) -> jax.Array:
    """Scale columns by every function: (n_folds, n_maps * n_test, width)."""
    scaled = test[:, None] * jnp.swapaxes(curves, 1, 2)[:, :, None]
    return scaled.reshape(test.shape[0], -1, test.shape[2])


def _overlap(test: np.ndarray, reach: np.ndarray) -> float:
    """Largest norm of what unit columns map a unit vector to, over folds."""
    unit = test / np.where(reach > 0, reach, 1)[:, None].astype(test.dtype)
    vector = np.ones((*unit.shape[::2], 1), test.dtype)
    norm = np.ones(1)
    for _ in range(8):
        vector = np.swapaxes(unit, 1, 2) @ (unit @ vector)
        norm = np.linalg.norm(vector, axis=1, keepdims=True)
        vector = vector / np.where(norm > 0, norm, 1)
    return 1.2 * float(np.sqrt(norm.max()))  # the power iteration nears it from below


def _shrink(gain: np.ndarray, alphas: np.ndarray) -> np.ndarray:
    limit = gain.max(1)[:, None, None] * gain.shape[1] * np.finfo(np.float32).eps
    total = gain[..., None] + alphas
    kept = (alphas > 0) | (gain[..., None] > limit)
    return np.where(kept & (total > 0), 1 / np.where(total > 0, total, 1), 0)


def _bases(
    heavy: np.ndarray, stops: np.ndarray, tolerance: float, least: list[int]
) -> list[np.ndarray]:
    """Find combinations per segment: (n_folds, n_alphas, n_maps)."""
    bases, start = [], 0
    for stop, n in zip(stops, least, strict=True):
        part = heavy[:, start:stop]
        _, _, vt = np.linalg.svd(part, full_matrices=False)
        while n < vt.shape[1]:
            kept = np.swapaxes(vt[:, :n], 1, 2)
            if np.abs(part - part @ kept @ vt[:, :n]).max(initial=0) <= tolerance:
                break
            n += 1
        bases.append(np.swapaxes(vt[:, :n], 1, 2))
        start = stop
    return bases


def _work(bases: list[np.ndarray], stops: np.ndarray) -> float:
    """Count multiplications per target and held-out row, in those of a product."""
    widths = np.diff([0, *stops])
    return sum(
        base.shape[2] * (width + _LATENCY + _TERM * base.shape[1])
        for base, width in zip(bases, widths, strict=True)
    )
