"""Fitted records on disk: arrays in an .npz file, structure in a JSON header.

The header names the record's class and its plain values; arrays are stored beside
it under the path of their field, so that any NumPy can open them. Nothing in the
file is ever executed: only records of this package are built from it.
"""

import dataclasses
import json
import os
import re
import sys
import zipfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import jax
import numpy as np

__all__ = ["load", "save", "write_whole"]

_FORMAT = "jaxneuro record"
_VERSION = 1
_HEADER = "header"
_PACKAGE = __name__.partition(".")[0]
_CLASS_NAME = re.compile(rf"{_PACKAGE}(\.[a-z][a-z0-9_]*)+\.[A-Z][A-Za-z0-9]*")
# Booleans, integers, floats, complex numbers and text: all that NumPy stores itself.
_STORABLE = "biufcSU"


def save(path: str | os.PathLike, record: object) -> None:
    """Write a fitted record to a file.

    Parameters
    ----------
    path : path
        File to write, usually ending in ``.npz``. It appears whole or not at all.
    record : record
        Any record of this package, such as ``TRFFit``, a ``CVFit`` around one, or the
        ``TrainResult`` of an :class:`jaxneuro.nn.Encoder`.

    Raises
    ------
    TypeError
        If `record` is not a record of this package, or a field holds something
        other than arrays, plain values, records, and lists, tuples and
        dictionaries of these.

    Examples
    --------
    >>> save("window.npz", Lags(0.0, 0.3, sfreq=100))
    >>> load("window.npz")
    Lags(tmin=0.0, tmax=0.3, sfreq=100.0)
    """
    if not dataclasses.is_dataclass(record) or isinstance(record, type):
        raise TypeError(
            f"record is of type {type(record).__name__} but must be a fitted record "
            "of jaxneuro; for plain arrays use numpy.savez."
        )
    arrays: dict[str, np.ndarray] = {}
    tree = _encode(record, "", arrays)
    header = {"format": _FORMAT, "version": _VERSION, "record": tree}
    arrays[_HEADER] = np.array(json.dumps(header))
    write_whole(path, arrays)


def write_whole(path: str | os.PathLike, arrays: Mapping[str, np.ndarray]) -> None:
    """Write an .npz file that appears whole or not at all.

    Parameters
    ----------
    path : path
        File.
    arrays : mapping of str to array
        What it holds.
    """
    target = Path(path)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            # NumPy's stub takes **arrays for its flag `allow_pickle`.
            np.savez(file, **arrays)  # type: ignore[arg-type]
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def load(path: str | os.PathLike) -> Any:
    """Read a record that :func:`save` wrote.

    Parameters
    ----------
    path : path
        File to read.

    Returns
    -------
    record
        Of the class that was saved, with NumPy arrays in the saved dtype, ready for
        the ``predict`` of its room.

    Raises
    ------
    ValueError
        If the file is not one of :func:`save`, is of a newer version, or holds a
        record that this version of the package does not know.
    """
    try:
        opened = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(_not_ours(path)) from error
    if not isinstance(opened, np.lib.npyio.NpzFile):
        raise ValueError(_not_ours(path))
    with opened:
        if _HEADER not in opened.files:
            raise ValueError(_not_ours(path))
        try:
            header = json.loads(str(opened[_HEADER][()]))
        except ValueError as error:
            raise ValueError(_not_ours(path)) from error
        if not isinstance(header, dict) or header.get("format") != _FORMAT:
            raise ValueError(_not_ours(path))
        if header.get("version") != _VERSION:
            raise ValueError(
                f"{path} is in version {header.get('version')} of the record format "
                f"but this jaxneuro reads version {_VERSION}; update jaxneuro."
            )
        return _decode(header["record"], opened, path)


def _not_ours(path: str | os.PathLike) -> str:
    return (
        f"{path} is not a record saved by jaxneuro.io.save; "
        "read plain arrays with jaxneuro.io.read_arrays."
    )


