"""Blocks of targets: in from anything that can be sliced, out to host memory."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from ..core.batch import Sliceable, float_dtype, read_columns

__all__ = ["cast", "compute_dtype", "map_targets"]

_CACHE, _DEVICE = 4 << 20, 256 << 20  # bytes of a block on CPU and on accelerators
_READ = 64 << 20  # bytes that are read from disk at once


def compute_dtype(Y: Sliceable | jax.Array) -> np.dtype:
    """Float in which data are computed: float64 where they are and it is enabled.

    Parameters
    ----------
    Y : array or sliceable (n_times, n_targets)
        Data.

    Returns
    -------
    dtype
        float32 or float64.
    """
    return float_dtype(Y, x64=jnp.zeros(()).dtype == np.float64)


def cast(tree: Any, dtype: np.dtype) -> Any:
    """Ship host arrays in the float of the computation; integers keep their type.

    Parameters
    ----------
    tree : pytree of array
        On the host.
    dtype : dtype
        Float.

    Returns
    -------
    pytree of array
        On the device.
    """

    def one(leaf: ArrayLike) -> jax.Array:
        floating = np.asarray(leaf).dtype.kind == "f"
        return jnp.asarray(leaf, dtype if floating else None)

    return jax.tree.map(one, tree)


def map_targets(
    kernel: Callable[..., Any],
    arrays: tuple[Any, ...],
    *,
    dtype: np.dtype,
    bytes_each: int,
) -> Any:
    """Apply a kernel to blocks of targets, all of one size.

    Parameters
    ----------
    kernel : function of arrays
        Takes blocks ``(n, n_block)`` and gives a pytree of arrays whose last axis is
        the block's.
    arrays : tuple of array or sliceable (n, n_targets)
        Data, in memory or on disk.
    dtype : dtype
        Float of the computation.
    bytes_each : int
        Size of what the kernel touches per target.

    Returns
    -------
    pytree of array (..., n_targets)
        In host memory, or on the device where the data are JAX arrays.
    """
    if any(isinstance(array, Tracer) for array in arrays):
        return kernel(*(jnp.asarray(array, dtype) for array in arrays))
    n_targets = arrays[0].shape[1]
    on_host = not any(isinstance(array, jax.Array) for array in arrays)
    sink = _Sink(n_targets, on_host)
    room = _CACHE if jax.default_backend() == "cpu" else _DEVICE
    size = min(n_targets, max(128, room // bytes_each // 128 * 128))
    waiting = None
    for start, blocks in _read(arrays, size, dtype):
        result = kernel(*blocks)
        # Copying a result overlaps with the work on the next, and no further.
        if waiting is not None:
            sink.store(*waiting)
        waiting = start, result
    if waiting is not None:
        sink.store(*waiting)
    return sink.collect()


def _read(arrays: tuple, size: int, dtype: np.dtype) -> Iterator[tuple[int, list]]:
    """Blocks of equal size; from disk many are read at once."""
    n_targets = arrays[0].shape[1]
    bytes_each = sum(array.shape[0] * array.dtype.itemsize for array in arrays)
    step = max(1, _READ // max(bytes_each * size, 1)) * size
    for low in range(0, n_targets, step):
        chunks = [
            array[:, low : low + step]
            if type(array) is np.ndarray or isinstance(array, jax.Array)
            else read_columns(array, low, min(low + step, n_targets), array.dtype)
            for array in arrays
        ]
        for start in range(low, min(low + step, n_targets), size):
            inside = slice(start - low, start - low + size)
            parts = [chunk[:, inside] for chunk in chunks]
            missing = size - parts[0].shape[1]
            blocks = [jnp.asarray(part, dtype) for part in parts]
            if missing:
                blocks = [jnp.pad(b, ((0, 0), (0, missing))) for b in blocks]
            yield start, blocks


class _Sink:
    """Collects blocks of results, in place on the host."""

    def __init__(self, n_targets: int, on_host: bool) -> None:
        self.n_targets, self.on_host = n_targets, on_host
        self.whole: Any = None
        self.parts: list = []

    def store(self, start: int, result: Any) -> None:
        if not self.on_host:
            self.parts.append(result)
            return
        if self.whole is None:
            self.whole = jax.tree.map(
                lambda x: np.empty((*x.shape[:-1], self.n_targets), x.dtype), result
            )
        stop = min(start + jax.tree.leaves(result)[0].shape[-1], self.n_targets)

        def copy(whole: np.ndarray, block: jax.Array) -> None:
            whole[..., start:stop] = np.asarray(block)[..., : stop - start]

        jax.tree.map(copy, self.whole, result)

    def collect(self) -> Any:
        if self.on_host:
            return self.whole
        return jax.tree.map(
            lambda *x: jnp.concatenate(x, axis=-1)[..., : self.n_targets], *self.parts
        )
