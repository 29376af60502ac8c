"""From spikes or traces and a table of presentations to a cube of responses.

Tables may be pandas DataFrames, mappings of columns or arrays; arrays come out.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

__all__ = [
    "Responses",
    "responses_from_counts",
    "responses_from_spikes",
    "responses_from_traces",
]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Responses:
    """Responses to repeated stimuli.

    Attributes
    ----------
    responses : array (n_repeats, n_stimuli, n_targets), or with n_bins at the end
        Repeats in the order of their presentation; NaN where a stimulus was shown
        less often than another. A presentation without a spike is 0.
    stimuli : array (n_stimuli,)
        Label of each stimulus, sorted.
    targets : array (n_targets,)
        Label of each unit.
    presentation : int array (n_repeats, n_stimuli)
        Row of the table of presentations; -1 where there is none.
    edges : array (n_bins + 1,)
        Edges of the bins in seconds from the onset; two for a single window.
    """

    responses: np.ndarray
    stimuli: np.ndarray
    targets: np.ndarray
    presentation: np.ndarray
    edges: np.ndarray


def responses_from_spikes(
    spike_times: ArrayLike | Mapping[Any, ArrayLike],
    units: ArrayLike | None,
    onsets: ArrayLike,
    stimuli: ArrayLike,
    *,
    window: tuple[float, float] = (0.0, 0.25),
    bin_size: float | None = None,
    targets: ArrayLike | None = None,
) -> Responses:
    """Count the spikes of every unit in a window after every onset.

    Parameters
    ----------
    spike_times : array (n_spikes,) or mapping of unit to array
        Seconds, in any order.
    units : array (n_spikes,), optional
        Unit of each spike; None where `spike_times` is a mapping.
    onsets : array (n_presentations,)
        Start of each presentation in seconds.
    stimuli : array (n_presentations,)
        What was shown: numbers or names. Presentations of NaN, or of nothing, such as
        blank screens that carry NaN for an image, are left out.
    window : tuple of float
        Start and end in seconds from the onset; a spike at the start counts, one at
        the end does not.
    bin_size : float, optional
        Seconds of the bins of a peristimulus time histogram; they must fill the
        window. Default: one count.
    targets : array (n_targets,), optional
        Units to keep, in this order, with or without spikes. Default: all units that
        occur, sorted.

    Returns
    -------
    Responses
        Counts as float32, which holds them exactly.

    Raises
    ------
    ValueError
        If lengths disagree, the window is empty, bins do not fill it, times are not
        finite, or nothing was shown.

    Notes
    -----
    Every unit's spikes are sorted once and both ends of all windows found by bisection,
    so that windows may overlap and the cost is that of the sort.
    """
    times, owner, labels = _spike_table(spike_times, units, targets)
    onsets = _times("onsets", onsets)
    edges = _edges(window, bin_size)
    rows, names = _presentations(stimuli, onsets)
    counts = np.empty((onsets.size, labels.size, edges.size - 1), np.float32)
    borders = onsets[:, None] + edges
    order = np.lexsort((times, owner))
    times, owner = times[order], owner[order]
    limits = np.searchsorted(owner, np.arange(labels.size + 1))
    for target in range(labels.size):
        mine = times[limits[target] : limits[target + 1]]
        counts[:, target] = np.diff(np.searchsorted(mine, borders), axis=1)
    return _cube(counts, rows, names, labels, edges, bin_size is None)


def responses_from_counts(
    counts: ArrayLike,
    presentations: ArrayLike,
    units: ArrayLike,
    stimuli: ArrayLike,
    *,
    presentation_ids: ArrayLike | None = None,
    targets: ArrayLike | None = None,
) -> Responses:
    """Arrange a long table of spike counts, one row per unit and presentation.

    Such tables lack the rows without a spike when they come from grouping spikes:
    here they are zeros.

    Parameters
    ----------
    counts : array (n_rows,)
        Spikes; rows of the same unit and presentation add up.
    presentations : array (n_rows,)
        Presentation of each row, one of `presentation_ids`.
    units : array (n_rows,)
        Unit of each row.
    stimuli : array (n_presentations,)
        What was shown at each presentation.
    presentation_ids : array (n_presentations,), optional
        Names of the presentations, in the order they were shown. Default: numbers
        from 0.
    targets : array (n_targets,), optional
        Units to keep. Default: all that occur, sorted.

    Returns
    -------
    Responses
        Counts; `edges` is empty, as the table does not tell the window.

    Raises
    ------
    ValueError
        If lengths disagree, or a row names a presentation that is not listed.
    """
    counts = np.asarray(counts, np.float32)
    table = [np.asarray(column) for column in (presentations, units)]
    if counts.ndim != 1 or any(column.shape != counts.shape for column in table):
        shapes = ", ".join(str(np.shape(c)) for c in (counts, *table))
        raise ValueError(
            f"counts, presentations and units have the shapes {shapes} but must be "
            "columns of one table."
        )
    n_shown = np.asarray(stimuli).size
    ids = np.arange(n_shown) if presentation_ids is None else presentation_ids
    ids = np.asarray(ids)
    if ids.shape != (n_shown,) or np.unique(ids).size != n_shown:
        raise ValueError(
            f"presentation_ids has {np.unique(ids).size} different entries but stimuli "
            f"has {n_shown} presentations; give each its own."
        )
    row, known = _find(table[0], ids)
    if not known.all():
        raise ValueError(
            f"presentations holds {table[0][~known][0]} but presentation_ids does not; "
            "list all presentations, also those without spikes."
        )
    labels = np.unique(table[1]) if targets is None else _distinct(targets)
    target, kept = _find(table[1], labels)
    cube = np.zeros((n_shown, labels.size, 1), np.float32)
    np.add.at(cube[..., 0], (row[kept], target[kept]), counts[kept])
    rows, names = _presentations(stimuli, np.arange(n_shown, dtype=float))
    return _cube(cube, rows, names, labels, np.empty(0), True)


def responses_from_traces(
    traces: ArrayLike,
    times: ArrayLike,
    onsets: ArrayLike,
    stimuli: ArrayLike,
    *,
    window: tuple[float, float] = (0.0, 0.5),
    bin_size: float | None = None,
    targets: ArrayLike | None = None,
) -> Responses:
    """Average calcium traces in a window after every onset.

    Parameters
    ----------
    traces : array (n_times, n_targets)
        Fluorescence changes or inferred events, one column per cell.
    times : array (n_times,)
        Seconds of the samples, ascending.
    onsets, stimuli, window, bin_size
        As in :func:`responses_from_spikes`; a sample at the start of a bin belongs to
        it, one at the end to the next.
    targets : array (n_targets,), optional
        Labels of the columns. Default: numbers from 0.

    Returns
    -------
    Responses
        Means of the samples of each bin; NaN, too, where a bin has none, as beyond the
        recording.

    Raises
    ------
    ValueError
        If lengths disagree, times do not ascend, the window is empty, bins do not fill
        it, or nothing was shown.
    """
    values = np.asarray(traces)
    if values.ndim != 2 or values.dtype.kind not in "fiub":
        raise ValueError(
            f"traces has shape {values.shape} and dtype {values.dtype} but must be "
            "numbers (n_times, n_targets)."
        )
    when = _times("times", times)
    if when.size != len(values) or (np.diff(when) <= 0).any():
        raise ValueError(
            f"times has {when.size} entries but traces has {len(values)} samples; give "
            "one per sample, ascending."
        )
    labels = np.arange(values.shape[1]) if targets is None else _distinct(targets)
    if labels.size != values.shape[1]:
        raise ValueError(
            f"targets has {labels.size} entries but traces has {values.shape[1]} "
            "columns."
        )
    onsets = _times("onsets", onsets)
    edges = _edges(window, bin_size)
    rows, names = _presentations(stimuli, onsets)
    place = np.searchsorted(when, onsets[:, None] + edges)  # (n_presentations, edges)
    n = np.diff(place, axis=1)
    # reduceat reads one element for an empty range, and needs starts inside.
    padded = np.concatenate([values, np.zeros_like(values[:1])])
    ends = np.minimum(place, len(values)).astype(np.intp)
    pairs = np.stack([ends[:, :-1], ends[:, 1:]], axis=-1).reshape(-1)
    total = np.add.reduceat(padded, pairs, axis=0, dtype=np.float64)[::2]
    total = total.reshape(*n.shape, -1)
    mean = np.where(n[..., None] > 0, total / np.maximum(n, 1)[..., None], np.nan)
    dtype = values.dtype if values.dtype.kind == "f" else np.float32
    mean = np.moveaxis(mean, 2, 1).astype(dtype)
    return _cube(mean, rows, names, labels, edges, bin_size is None)


def _spike_table(
    spike_times: Any, units: ArrayLike | None, targets: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give times, index of the unit of each, and labels of the units."""
    if units is None:
        if not isinstance(spike_times, Mapping):
            raise ValueError(
                "units is missing; name the unit of each spike, or give spike_times as "
                "a mapping of unit to times."
            )
        labels = np.array(list(spike_times)) if targets is None else _distinct(targets)
        if targets is None:
            labels = np.sort(labels)
        absent = [label for label in labels.tolist() if label not in spike_times]
        if absent:
            raise ValueError(f"targets names {absent[0]} but spike_times has it not.")
        trains = [_times("spike_times", spike_times[k]) for k in labels.tolist()]
        sizes = [train.size for train in trains]
        times = np.concatenate([np.empty(0), *trains])
        return times, np.repeat(np.arange(labels.size), sizes), labels
    times, owner = _times("spike_times", spike_times), np.asarray(units)
    if owner.shape != times.shape:
        raise ValueError(
            f"units has shape {owner.shape} but spike_times has shape {times.shape}; "
            "name the unit of each spike."
        )
    labels = np.unique(owner) if targets is None else _distinct(targets)
    index, kept = _find(owner, labels)
    return times[kept], index[kept], labels


