"""Targets in equal blocks, in from memory or disk and out again."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from ..core import batch, check
from ..core.memory import lean_compilation
from ..core.progress import track

__all__ = [
    "Writable",
    "checked",
    "each_alpha",
    "float_of",
    "over_targets",
    "tile_width",
]

# Targets of one product: on a processor the operands then stay in the cache; an
# accelerator wants them large.
_TILE, _TILE_FEW, _TILE_ELSEWHERE = 512, 256, 8192
# Bytes that are read from disk at once.
_READ = 2**27
# Blocks that are computed or wait to be stored at the same time.
_HELD = 3


class Writable(Protocol):
    """An array in memory or on disk that takes coefficients."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Features and targets."""
        ...

    def __setitem__(self, key: tuple[slice, slice], value: np.ndarray, /) -> None:
        """Write a block."""
        ...


def float_of(X: ArrayLike, Y: ArrayLike) -> np.dtype:
    """Choose the float in which both are computed.

    Parameters
    ----------
    X, Y : array
        Data; only their types count.

    Returns
    -------
    dtype
        float64 where either is and 64-bit arithmetic is enabled; integers count as
        the default float.
    """
    kinds = [check.float_array("X", np.zeros(0, _dtype(a))).dtype for a in (X, Y)]
    return np.dtype(max(kinds, key=lambda kind: np.dtype(kind).itemsize))


def checked(X: ArrayLike, Y: ArrayLike) -> np.dtype:
    """Check the shapes and types of a regression, and the values of `X`.

    Parameters
    ----------
    X : array (n_samples, n_features)
        Predictors.
    Y : array or sliceable (n_samples, n_targets)
        Targets.

    Returns
    -------
    dtype
        Float of the computation.

    Raises
    ------
    TypeError
        If either does not hold real numbers.
    ValueError
        If either is not two-dimensional or is empty, they differ in length, or `X`
        has NaN or infinite values.
    """
    check.has_ndim("X", X, 2)
    check.has_ndim("Y", Y, 2)
    check.same_length("X", X, "Y", Y, "samples")
    for name, data, columns in (("X", X, "feature"), ("Y", Y, "target")):
        check.float_array(name, np.zeros(0, _dtype(data)))
        if 0 in check.shape_of(data):
            raise ValueError(
                f"{name} has shape {check.shape_of(data)} but must hold at least one "
                f"sample and one {columns}."
            )
    if not isinstance(X, Tracer):
        check.finite("X", X)
    return float_of(X, Y)


def each_alpha(alpha: ArrayLike, n_targets: int, dtype: np.dtype) -> jax.Array:
    """Check one penalty, or one for each target.

    Parameters
    ----------
    alpha : float or array (n_targets,)
        Penalty strength.
    n_targets : int
        Number of targets.
    dtype : dtype
        Float of the computation.

    Returns
    -------
    array () or (n_targets,)
        As given.

    Raises
    ------
    ValueError
        If the shape is neither, or a value is negative or not finite.
    """
    if not isinstance(alpha, Tracer):
        values = np.asarray(alpha, dtype=np.float64)
        if not np.isfinite(values).all() or (values < 0).any():
            raise ValueError(f"alpha is {alpha!r} but must be finite and not negative.")
    strength = jnp.asarray(alpha, dtype)
    if strength.shape not in ((), (n_targets,)):
        raise ValueError(
            f"alpha has shape {strength.shape} but must be a number or have shape "
            f"({n_targets},), one value per target."
        )
    return strength


def _dtype(data: ArrayLike) -> np.dtype:
    dtype = getattr(data, "dtype", None)
    return np.asarray(data).dtype if dtype is None else dtype


def _blocks(
    Y: ArrayLike, dtype: np.dtype, batch_size: int | None, show: bool
) -> Iterator[tuple[int, int, ArrayLike]]:
    """First target, number of real targets, and the block (n_samples, width).

    A block of host memory is written over by the one that comes `_HELD` later.
    """
    n_samples, n_targets = check.shape_of(Y)
    if isinstance(Y, Tracer):  # compiled by the caller, in one piece
        yield 0, n_targets, jnp.asarray(Y, dtype)
        return
    tile = batch_size or min(tile_width(), n_targets)
    source: Any = Y if hasattr(Y, "shape") else np.asarray(Y)
    on_disk = not isinstance(source, np.ndarray | jax.Array)
    width = n_targets
    if on_disk or isinstance(source, np.memmap):
        width = tile * max(1, _READ // (tile * n_samples * dtype.itemsize))
    panel, first, held = source, 0, []
    starts = range(0, n_targets, tile)
    for start in track(starts, show=show, desc="targets", unit="block"):
        if width < n_targets and start % width == 0:
            first, stop = start, min(start + width, n_targets)
            panel = batch.read_columns(source, start, stop, dtype)
        n = min(tile, n_targets - start)
        if isinstance(panel, jax.Array):
            block = panel[:, start : start + n].astype(dtype)
            block = jnp.pad(block, ((0, 0), (0, tile - n)))
        else:
            if len(held) < _HELD:
                held.append(batch.aligned((n_samples, tile), dtype))
            block = held[start // tile % _HELD]
            block[:, :n] = panel[:, start - first : start - first + n]
            block[:, n:] = 0
        yield start, n, block


def tile_width(*, small: bool = False) -> int:
    """Choose how many targets are solved at once.

    Parameters
    ----------
    small : bool
        Whether products are small, or many follow on each other.

    Returns
    -------
    int
        Targets of a block.
    """
    if jax.default_backend() != "cpu":
        return _TILE_ELSEWHERE
    return _TILE_FEW if small else _TILE


@lean_compilation()
def over_targets(
    solve: Callable[[Any, slice], tuple],
    Y: ArrayLike,
    dtype: np.dtype,
    *,
    batch_size: int | None,
    out: Writable | None = None,
    show_progress: bool = False,
) -> Sequence:
    """Run a function over blocks of targets and join what it returns.

    Parameters
    ----------
    solve : function of (block, targets)
        Takes ``(n_samples, width)`` and the slice of targets that it holds; returns
        arrays whose last axis counts targets. Targets beyond the last are zero.
    Y : array or sliceable (n_samples, n_targets)
        Targets.
    dtype : dtype
        Float of the blocks.
    batch_size : int, optional
        Width of a block.
    out : writable (n_features, n_targets), optional
        Where the first result goes instead of memory.
    show_progress : bool
        Whether to draw a progress bar.

    Returns
    -------
    list of array
        The results, joined along targets.
    """
    n_targets = check.shape_of(Y)[1]
    store: list = []
    waiting: list[tuple[slice, Sequence[jax.Array]]] = []

    def keep(here: slice, results: Sequence[jax.Array]) -> None:
        if not store:
            head = [] if out is None else [out]
            store.extend(head)
            for result in results[len(head) :]:
                shape = (*result.shape[:-1], n_targets)
                store.append(batch.aligned(shape, result.dtype))
        for whole, part in zip(store, results, strict=True):
            values = np.asarray(part)[..., : here.stop - here.start]
            whole[(slice(None),) * (values.ndim - 1) + (here,)] = values

    for start, n, block in _blocks(Y, dtype, batch_size, show_progress):
        here = slice(start, start + n)
        results = solve(block, here)
        if n == n_targets and out is None:
            return [result[..., :n] for result in results]
        # More blocks are on their way while one is stored.
        waiting.append((here, results))
        if len(waiting) == _HELD:
            keep(*waiting.pop(0))
    for item in waiting:
        keep(*item)
    # XLA takes aligned memory as it is.
    return [whole if whole is out else jax.device_put(whole) for whole in store]
