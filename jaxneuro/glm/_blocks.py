"""Blocks of targets: in from anything that can be sliced, out to host memory."""

import math
import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from threading import Lock, local
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from ..core.batch import Sliceable, aligned, float_dtype, read_columns
from ..core.memory import lean_compilation
from ..core.threads import side_by_side

__all__ = ["cast", "compute_dtype", "map_targets"]

_CACHE, _DEVICE = 8 << 20, 256 << 20  # bytes of a block on CPU and on accelerators
# Bytes of a thread's share, of the least that is worth a call, and of all at once.
_PIECE, _LEAST, _READ = 8 << 20, 2 << 20, 64 << 20


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

    def one(leaf: ArrayLike) -> np.ndarray:
        leaf = np.asarray(leaf)
        return leaf.astype(dtype, copy=False) if leaf.dtype.kind == "f" else leaf

    return jax.device_put(jax.tree.map(one, tree))


@lean_compilation()
def map_targets(
    kernel: Callable[..., Any],
    arrays: tuple[Any, ...],
    *,
    dtype: np.dtype,
    bytes_each: int,
    first: Callable[[np.ndarray], Any] | None = None,
    alone: bool = True,
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
    first : function of an array, optional
        What the host makes of a block of the first array, which the kernel can take
        instead: a pytree of NumPy arrays whose last axis is the block's. It is called
        where the computation is on a CPU.
    alone : bool
        Whether no two calls of the kernel may run side by side, as is the case for
        batches of factorisations (see :func:`jaxneuro.core.linalg.after`).

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
    on_host = on_cpu and all(len(array.devices()) == 1 for array in on_device)
    if first is None or not on_host:  # the kernel takes the arrays themselves
        bytes_each = max(bytes_each, _row_bytes(arrays, dtype))
    room = _CACHE if on_cpu else _DEVICE
    size = min(n_targets, max(128, room // bytes_each // 128 * 128))
    if on_device and not on_host:
        return _on_device(kernel, arrays, size, dtype)
    # On CPU the two memories are one.
    sources = [np.asarray(a) if isinstance(a, jax.Array) else a for a in arrays]
    if on_host:
        out = _on_host(kernel, sources, size, dtype, first, alone)
    else:
        out = _from_host(kernel, sources, size, dtype)
    return jax.tree.map(jax.device_put, out) if on_device else out


def _row_bytes(arrays: Sequence, dtype: np.dtype) -> int:
    """Bytes of one target in all arrays."""
    return dtype.itemsize * max(1, sum(array.shape[0] for array in arrays))


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


def _from_host(kernel: Callable, arrays: Sequence, size: int, dtype: np.dtype) -> Any:
    """Ship blocks to an accelerator, and what it makes of them back."""
    n_targets, out = arrays[0].shape[1], None
    for start in _starts(n_targets, size):
        block = [_taken(array, start, start + size, dtype) for array in arrays]
        found = kernel(*map(jnp.asarray, block))
        out = _room(found, n_targets) if out is None else out
        _store(out, start, found)
    return out


def _on_host(
    kernel: Callable,
    arrays: Sequence,
    size: int,
    dtype: np.dtype,
    first: Callable | None,
    alone: bool,
) -> Any:
    """Compute pieces of a block or a few side by side, one call for each.

    Within a program XLA computes elementwise on one thread. A thread gives the memory
    of a piece's results to its next one, and copies them at once to memory of NumPy's,
    which comes in large pages: new memory costs as much as what is computed into it.
    What is not in memory is read in few large parts.
    """
    n_targets = arrays[0].shape[1]
    if not isinstance(kernel, partial):
        kernel = partial(kernel)
    what = (kernel.func, tuple(kernel.keywords.items()), kernel.args)
    row = _row_bytes(arrays, dtype)
    in_memory = all(type(array) is np.ndarray for array in arrays)
    n_read = n_targets if in_memory else min(n_targets, max(128, _READ // row))
    n_threads = os.cpu_count() or 1
    width = max(128, min(_PIECE, _READ // n_threads) // row // 128 * 128)
    width = min(n_read, width, max(_LEAST // row, 128, -(-n_read // (12 * n_threads))))
    size = math.ceil(width / math.ceil(width / size))  # hardly a target twice
    out: list = []
    storing, computing = Lock(), Lock() if alone else nullcontext()
    own = local()

    def piece(held: Sequence, low: int, start: int) -> None:
        block = [_taken(array, start, start + width, dtype) for array in held]
        if first is not None:
            with np.errstate(all="ignore"):
                block[0] = first(block[0])
        block = jax.tree.map(np.ascontiguousarray, block)  # strides slow JAX down
        with computing:
            if not hasattr(own, "found"):
                own.found = _zeros_of(*what, tuple(block), size=size)
            found = _blocks_of(*what, tuple(block), own.found, size=size)
            own.found = jax.block_until_ready(found)
        with storing:
            if not out:
                out.append(_room(found, n_targets))
        _store(out[0], low + start, found)

    for low in _starts(n_targets, n_read):
        held = arrays
        if not in_memory:
            held = [_taken(array, low, low + n_read, dtype) for array in arrays]
        side_by_side(partial(piece, held, low), _starts(n_read, width))
    return out[0]


def _room(found: Any, n_targets: int) -> Any:
    """Make host memory for the results of all targets."""
    return jax.tree.map(lambda x: aligned((*x.shape[:-1], n_targets), x.dtype), found)


def _store(out: Any, start: int, found: Any) -> None:
    """Copy the results of a block to their place."""

    def put(whole: np.ndarray, block: jax.Array) -> None:
        whole[..., start : start + block.shape[-1]] = np.asarray(block)

    jax.tree.map(put, out, found)


def _taken(source: Any, low: int, high: int, dtype: np.dtype) -> np.ndarray:
    """Take a range of targets, of memory without a copy where the float is right."""
    if type(source) is np.ndarray:
        return source[:, low:high].astype(dtype, copy=False)
    return read_columns(source, low, high, source.dtype).astype(dtype, copy=False)


@partial(jax.jit, static_argnames=("func", "options", "size"))
def _zeros_of(
    func: Callable, options: tuple, args: tuple, arrays: tuple, *, size: int
) -> Any:
    """Make room for the results of a piece."""
    n_targets = jax.tree.leaves(arrays)[0].shape[-1]
    block = jax.tree.map(lambda x: x[..., : min(size, n_targets)], arrays)
    shapes = jax.eval_shape(partial(func, *args, **dict(options)), *block)
    return jax.tree.map(
        lambda x: jnp.zeros((*x.shape[:-1], n_targets), x.dtype), shapes
    )


@partial(jax.jit, static_argnames=("func", "options", "size"), donate_argnames=("out",))
def _blocks_of(
    func: Callable,
    options: tuple,
    args: tuple,
    arrays: tuple,
    out: Any,
    *,
    size: int,
) -> Any:
    """Apply a kernel to one block after the other, the last two of which overlap."""
    kernel = partial(func, *args, **dict(options))
    n_targets = jax.tree.leaves(arrays)[0].shape[-1]
    size = min(size, n_targets)

    def step(index: jax.Array, out: Any) -> Any:
        start = jnp.minimum(index * size, n_targets - size)

        def part(x: jax.Array) -> jax.Array:
            return jax.lax.dynamic_slice_in_dim(x, start, size, axis=x.ndim - 1)

        def put(whole: jax.Array, part: jax.Array) -> jax.Array:
            axis = whole.ndim - 1
            return jax.lax.dynamic_update_slice_in_dim(whole, part, start, axis)

        return jax.tree.map(put, out, kernel(*jax.tree.map(part, arrays)))

    return jax.lax.fori_loop(0, -(-n_targets // size), step, out)
