"""Trials from array files: .npy, .npz and HDF5."""

import os
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ._optional import require

__all__ = ["read_arrays"]


def read_arrays(
    path: str | os.PathLike, *, key: str | None = None, lazy: bool = False
) -> list:
    """Read the trials that a file holds.

    A ``.npy`` file is one trial. In ``.npz`` and HDF5 files each array is a trial,
    in the natural order of their names (``trial_2`` before ``trial_10``); scalars,
    such as a sampling rate, are left out.

    Parameters
    ----------
    path : path
        File ending in ``.npy``, ``.npz``, ``.h5`` or ``.hdf5``.
    key : str, optional
        What to read from a file with several arrays: the name of one, the stem of
        numbered ones (``"resp"`` reads ``resp_0, resp_1, …``), or an HDF5 group.
        Default: all arrays, which must then agree in all axes but the first.
    lazy : bool
        Leave the numbers on disk until they are sliced: memory maps for ``.npy``,
        open datasets for HDF5. Arrays inside ``.npz`` are always read.

    Returns
    -------
    list of array (n_times_i, ...)
        The trials as they are stored.

    Raises
    ------
    ValueError
        If the suffix is unknown, the file holds no such array, or its arrays
        cannot be trials of one recording.
    ImportError
        If h5py is needed and not installed.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _READERS:
        known = ", ".join(_READERS)
        raise ValueError(f"{path} ends in {suffix!r} but must end in one of {known}.")
    return _READERS[suffix](path, key, lazy)


def _read_npy(path: str | os.PathLike, key: str | None, lazy: bool) -> list:
    if key is not None:
        raise ValueError(
            f"key is {key!r} but {path} holds one array without a name; leave it out."
        )
    try:
        array = np.load(path, mmap_mode="r" if lazy else None, allow_pickle=False)
    except ValueError as error:
        raise ValueError(f"{path} is not an array of numbers: {error}.") from error
    return _trials(path, {"the array": array}, None)


def _read_npz(path: str | os.PathLike, key: str | None, lazy: bool) -> list:
    del lazy  # members of a zip archive cannot be mapped
    with open(path, "rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError(f"{path} is not an archive of NumPy arrays.")
    with np.load(path, allow_pickle=False) as archive:
        names = _select(path, archive.files, key)
        try:
            arrays = {name: archive[name] for name in names}
        except ValueError as error:
            raise ValueError(
                f"{path} holds Python objects; save the arrays of each trial under a "
                "name of their own."
            ) from error
    return _trials(path, arrays, key)


def _read_hdf5(path: str | os.PathLike, key: str | None, lazy: bool) -> list:
    h5py = require("h5py", extra="hdf5", purpose=f"Reading {Path(path).name}")
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path} does not exist.")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ValueError(f"{path} is not a file of HDF5: {error}.") from error
    try:
        place, stem = file, key
        if key is not None and isinstance(file.get(key), h5py.Group):
            place, stem = file[key], None
        datasets = {
            name: item for name, item in place.items() if isinstance(item, h5py.Dataset)
        }
        if key is not None and isinstance(file.get(key), h5py.Dataset):
            datasets, stem = {key: file[key]}, key
        groups = [f"{name}/" for name in file if isinstance(file[name], h5py.Group)]
        names = _select(path, list(datasets), stem, also=groups)
        chosen = {name: datasets[name] for name in names}
        if any(item.dtype.kind == "O" for item in chosen.values()):
            raise ValueError(f"{path} holds text or references, not arrays of numbers.")
        trials = _trials(path, chosen, stem)
        # Open datasets keep their file open for as long as they are in use.
        return trials if lazy else [trial[()] for trial in trials]
    finally:
        if not lazy:
            file.close()


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key with the numbers inside a name compared as numbers."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in parts if p]


def _select(
    path: object, names: list[str], key: str | None, also: Sequence[str] = ()
) -> list[str]:
    """Names of the arrays to read, in natural order."""
    chosen = names
    if key in names:
        chosen = [key]
    elif key is not None:
        numbered = re.compile(re.escape(key) + r"_\d+")
        chosen = [name for name in names if numbered.fullmatch(name)]
    if not chosen:
        there = ", ".join(sorted([*names, *also], key=_natural)) or "nothing"
        wanted = "arrays at its top" if key is None else f"array {key!r}"
        raise ValueError(f"{path} holds no {wanted}; it holds {there}.")
    return sorted(chosen, key=_natural)


def _trials(path: object, arrays: Mapping[str, Any], key: str | None) -> list:
    """Arrays that can be trials of one recording: same axes except for the first."""
    trials = {name: array for name, array in arrays.items() if array.ndim > 0}
    if not trials:
        raise ValueError(f"{path} holds single numbers only, not arrays over time.")
    if len({array.shape[1:] for array in trials.values()}) > 1:
        there = ", ".join(f"{name} {array.shape}" for name, array in trials.items())
        remedy = "choose one with key" if key is None else "store trials alike"
        raise ValueError(f"{path} holds arrays that do not match: {there}; {remedy}.")
    return list(trials.values())


_READERS: dict[str, Callable[[str | os.PathLike, str | None, bool], list]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".h5": _read_hdf5,
    ".hdf5": _read_hdf5,
}
