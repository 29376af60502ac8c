"""Blocks of targets: in from anything that can be sliced, out to host memory."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from ..core.batch import ALIGNMENT, Sliceable, aligned, float_dtype, read_columns

__all__ = ["cast", "compute_dtype", "map_targets"]

_CACHE, _DEVICE = 5 << 20, 256 << 20  # bytes of a block on CPU and on accelerators
_READ = 64 << 20  # bytes that are read or copied at once


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

    Raises
    ------
    ValueError
        If there are no targets.
    """
    n_targets = arrays[0].shape[1]
    if n_targets == 0:
        raise ValueError(
            f"Y has shape {arrays[0].shape} but must hold at least one target."
        )
    if any(isinstance(array, Tracer) for array in arrays):
        return kernel(*(jnp.asarray(array, dtype) for array in arrays))
    on_cpu = jax.default_backend() == "cpu"
    on_device = [array for array in arrays if isinstance(array, jax.Array)]
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
    """Compute in one program what memory holds, in a few what must be read."""
    n_targets = arrays[0].shape[1]
    if not isinstance(kernel, partial):
        kernel = partial(kernel)
    what = (kernel.func, tuple(kernel.keywords.items()), kernel.args)
    if on_cpu and 0 < 2 * size <= n_targets:
        shared = [_shared(array, size, dtype) for array in arrays]
        if all(each is not None for each in shared):
            sources, shifts = zip(*shared, strict=True)
            found = _blocks_of(*what, sources, size=size, shifts=shifts)
            return jax.tree.map(np.asarray, jax.block_until_ready(found))
    n_rows = sum(array.shape[0] for array in arrays)
    n_blocks = _READ // max(n_rows * dtype.itemsize * size, 1) if on_cpu else 1
    width = min(n_targets, max(1, n_blocks) * size)
    out: Any = None
    for start in _starts(n_targets, width):
        chunk = tuple(_copied(array, start, start + width, dtype) for array in arrays)
        found = _blocks_of(*what, chunk, size=size, shifts=(0,) * len(chunk))
        if out is None:
            out = jax.tree.map(partial(_empty, n_targets), found)
        jax.tree.map(partial(_store, start), out, found)
    return out


def _empty(n_targets: int, block: jax.Array) -> np.ndarray:
    return aligned((*block.shape[:-1], n_targets), block.dtype)


def _store(start: int, whole: np.ndarray, block: jax.Array) -> None:
    whole[..., start : start + block.shape[-1]] = np.asarray(block)


def _copied(source: Any, low: int, high: int, dtype: np.dtype) -> jax.Array:
    """Bring a range of targets into memory of its own, which XLA takes as it is."""
    if type(source) is not np.ndarray:
        source, low, high = read_columns(source, low, high, source.dtype), 0, high - low
    memory = aligned((source.shape[0], high - low), dtype)
    np.copyto(memory, source[:, low:high], casting="unsafe")
    return jax.device_put(memory)


def _shared(source: Any, size: int, dtype: np.dtype) -> tuple[Any, int] | None:
    """Show XLA an array where it lies, and say by how many targets it is shifted.

    XLA's CPU takes host memory without a copy only from multiples of 64 bytes, where
    NumPy's arrays rarely begin. Rows from the next such byte on hold the same numbers
    some targets further to the left; what is missing, the last row and the first
    block, is copied.
    """
    plain = type(source) is np.ndarray and source.flags.c_contiguous
    if not plain or source.dtype != dtype:
        return None
    if source.shape[0] < 2:
        return _copied(source, 0, source.shape[1], dtype), 0
    shift, odd = divmod(-source.ctypes.data % ALIGNMENT, dtype.itemsize)
    if odd or shift >= size:
        return None
    if shift == 0:
        return jax.device_put(source), 0
    n_rows, n_targets = source.shape
    whole = source.reshape(-1)[shift : shift + (n_rows - 1) * n_targets]
    first = np.ascontiguousarray(source[:, :size])
    return jax.device_put((whole.reshape(n_rows - 1, -1), source[-1:], first)), shift


def _block(source: Any, shift: int, start: jax.Array, size: int) -> jax.Array:
    """Take a block of targets from what :func:`_shared` gives."""

    def part(array: jax.Array, at: jax.Array) -> jax.Array:
        return jax.lax.dynamic_slice_in_dim(array, at, size, axis=1)

    if not shift:
        return part(source, start)
    rows, last, first = source
    return jax.lax.cond(
        start == 0,
        lambda: first,
        lambda: jnp.concatenate([part(rows, start - shift), part(last, start)]),
    )


@partial(jax.jit, static_argnames=("func", "options", "size", "shifts"))
def _blocks_of(
    func: Callable,
    options: tuple,
    args: tuple,
    sources: tuple,
    *,
    size: int,
    shifts: tuple[int, ...],
) -> Any:
    """Apply a kernel to one block after the other, the last two of which overlap."""
    kernel = partial(func, *args, **dict(options))
    n_targets = jax.tree.leaves(sources)[0].shape[1]
    if n_targets <= size:
        return kernel(*sources)

    def blocks(index: jax.Array) -> tuple:
        start = jnp.minimum(index * size, n_targets - size)
        return start, [
            _block(source, shift, start, size)
            for source, shift in zip(sources, shifts, strict=True)
        ]

    def step(index: jax.Array, out: Any) -> Any:
        start, arrays = blocks(index)

        def put(whole: jax.Array, block: jax.Array) -> jax.Array:
            axis = whole.ndim - 1
            return jax.lax.dynamic_update_slice_in_dim(whole, block, start, axis)

        return jax.tree.map(put, out, kernel(*arrays))

    shapes = jax.eval_shape(lambda: kernel(*blocks(jnp.int32(0))[1]))
    out = jax.tree.map(lambda x: jnp.zeros((*x.shape[:-1], n_targets), x.dtype), shapes)
    return jax.lax.fori_loop(0, -(-n_targets // size), step, out)
