"""Confounds of fMRIPrep and others, and the BIDS names of what is derived."""

import fnmatch
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ._optional import require

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = [
    "contrast_label",
    "entities",
    "map_name",
    "read_confounds",
    "shared_entities",
]

# Of one file of a run, not of maps made from several.
_DROPPED = {"run", "desc", "echo", "part"}
_WORDS = {"-": " Minus ", "+": " Plus ", ">": " Gt ", "<": " Lt ", "_": " "}
_STATS = {
    "effect": "effect",
    "variance": "variance",
    "p": "p",
    "z": "z",
    "neg_log10_p": "neglog10p",
    "t": "t",
    "F": "F",
    "r2": "rsquared",
}


def read_confounds(
    path: str | os.PathLike,
    *,
    columns: Sequence[str] | None = None,
    strategy: Sequence[str] | None = None,
    **options: Any,
) -> tuple["DataFrame", np.ndarray]:
    """Read the confounds of a run.

    Parameters
    ----------
    path : path
        A table of confounds: ``.tsv`` or ``.csv`` with names, ``.txt`` or ``.par`` of
        numbers alone as SPM and FSL write motion. With `strategy`: the preprocessed
        BOLD image of fMRIPrep, whose confounds nilearn finds beside it.
    columns : sequence of str, optional
        Names to take, or patterns such as ``"trans_*"``. Default: all.
    strategy : sequence of str, optional
        What nilearn's ``load_confounds`` takes from fMRIPrep: "motion", "wm_csf",
        "global_signal", "high_pass", "compcor", "ica_aroma", "scrub",
        "non_steady_state".
    **options
        Further arguments of ``load_confounds``, such as ``motion="basic"``.

    Returns
    -------
    table : DataFrame (n_scans, n_confounds)
        Named columns.
    keep : bool array (n_scans,)
        False for scans that the strategy censors.

    Raises
    ------
    ValueError
        If the file holds no such columns, or text where numbers belong.
    ImportError
        If a strategy is named and nilearn is not installed.

    References
    ----------
    .. [1] Wang et al., A reproducible benchmark of fMRIPrep confounds, PLOS
       Computational Biology, 2024, doi:10.1371/journal.pcbi.1011942.
    """
    import pandas as pd

    if strategy is not None:
        return _by_strategy(path, tuple(strategy), options)
    ending = Path(path).suffix.lower()
    if ending in (".txt", ".par", ".1d"):
        numbers = np.loadtxt(path, ndmin=2)
        stem = "motion" if numbers.shape[1] == 6 else "confound"
        names = [f"{stem}_{index + 1}" for index in range(numbers.shape[1])]
        table = pd.DataFrame(numbers, columns=names)
    elif ending in (".tsv", ".csv"):
        table = pd.read_csv(path, sep="," if ending == ".csv" else "\t")
    else:
        raise ValueError(
            f"{path} ends in {ending!r} but confounds are read from .tsv, .csv, .txt, "
            ".par or .1d."
        )
    if columns is not None:
        table = table[_chosen(path, list(table.columns), columns)]
    words = [name for name in table.columns if table[name].dtype.kind not in "biuf"]
    if words:
        raise ValueError(
            f"{path} holds text in the columns {', '.join(words)}; leave them out."
        )
    return pd.DataFrame(table, dtype=float), np.ones(len(table), bool)


def _by_strategy(
    path: str | os.PathLike, strategy: tuple[str, ...], options: dict[str, Any]
) -> tuple["DataFrame", np.ndarray]:
    require("nilearn", extra="mri", purpose="Choosing confounds by a strategy")
    from nilearn.interfaces import fmriprep

    load: Any = fmriprep.load_confounds
    table, sample_mask = load(os.fspath(path), strategy, **options)
    keep = np.ones(len(table), bool)
    if sample_mask is not None:
        keep[:] = False
        keep[np.asarray(sample_mask)] = True
    return table, keep