def _class_name(cls: type) -> str:
    """Public path of a class: private files may move, public names may not."""
    parts = cls.__module__.split(".")
    if parts[0] != _PACKAGE:
        raise TypeError(
            f"record is of class {cls.__module__}.{cls.__qualname__} but only records "
            "of jaxneuro can be saved; store its arrays with numpy.savez."
        )
    public = ".".join(part for part in parts if not part.startswith("_"))
    if getattr(sys.modules.get(public), cls.__name__, None) is not cls:
        raise TypeError(f"{cls.__name__} is not a public record and cannot be saved.")
    return f"{public}.{cls.__name__}"


def _encode(value: Any, where: str, arrays: dict[str, np.ndarray]) -> Any:
    """Describe a value in JSON, its arrays moved to `arrays` under their path."""

    def child(name: object, inner: Any) -> Any:
        return _encode(inner, f"{where}.{name}" if where else str(name), arrays)

    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        if getattr(value.dtype, "kind", "V") not in _STORABLE:
            raise TypeError(
                f"field {where!r} has dtype {value.dtype}, which a file cannot hold; "
                "convert it first, for example to float32."
            )
        name = where
        while name in arrays or name == _HEADER:  # dictionary keys may hold dots
            name += "'"
        arrays[name] = np.asarray(value)
        return {"array": name}
    if hasattr(value, "to_plain"):  # it knows better than its fields do
        plain = _encode(value.to_plain(), where, arrays)
        return {"record": _class_name(type(value)), "plain": plain}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [field.name for field in dataclasses.fields(value)]
        tree = {name: child(name, getattr(value, name)) for name in fields}
        return {"record": _class_name(type(value)), "fields": tree}
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        items = [child(index, item) for index, item in enumerate(value)]
        return {type(value).__name__: items}
    if isinstance(value, dict) and all(type(name) in (str, int) for name in value):
        # As pairs: JSON would turn integer keys into text.
        return {"dict": [[name, child(name, item)] for name, item in value.items()]}
    raise TypeError(
        f"field {where!r} holds a {type(value).__name__}, which a file cannot hold; "
        "save only arrays, plain values and records."
    )


def _decode(tree: Any, arrays: Mapping[str, np.ndarray], path: object) -> Any:
    """Build the value that `_encode` described."""
    if not isinstance(tree, dict):
        return tree
    if "array" in tree:
        return arrays[tree["array"]]
    if "record" in tree:
        cls = _known_class(tree["record"], path)
        if "plain" in tree:
            return cls.from_plain(_decode(tree["plain"], arrays, path))  # type: ignore[attr-defined]  # what has to_plain has it
        fields = {k: _decode(v, arrays, path) for k, v in tree["fields"].items()}
        expected = {field.name for field in dataclasses.fields(cls)}
        if set(fields) != expected:
            odd = ", ".join(sorted(set(fields) ^ expected))
            raise ValueError(
                f"{path} holds a {tree['record']} of another jaxneuro version: the "
                f"fields {odd} differ; fit and save it again."
            )
        return cls(**fields)
    if "dict" in tree:
        return {k: _decode(v, arrays, path) for k, v in tree["dict"]}
    ((kind, items),) = tree.items()
    decoded = [_decode(item, arrays, path) for item in items]
    return tuple(decoded) if kind == "tuple" else decoded


def _known_class(name: str, path: object) -> type:
    """Find a record class of this package, and nothing else."""
    found = None
    if isinstance(name, str) and _CLASS_NAME.fullmatch(name):
        module, _, attribute = name.rpartition(".")
        try:
            found = getattr(import_module(module), attribute, None)
        except ModuleNotFoundError:
            found = None
    if not (
        isinstance(found, type)
        and dataclasses.is_dataclass(found)
        and found.__module__.partition(".")[0] == _PACKAGE
    ):
        raise ValueError(
            f"{path} holds a record of class {name!r}, which this version of jaxneuro "
            "does not know; update jaxneuro or save the record again."
        )
    return found
