"""What the runner measures: a case is one task, done by jaxneuro and by its peers."""

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Arrays = dict[str, np.ndarray]
Data = dict
ROOMS = (
    "trf",
    "glm",
    "spectrogram",
    "oracle",
    "permutation",
    "single_trial",
    "ridge",
    "banded",
    "lasso",
    "cnn",
    "mei",
    "dstrf",
)


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Another program that does the task of a case."""

    name: str
    package: str  # distribution whose version is reported
    module: str  # imported before any clock starts
    run: Callable[[Data], Arrays]
    error: Callable[[Data, Arrays, Arrays], float]  # data, ours, theirs
    measure: str  # what `error` is, in words
    tolerance: dict[str, float]  # largest acceptable error, by dtype
    share: float = 1.0  # of the task that it does; its time is divided by this


@dataclass(frozen=True, kw_only=True)
class Case:
    """A task: data in memory to result in memory."""

    name: str
    title: str
    module: str
    make: Callable[[str, str], Data]  # size, dtype
    ours: Callable[[Data], Arrays]
    peers: tuple[Peer, ...]
    dtypes: tuple[str, ...] = ("float32", "float64")


def load(rooms: tuple[str, ...] = ROOMS) -> dict[str, Case]:
    """Cases of the named rooms, by name."""
    modules = [importlib.import_module(f"cases.{room}") for room in rooms]
    return {case.name: case for module in modules for case in module.CASES}


def shared() -> Path | None:
    """Folder of reference recordings, None where it is absent."""
    default = Path(__file__).resolve().parents[3] / "shared"
    folder = Path(os.environ.get("JAXNEURO_SHARED", default))
    return folder if (folder / "golden").is_dir() else None


def relative(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Largest difference, in units of the largest reference value."""
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())