def _chosen(path: object, names: list[str], patterns: Sequence[str]) -> list[str]:
    chosen: list[str] = []
    for pattern in patterns:
        found = [name for name in names if fnmatch.fnmatchcase(name, pattern)]
        if not found:
            there = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
            raise ValueError(f"{path} has no column {pattern!r}; it has {there}.")
        chosen += [name for name in found if name not in chosen]
    return chosen


def entities(path: str | os.PathLike) -> dict[str, str]:
    """Take a BIDS file name apart.

    Parameters
    ----------
    path : path
        File; its folder does not matter.

    Returns
    -------
    dict of str
        Values by key, in the order of the name; empty where it is no BIDS name.

    Examples
    --------
    >>> entities("sub-01_task-faces_run-2_bold.nii.gz")
    {'sub': '01', 'task': 'faces', 'run': '2'}
    """
    stem = Path(path).name.split(".")[0]
    parts = [part.partition("-") for part in stem.split("_")]
    found = {key: value for key, dash, value in parts if dash and value}
    return found if "sub" in found else {}


def contrast_label(contrast: str) -> str:
    """Turn a contrast into the letters and digits that a BIDS name allows.

    Parameters
    ----------
    contrast : str
        Expression or name.

    Returns
    -------
    str
        As nilearn names it, without a warning.

    Raises
    ------
    ValueError
        If no letter or digit is left.

    References
    ----------
    .. [1] ``nilearn.glm.save_glm_to_bids``, whose names these are.

    Examples
    --------
    >>> contrast_label("face - house")
    'faceMinusHouse'
    """
    text = contrast
    for sign, word in _WORDS.items():
        text = text.replace(sign, word)
    words = text.split(" ")
    words = [words[0].lower(), *(word.title() for word in words[1:])]
    label = re.sub(r"[\W_]", "", "".join(words))
    if not label:
        raise ValueError(
            f"contrast {contrast!r} has no letter or digit to name a file by."
        )
    return label


def map_name(
    bold: Sequence[str | os.PathLike], contrast: str | None, stat: str, suffix: str
) -> str:
    """Name the file of a map.

    Parameters
    ----------
    bold : sequence of path
        Files of the runs; what their names share is kept.
    contrast : str, optional
        Expression or name. Default: a map of the model, of no contrast.
    stat : {"effect", "variance", "t", "F", "z", "p", "neg_log10_p", "r2"}
        What the map holds.
    suffix : str
        How the file ends, such as ``".nii.gz"``.

    Returns
    -------
    str
        Name without folder.

    Raises
    ------
    ValueError
        If `stat` is unknown.

    References
    ----------
    .. [1] ``nilearn.glm.save_glm_to_bids``; BIDS has no such maps yet.

    Examples
    --------
    >>> map_name(["sub-01_task-a_run-1_bold.nii.gz"], "face - house", "t", ".nii.gz")
    'sub-01_task-a_contrast-faceMinusHouse_stat-t_statmap.nii.gz'
    """
    if stat not in _STATS:
        raise ValueError(f"stat is {stat!r} but must be one of {', '.join(_STATS)}.")
    kept = shared_entities(bold)
    if contrast is not None:
        kept["contrast"] = contrast_label(contrast)
    kept["stat"] = _STATS[stat]
    stem = "_".join(f"{key}-{value}" for key, value in kept.items())
    return f"{stem}_statmap{suffix}"


def shared_entities(bold: Sequence[str | os.PathLike]) -> dict[str, str]:
    """Entities that name the maps of several runs together.

    Parameters
    ----------
    bold : sequence of path
        Files of the runs.

    Returns
    -------
    dict of str
        Those that all names share; run, desc, echo and part are left out.
    """
    each = [entities(path) for path in bold]
    return {
        key: value
        for key, value in each[0].items()
        if key not in _DROPPED and all(other.get(key) == value for other in each)
    }
