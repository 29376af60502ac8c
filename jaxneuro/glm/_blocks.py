"""Blocks of targets: in from anything that can be sliced, out to host memory."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
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
_MAX_THREADS = 4


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
    room = _CACHE if jax.default_backend() == "cpu" else _DEVICE
    size = min(n_targets, max(128, room // bytes_each // 128 * 128))
    # The last block begins early, so that all have one size: one compilation.
    starts = [min(s, n_targets - size) for s in range(0, n_targets, max(size, 1))]
    if any(isinstance(array, jax.Array) for array in arrays):
        parts = [_apply(kernel, arrays, slice(s, s + size), dtype) for s in starts]
        fresh = n_targets - size * (len(parts) - 1)
        parts[-1] = jax.tree.map(lambda x: x[..., size - fresh :], parts[-1])
        return jax.tree.map(lambda *x: jnp.concatenate(x, axis=-1), *parts)
    return _on_host(kernel, arrays, starts, size, dtype)


def _apply(kernel: Callable, arrays: Sequence, where: slice, dtype: np.dtype) -> Any:
    return kernel(*(jnp.asarray(array[:, where], dtype) for array in arrays))


def _on_host(
    kernel: Callable, arrays: tuple, starts: list[int], size: int, dtype: np.dtype
) -> Any:
    """Write results in place, a few blocks at a time.

    Copies to and from the device, and what XLA does on one core, overlap between
    threads; each holds one block.
    """
    n_targets = arrays[0].shape[1]
    shapes = [jax.ShapeDtypeStruct((a.shape[0], size), dtype) for a in arrays]
    out = jax.tree.map(
        lambda x: np.empty((*x.shape[:-1], n_targets), x.dtype),
        jax.eval_shape(kernel, *shapes),
    )
    x64 = jnp.zeros(()).dtype == np.float64

    def work(chunks: list, low: int, start: int) -> None:
        # The switch is the thread's own.
        with jax.enable_x64(x64):
            where = slice(start - low, start - low + size)
            result = _apply(kernel, chunks, where, dtype)

            def store(whole: np.ndarray, block: jax.Array) -> None:
                whole[..., start : start + size] = np.asarray(block)

            jax.tree.map(store, out, result)

    in_memory = all(type(array) is np.ndarray for array in arrays)
    row = sum(array.shape[0] * array.dtype.itemsize for array in arrays)
    together = len(starts) if in_memory else max(1, _READ // max(row * size, 1))
    with ThreadPoolExecutor(min(os.cpu_count() or 1, _MAX_THREADS)) as pool:
        for first in range(0, len(starts), together):
            group = starts[first : first + together]
            low, high = group[0], group[-1] + size
            chunks = [
                array[:, low:high]
                if type(array) is np.ndarray
                else read_columns(array, low, high, array.dtype)
                for array in arrays
            ]
            list(pool.map(partial(work, chunks, low), group))
    return out