def _times(name: str, values: Any) -> np.ndarray:
    times = np.asarray(values, float)
    if times.ndim != 1 or not np.isfinite(times).all():
        n_bad = np.count_nonzero(~np.isfinite(times))
        raise ValueError(
            f"{name} has shape {times.shape} and {n_bad} values that are not finite; "
            "give one-dimensional seconds."
        )
    return times


def _distinct(targets: ArrayLike) -> np.ndarray:
    labels = np.asarray(targets)
    if labels.ndim != 1 or np.unique(labels).size != labels.size:
        raise ValueError(
            f"targets has {labels.size} entries, {np.unique(labels).size} of them "
            "different; name each unit once."
        )
    return labels


def _find(values: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index of each value among the labels, and whether it is there."""
    if not labels.size:
        return np.zeros(values.shape, int), np.zeros(values.shape, bool)
    order = np.argsort(labels)
    place = np.searchsorted(labels, values, sorter=order)
    index = order[np.minimum(place, labels.size - 1)]
    return index, labels[index] == values


def _edges(window: Sequence[float], bin_size: float | None) -> np.ndarray:
    start, stop = (float(edge) for edge in window)
    if not start < stop:
        raise ValueError(
            f"window is from {start:g} to {stop:g} s but must end after its start."
        )
    if bin_size is None:
        return np.array([start, stop])
    n_bins = round((stop - start) / bin_size) if bin_size > 0 else 0
    if n_bins < 1 or abs(n_bins * bin_size - (stop - start)) > 1e-6 * (stop - start):
        raise ValueError(
            f"bin_size is {bin_size:g} s but must fill the window of "
            f"{stop - start:g} s a whole number of times."
        )
    return np.linspace(start, stop, n_bins + 1)


def _presentations(
    stimuli: ArrayLike, onsets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the table (n_repeats, n_stimuli), -1 for none; names of the stimuli."""
    shown = np.asarray(stimuli)
    if shown.shape != onsets.shape:
        raise ValueError(
            f"stimuli has shape {shown.shape} but onsets has shape {onsets.shape}; "
            "name what each presentation showed."
        )
    if shown.dtype.kind == "O":
        blank = np.array([label is None or label != label for label in shown], bool)
    else:
        blank = shown != shown  # NaN alone differs from itself
    there = np.flatnonzero(~blank)
    if not there.size:
        raise ValueError("stimuli names nothing; at least one presentation is needed.")
    there = there[np.argsort(onsets[there], kind="stable")]
    names, stimulus = np.unique(shown[there], return_inverse=True)
    order = np.argsort(stimulus, kind="stable")
    n_shown = np.bincount(stimulus)
    repeat = np.arange(there.size) - np.repeat(np.cumsum(n_shown) - n_shown, n_shown)
    rows = np.full((n_shown.max(), names.size), -1)
    rows[repeat, stimulus[order]] = there[order]
    return rows, names


def _cube(
    values: np.ndarray,
    rows: np.ndarray,
    names: np.ndarray,
    labels: np.ndarray,
    edges: np.ndarray,
    single: bool,
) -> Responses:
    """Arrange values (n_presentations, n_targets, n_bins) by repeat and stimulus."""
    cube = values[rows]
    cube[rows < 0] = np.nan
    return Responses(
        responses=cube[..., 0] if single else cube,
        stimuli=names,
        targets=labels,
        presentation=rows,
        edges=edges,
    )
