"""Images on disk as arrays of scans by targets that are read by blocks."""

import mmap
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ._optional import require

__all__ = ["Blocks", "mapped"]

_COMPRESSED = {".gz", ".bz2", ".zst"}
_COPIED = 1 << 24  # bytes at a time


class Blocks:
    """Scans by targets, read from disk when sliced.

    Slicing gives arrays in memory, and the pages of the file are given back after
    each block, so that an image larger than memory passes through.

    Parameters
    ----------
    values : array (n_scans, n_all)
        Numbers as they are stored, usually a view of a memory map.
    columns : int array (n_targets,), optional
        Which columns are the targets. Default: all.
    slope, inter : float
        Value of a stored number: ``slope * number + inter``.
    file : memory map, optional
        Whose pages are given back.
    """

    ndim = 2

    def __init__(
        self,
        values: np.ndarray,
        columns: np.ndarray | None = None,
        *,
        slope: float = 1.0,
        inter: float = 0.0,
        file: np.memmap | None = None,
    ) -> None:
        self._values = values
        self._columns = columns
        self._scale = (float(slope), float(inter))
        self._file = file
        wide = values.dtype.kind == "f" and values.dtype.itemsize > 4
        wide |= values.dtype.kind in "iu" and values.dtype.itemsize > 2
        self.dtype = np.dtype(np.float64 if wide else np.float32)

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of scans and targets."""
        n_targets = (
            self._values.shape[1] if self._columns is None else len(self._columns)
        )
        return self._values.shape[0], n_targets

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        values = self._values[rows]
        if self._columns is None:
            block = values[..., columns]
        else:
            # Gathers from the map itself: scans are contiguous, no slab is copied.
            block = np.take(values, self._columns[columns], axis=-1)
        slope, inter = self._scale
        block = block.astype(self.dtype)
        if (slope, inter) != (1.0, 0.0):
            block *= slope
            block += inter
        self._release()
        return block

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("the numbers are on disk; an array of them is a copy.")
        return self[:].astype(dtype or self.dtype, copy=False)

    def _release(self) -> None:
        """Give back the pages of the map, which else count as the process's own."""
        mapping = getattr(self._file, "_mmap", None)
        if isinstance(mapping, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            mapping.madvise(mmap.MADV_DONTNEED)


def mapped(proxy: Any) -> np.memmap:
    """Map the numbers of a nibabel array proxy, stored as they are.

    Parameters
    ----------
    proxy : nibabel.arrayproxy.ArrayProxy
        Of an image file. A compressed one is unpacked into a temporary file, scan by
        scan, which is removed with the map: compressed data cannot be read by blocks.

    Returns
    -------
    memmap
        First axis fastest, as NIfTI files are.
    """
    source: Any = proxy.file_like
    if Path(str(source)).suffix in _COMPRESSED:
        source = _unpacked(source)
    return np.memmap(
        source,
        dtype=proxy.dtype,
        mode="r",
        offset=proxy.offset,
        shape=proxy.shape,
        order="F",
    )


def _unpacked(path: str) -> Any:
    nibabel = require("nibabel", extra="mri", purpose=f"Reading {path}")
    file = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as its map
    with nibabel.openers.ImageOpener(path) as packed:
        while block := packed.read(_COPIED):
            file.write(block)
    file.flush()
    return file
