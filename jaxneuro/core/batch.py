"""Blocks of data from anything that can be sliced, in memory or on disk."""

import math
import mmap
from typing import Protocol

import numpy as np

__all__ = ["Sliceable", "aligned", "float_dtype", "read", "read_columns"]

_ROWS = 16  # of a memory map, whose pages are then given back
_ALIGNMENT = 64  # bytes, from whose multiples XLA takes host memory as it is


class Sliceable(Protocol):
    """A NumPy or JAX array, memory map, HDF5 or Zarr dataset, image proxy."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape, time first."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """Type of the elements."""
        ...

    def __getitem__(self, key: slice, /) -> object:
        """Read a range of time points."""
        ...


def float_dtype(source: Sliceable, *, x64: bool) -> np.dtype:
    """Choose the floating type in which a source is computed.

    Parameters
    ----------
    source : sliceable
        Data.
    x64 : bool
        Whether 64-bit arithmetic is enabled.

    Returns
    -------
    dtype
        float64 where the data are and it is enabled, else float32.
    """
    return np.dtype(np.float64 if x64 and source.dtype == np.float64 else np.float32)


def aligned(
    shape: tuple[int, ...], dtype: np.dtype, *, small_pages: bool = False
) -> np.ndarray:
    """Make host memory that XLA's CPU takes over without a copy.

    Parameters
    ----------
    shape : tuple of int
        Of the array.
    dtype : dtype
        Of its elements.
    small_pages : bool
        Whether it comes in pages of the smallest size, which the system takes from
        what was freed last. NumPy asks for large ones: fewer, but a virtual machine
        that gave such memory back to its host waits milliseconds for each.

    Returns
    -------
    array
        Not filled, and beginning at a multiple of 64 bytes.
    """
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    if small_pages:
        memory = np.frombuffer(mmap.mmap(-1, n_bytes + _ALIGNMENT), np.uint8)
    else:
        memory = np.empty(n_bytes + _ALIGNMENT, np.uint8)
    first = -memory.ctypes.data % _ALIGNMENT
    return memory[first : first + n_bytes].view(dtype).reshape(shape)


def read(source: Sliceable, start: int, stop: int, dtype: np.dtype) -> np.ndarray:
    """Read a range of time points, with zeros beyond the ends.

    Parameters
    ----------
    source : sliceable (n_times, ...)
        Data.
    start, stop : int
        Range; it may begin before 0 and end after ``n_times``.
    dtype : dtype
        What to convert to.

    Returns
    -------
    array (stop - start, ...)
        In host memory.
    """
    n_times = source.shape[0]
    low, high = min(max(start, 0), n_times), min(max(stop, 0), n_times)
    block = np.zeros((stop - start, *source.shape[1:]), dtype)
    if high > low:
        block[low - start : high - start] = np.asarray(source[low:high])
        _release(source)
    return block


def _release(source: Sliceable) -> None:
    """Give back the pages of a memory map, which else count as the process's own."""
    if not isinstance(source, np.memmap) or source.mode not in ("r", "r+"):
        return
    mapping = getattr(source, "_mmap", None)
    if isinstance(mapping, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)


def read_columns(
    source: Sliceable, start: int, stop: int, dtype: np.dtype
) -> np.ndarray:
    """Read a range of targets at all time points, with zeros beyond the last.

    Parameters
    ----------
    source : sliceable (n_times, n_targets)
        Data.
    start, stop : int
        Range of the second axis; it may end after ``n_targets``.
    dtype : dtype
        What to convert to.

    Returns
    -------
    array (n_times, stop - start)
        In host memory.
    """
    n_times = source.shape[0]
    block = np.zeros((n_times, stop - start), dtype)
    # The kernel maps up to 2 MB for each row that is touched, whatever is read of it.
    n_rows = _ROWS if isinstance(source, np.memmap) else max(n_times, 1)
    for first in range(0, n_times, n_rows):
        rows = slice(first, first + n_rows)
        found = np.asarray(source[rows, start:stop])  # type: ignore[index]  # the protocol knows one axis
        block[rows, : found.shape[1]] = found
        _release(source)
    return block
