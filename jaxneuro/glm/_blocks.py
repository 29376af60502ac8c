"""Blocks of targets: in from anything that can be sliced, out to host memory."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from ..core.batch import Sliceable, aligned, float_dtype, read_columns
from ..core.threads import settings

__all__ = ["cast", "compute_dtype", "map_targets"]

_CACHE, _DEVICE = 1 << 20, 256 << 20  # bytes of a block on CPU and on accelerators
_BLOCKS = 8  # that a thread copies in at once
_READ = 64 << 20  # bytes that are read from disk at once
_MAX_THREADS = 16


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
        the block's. A partial's positional arguments are traced, its keywords static.
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
    on_cpu = jax.default_backend() == "cpu"
    on_device = [array for array in arrays if isinstance(array, jax.Array)]
    n_targets = arrays[0].shape[1]
    room = _CACHE if on_cpu else _DEVICE
    size = min(n_targets, max(128, room // bytes_each // 128 * 128))
    if on_device and not (on_cpu and all(len(a.devices()) == 1 for a in on_device)):
        return _on_device(kernel, arrays, size, dtype)
    # On CPU the two memories are one.
    sources = [np.asarray(a) if isinstance(a, jax.Array) else a for a in arrays]
    out = _on_host(kernel, sources, size, dtype, on_cpu)
    return jax.tree.map(jax.device_put, out) if on_device else out


def _starts(n_targets: int, size: int) -> list[int]:
    """First targets; the last part begins early, so that all have one size."""
    return [min(s, n_targets - size) for s in range(0, n_targets, max(size, 1))]


def _on_device(kernel: Callable, arrays: tuple, size: int, dtype: np.dtype) -> Any:
    """Compute blocks of what lives on a device, or on several."""
    n_targets = arrays[0].shape[1]
    parts = [
        kernel(*(jnp.asarray(array[:, s : s + size], dtype) for array in arrays))
        for s in _starts(n_targets, size)
    ]
    fresh = n_targets - size * (len(parts) - 1)
    parts[-1] = jax.tree.map(lambda x: x[..., size - fresh :], parts[-1])
    return jax.tree.map(lambda *x: jnp.concatenate(x, axis=-1), *parts)


def _on_host(
    kernel: Callable, arrays: Sequence, size: int, dtype: np.dtype, on_cpu: bool
) -> Any:
    """Write results in place, a few blocks at a time.

    Each thread copies some blocks to memory of its own, that it keeps, and computes
    them one by one in the cache of its core.
    """
    n_targets = arrays[0].shape[1]
    n_threads = min(os.cpu_count() or 1, _MAX_THREADS) if on_cpu else 2
    # Few calls, but several for each thread.
    most = min(_BLOCKS, n_targets // (size * 4 * n_threads)) if on_cpu else 1
    n_blocks = max(1, most)
    width = n_blocks * size
    starts = _starts(n_targets, width)
    # A batch of factorisations waits on one of XLA's threads for the others: with one
    # such batch for each of them, all would wait for ever.
    at_once = max(1, n_threads - 1)
    turn = threading.Semaphore(at_once)
    # A core for each computation; a single one has all of them.
    one_core = on_cpu and len(starts) > 1 and at_once > 1
    compute = _compiled(one_core)
    if not isinstance(kernel, partial):
        kernel = partial(kernel)
    what = (kernel.func, tuple(kernel.keywords.items()), kernel.args)
    shapes = tuple(jax.ShapeDtypeStruct((a.shape[0], width), dtype) for a in arrays)
    out = jax.tree.map(
        lambda x: aligned((*x.shape[:-1], n_targets), x.dtype),
        compute.eval_shape(*what, shapes, n_blocks=n_blocks),
    )
    own, same = threading.local(), settings()

    def work(chunks: list, low: int, start: int) -> None:
        with same():
            if not hasattr(own, "memory"):
                own.memory = [aligned(s.shape, s.dtype) for s in shapes]
            for memory, chunk in zip(own.memory, chunks, strict=True):
                where = slice(start - low, start - low + width)
                np.copyto(memory, chunk[:, where], casting="unsafe")
            # Without a copy on CPU, where the result is awaited before the next one.
            data = tuple(jax.device_put(memory) for memory in own.memory)
            with turn:
                result = jax.block_until_ready(compute(*what, data, n_blocks=n_blocks))

            def store(whole: np.ndarray, block: jax.Array) -> None:
                whole[..., start : start + width] = np.asarray(block)

            jax.tree.map(store, out, result)

    in_memory = all(type(array) is np.ndarray for array in arrays)
    stored = sum(array.shape[0] * array.dtype.itemsize for array in arrays)
    together = len(starts)
    if not in_memory:
        together = max(1, _READ // max(stored * width, 1))
    with ThreadPoolExecutor(n_threads) as pool:
        for first in range(0, len(starts), together):
            group = starts[first : first + together]
            low, high = group[0], group[-1] + width
            chunks = [_held(array, low, high) for array in arrays]
            list(pool.map(partial(work, chunks, low), group))
    return out


def _held(source: Sliceable, low: int, high: int) -> np.ndarray:
    """Give a range of targets in memory, where it may be already."""
    if type(source) is np.ndarray:
        return source[:, low:high]
    return read_columns(source, low, high, source.dtype)


@cache
def _compiled(one_core: bool) -> Any:
    """Compile :func:`_blocks_of`, for one core or for all."""
    options = {"xla_cpu_multi_thread_eigen": False} if one_core else None
    names = ("func", "options", "n_blocks")
    return jax.jit(_blocks_of, static_argnames=names, compiler_options=options)


def _blocks_of(
    func: Callable, options: tuple, args: tuple, arrays: tuple, *, n_blocks: int
) -> Any:
    """Apply a kernel to the blocks of one chunk, in a loop."""
    kernel = partial(func, *args, **dict(options))
    if n_blocks == 1:
        return kernel(*arrays)
    width = arrays[0].shape[1]
    size = width // n_blocks

    def step(index: jax.Array, out: Any) -> Any:
        blocks = (
            jax.lax.dynamic_slice_in_dim(array, index * size, size, axis=1)
            for array in arrays
        )

        def put(whole: jax.Array, block: jax.Array) -> jax.Array:
            axis = whole.ndim - 1
            return jax.lax.dynamic_update_slice_in_dim(whole, block, index * size, axis)

        return jax.tree.map(put, out, kernel(*blocks))

    empty = jax.tree.map(
        lambda x: jnp.zeros((*x.shape[:-1], width), x.dtype),
        jax.eval_shape(
            kernel, *(jax.ShapeDtypeStruct((a.shape[0], size), a.dtype) for a in arrays)
        ),
    )
    return jax.lax.fori_loop(0, n_blocks, step, empty)
