"""Neurodata Without Borders: spikes and traces of NWB files, as DANDI holds them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ._optional import require
from .spikes import Responses, responses_from_spikes, responses_from_traces

__all__ = ["read_nwb", "read_nwb_traces"]


def read_nwb(
    path: str | os.PathLike,
    label: str,
    *,
    intervals: str = "trials",
    units: Mapping[str, object] | None = None,
    window: tuple[float, float] | None = None,
    bin_size: float | None = None,
) -> Responses:
    """Read spike counts of repeated stimuli.

    Parameters
    ----------
    path : path
        NWB file.
    label : str
        Column of the table of intervals that says what was shown.
    intervals : str
        Name of that table, such as ``"trials"`` or
        ``"natural_scenes_presentations"``.
    units : mapping, optional
        Columns of the table of units and the values to keep, one or a list of them,
        such as ``{"location": "VISam"}``. Default: all units.
    window : tuple of float, optional
        Seconds from the onset. Default: from 0 to the median duration.
    bin_size : float, optional
        Seconds of the bins of a histogram. Default: one count.

    Returns
    -------
    Responses
        Counts; the targets are the ids of the units.

    Raises
    ------
    ValueError
        If the file has no units, no such table or column.
    ImportError
        If pynwb is not installed.

    References
    ----------
    .. [1] Rübel et al., The Neurodata Without Borders ecosystem for neurophysiological
       data science, eLife 11, 2022, doi:10.7554/eLife.78362.
    """
    pynwb = _pynwb(path)
    with pynwb.NWBHDF5IO(str(path), mode="r", load_namespaces=True) as file:
        content = file.read()
        onsets, shown, window = _presentations(path, content, intervals, label, window)
        table = content.units
        if table is None or "spike_times" not in table.colnames:
            raise ValueError(f"{path} has no spike times.")
        kept = np.ones(len(table), bool)
        for column, values in (units or {}).items():
            wanted = values if isinstance(values, list | tuple | set) else [values]
            found = _column(path, table, column, "units")
            kept &= np.isin(found, np.asarray(list(wanted)))
        ids = np.asarray(table.id[:])
        trains = {
            int(ids[i]): table["spike_times"][int(i)] for i in np.flatnonzero(kept)
        }
        return responses_from_spikes(
            trains,
            None,
            onsets,
            shown,
            window=window,
            bin_size=bin_size,
            targets=ids[kept],
        )


def read_nwb_traces(
    path: str | os.PathLike,
    series: str,
    label: str,
    *,
    intervals: str = "trials",
    window: tuple[float, float] | None = None,
    bin_size: float | None = None,
) -> Responses:
    """Read mean calcium traces of repeated stimuli.

    Parameters
    ----------
    path : path
        NWB file.
    series : str
        Name of the series of traces, wherever it is in the file, such as ``"dff"`` or
        ``"RoiResponseSeries"``.
    label, intervals, window, bin_size
        As in :func:`read_nwb`.

    Returns
    -------
    Responses
        Means over the samples of the window.

    Raises
    ------
    ValueError
        If the file has no such series, table or column, or several series of the name.
    ImportError
        If pynwb is not installed.
    """
    pynwb = _pynwb(path)
    with pynwb.NWBHDF5IO(str(path), mode="r", load_namespaces=True) as file:
        content = file.read()
        onsets, shown, window = _presentations(path, content, intervals, label, window)
        all_series = [
            thing
            for thing in content.all_children()
            if isinstance(thing, pynwb.TimeSeries)
        ]
        found = [thing for thing in all_series if thing.name == series]
        if len(found) != 1:
            there = ", ".join(sorted({thing.name for thing in all_series})) or "nothing"
            raise ValueError(
                f"{path} holds {len(found)} series named {series!r}; it holds {there}."
            )
        values = np.asarray(found[0].data[:])
        if found[0].timestamps is not None:
            times = np.asarray(found[0].timestamps[:])
        else:
            times = found[0].starting_time + np.arange(len(values)) / found[0].rate
        values = values[:, None] if values.ndim == 1 else values
        return responses_from_traces(
            values, times, onsets, shown, window=window, bin_size=bin_size
        )


def _pynwb(path: str | os.PathLike) -> Any:
    pynwb = require("pynwb", extra="nwb", purpose=f"Reading {Path(path).name}")
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path} does not exist.")
    return pynwb


def _presentations(
    path: object,
    content: Any,
    intervals: str,
    label: str,
    window: tuple[float, float] | None,
) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Onsets, what was shown, and the window."""
    tables = dict(content.intervals or {})
    tables |= {} if content.trials is None else {"trials": content.trials}
    if intervals not in tables:
        there = ", ".join(sorted(tables)) or "none"
        raise ValueError(
            f"intervals is {intervals!r} but {path} has these tables of intervals: "
            f"{there}."
        )
    table = tables[intervals]
    shown = _column(path, table, label, intervals)
    onsets = np.asarray(table["start_time"][:], float)
    if window is None:
        stops = np.asarray(table["stop_time"][:], float)
        window = (0.0, float(np.median(stops - onsets)))
    return onsets, shown, window


def _column(path: object, table: Any, name: str, kind: str) -> np.ndarray:
    if name not in table.colnames:
        there = ", ".join(table.colnames)
        raise ValueError(f"{path} has no column {name!r} among its {kind}: {there}.")
    return np.asarray(table[name][:])
