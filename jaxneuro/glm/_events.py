"""Events of one run: a table's columns, checked."""

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["EventTable", "check_run", "conditions_of", "from_columns", "run_label"]


class EventTable(NamedTuple):
    """Times in seconds from the start of the run, and what happened."""

    onset: np.ndarray
    duration: np.ndarray
    modulation: np.ndarray
    trial_type: np.ndarray


def from_columns(table: Any, where: str) -> EventTable:
    """Check the columns of a table and give them as arrays; text stays text."""
    found = [str(name) for name in table.keys()]  # noqa: SIM118  # as in a DataFrame
    missing = [c for c in ("onset", "duration", "trial_type") if c not in found]
    if missing:
        raise ValueError(
            f"events{where} lacks the column {' and '.join(map(repr, missing))} but "
            f"has {', '.join(map(repr, found)) or 'none'}; give onset and duration in "
            "seconds and the condition's name as trial_type."
        )
    names = np.asarray(table["trial_type"], dtype=object)
    _one_per_event(names, "trial_type", where)
    columns = [_numbers(table[name], name, where) for name in ("onset", "duration")]
    modulation = np.ones(columns[0].size)
    if "modulation" in found:
        modulation = _numbers(table["modulation"], "modulation", where)
    sizes = {column.size for column in (*columns, modulation, names)}
    if len(sizes) > 1:
        raise ValueError(
            f"events{where} has columns of {sorted(sizes)} rows but all must be "
            "equally long."
        )
    negative = np.flatnonzero(columns[1] < 0)
    if negative.size:
        raise ValueError(
            f"events{where} has {negative.size} negative durations, the first "
            f"{columns[1][negative[0]]:g} in row {negative[0]}; give seconds, 0 for an "
            "impulse."
        )
    return EventTable(columns[0], columns[1], modulation, _texts(names, where))


def _numbers(column: object, name: str, where: str) -> np.ndarray:
    try:
        values = np.asarray(column, dtype=np.float64)
    except (TypeError, ValueError):
        texts = [str(value) for value in np.asarray(column, dtype=object).ravel()]
        bad = next(text for text in texts if not _is_number(text))
        raise ValueError(
            f"events{where} has {bad!r} in column {name!r} but must have numbers, in "
            "seconds for times."
        ) from None
    _one_per_event(values, name, where)
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise ValueError(
            f"events{where} has {bad.size} NaN or infinite values in column {name!r}, "
            f"the first in row {bad[0]}; fill them in or drop these events."
        )
    return values


def _one_per_event(column: np.ndarray, name: str, where: str) -> None:
    if column.ndim != 1:
        raise ValueError(
            f"events{where} has column {name!r} of shape {column.shape} but each "
            "column must be a list with one value per event."
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _texts(names: np.ndarray, where: str) -> np.ndarray:
    missing = [i for i, name in enumerate(names) if name is None or name != name]
    if missing:
        raise ValueError(
            f"events{where} has {len(missing)} events without trial_type, the first in "
            f"row {missing[0]}; name or drop them."
        )
    texts = [
        f"{name:g}" if isinstance(name, float | np.floating) else str(name).strip()
        for name in names
    ]
    return np.asarray(texts, dtype=object)


def conditions_of(runs: Sequence[EventTable], *, by_appearance: bool) -> list[str]:
    """Names of all conditions: numbers by size and text by the alphabet, or as met."""
    names = list(dict.fromkeys(name for run in runs for name in run.trial_type))
    if not names:
        raise ValueError("events is empty but a design needs at least one event.")
    if by_appearance:
        return names
    numeric = all(_is_number(name) for name in names)
    return sorted(names, key=float) if numeric else sorted(names)


def check_run(
    events: EventTable, n_scans: int, tr: float, length: float, where: str
) -> None:
    """Compare events with the time that the run took."""
    end = n_scans * tr
    late = np.flatnonzero(events.onset >= end)
    if late.size:
        thousandth = (events.onset / 1000 < end).all() and events.onset.max() > 1000
        remedy = (
            "if they are in milliseconds, divide them by 1000"
            if thousandth
            else "drop them, or check n_scans and tr"
        )
        raise ValueError(
            f"events{where} has {late.size} onsets after the end of the run, the "
            f"first {events.onset[late[0]]:g} s in row {late[0]}, but {n_scans} scans "
            f"of {tr:g} s end at {end:g} s; {remedy}."
        )
    early = np.flatnonzero(events.onset + events.duration < -length)
    if early.size:
        warnings.warn(
            f"events{where} has {early.size} events that end more than {length:g} s "
            f"before the first scan, the first at {events.onset[early[0]]:g} s in row "
            f"{early[0]}, so their responses are over; count seconds from the first "
            "scan.",
            stacklevel=3,
        )
    rows = list(zip(events.trial_type, events.onset, events.duration, strict=True))
    n_twice = len(rows) - len(set(rows))
    if n_twice:
        warnings.warn(
            f"events{where} has {n_twice} events twice (same trial_type, onset and "
            "duration); their modulations add up.",
            stacklevel=3,
        )
    mixed = [
        str(name)
        for name in dict.fromkeys(events.trial_type)
        if np.unique(events.duration[events.trial_type == name] > 0).size == 2
    ]
    if mixed:
        warnings.warn(
            f"events{where} mixes durations of 0 with longer ones in {', '.join(mixed)}"
            "; impulses have unit area but blocks unit height, so give all events of a "
            "condition the same kind.",
            stacklevel=3,
        )


def run_label(run: int, n_runs: int) -> str:
    """Name a run in a message, if there are several."""
    return f" of run {run + 1}" if n_runs > 1 else ""
