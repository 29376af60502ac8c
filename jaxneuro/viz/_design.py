"""Designs of linear models: their columns and how these correlate."""

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from jax.typing import ArrayLike
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ..core import check
from ._axes import GREY, LIGHT, channel_names, colorbar, new_axes, plain

if TYPE_CHECKING:
    from ..glm import Design

__all__ = [
    "CMAP",
    "COLORS",
    "correlation_matrix",
    "design_matrix",
    "name_columns",
    "regressors",
]

CMAP = "RdBu_r"  # red and blue, not red and green; white is zero
# Okabe and Ito (2008); yellow is left out, which projectors lose.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MOST_NAMES = 40
_TICKS = (-1.0, -0.5, 0.0, 0.5, 1.0)


def design_matrix(
    design: "Design", *, title: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the columns of a design, time running down.

    Each column is scaled to its largest absolute value. Groups of columns are named
    above; lines part the groups and the runs.

    Parameters
    ----------
    design : Design
        What :func:`jaxneuro.glm.design` makes.
    title : str, optional
        Title.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The Axes.
    """
    matrix = np.asarray(design.matrix, float)
    n_times, n_columns = matrix.shape
    size = np.abs(matrix).max(axis=0)
    ax = new_axes(ax, (float(np.clip(1.6 + 0.27 * n_columns, 4.5, 11.0)), 5.0))
    drawn = ax.imshow(
        matrix / np.where(size > 0, size, 1.0),
        aspect="auto",
        interpolation="nearest",
        vmin=-1,
        vmax=1,
        cmap=CMAP,
    )
    name_columns(ax, _short_names(design))
    _group_bars(ax, _groups(design), title)
    for border in np.flatnonzero(np.diff(np.asarray(design.run_id))):
        ax.axhline(border + 0.5, color=GREY, linewidth=0.8)
    ax.set_ylabel("Scan")
    ax.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    colorbar(drawn, ax, "Regressor (of its maximum)")
    drawn.colorbar.set_ticks(_TICKS)  # type: ignore[union-attr]  # just made
    return ax


def regressors(
    design: "Design",
    events: Mapping[str, Any] | None = None,
    *,
    run: int = 0,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the regressors of the conditions over the events that they answer.

    One row for each condition. Its first column is a thick line, derivatives and
    delays are thin ones; a row is scaled to the largest value in it. Events are grey
    boxes, impulses are grey lines.

    Parameters
    ----------
    design : Design
        What :func:`jaxneuro.glm.design` makes.
    events : DataFrame or dict, optional
        Columns onset, duration and trial_type of the run. Default: no boxes.
    run : int
        Which run to draw, from 0.
    title : str, optional
        Title.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The Axes.

    Raises
    ------
    ValueError
        If the design has no such run.
    """
    scans = np.asarray(design.run_id) == run
    if not scans.any():
        n_runs = int(np.max(design.run_id)) + 1
        raise ValueError(f"run is {run} but the design has runs 0 to {n_runs - 1}.")
    times = np.asarray(design.times, float)[scans]
    matrix = np.asarray(design.matrix, float)[scans]
    names = list(dict.fromkeys(design.conditions))
    ax = new_axes(ax, (8.0, float(np.clip(1.2 + 0.55 * len(names), 2.4, 8.0))))
    plain(ax)
    for row, name in enumerate(names):
        color = COLORS[row % len(COLORS)]
        columns = matrix[:, design.columns(name)]
        scale = 0.8 / (np.abs(columns).max() or 1.0)
        ax.axhline(-row, color=LIGHT, linewidth=0.6)
        if events is not None:
            _boxes(ax, events, name, row)
        ax.plot(times, scale * columns[:, 1:] - row, color=color, linewidth=0.8)
        ax.plot(times, scale * columns[:, 0] - row, color=color, linewidth=1.8)
    ax.set_yticks(-np.arange(len(names)), names)
    ax.set_ylim(-len(names) + 0.45, 0.95)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_xlim(min(0.0, times[0]), times[-1])
    ax.set_xlabel("Time (s)")
    ax.set_title(title or "")
    return ax


def _boxes(ax: Axes, events: Mapping[str, Any], name: str, row: int) -> None:
    onset = np.asarray(events["onset"], float)
    duration = np.asarray(events["duration"], float)
    chosen = np.asarray([str(one) == name for one in events["trial_type"]])
    for start, length in zip(onset[chosen], duration[chosen], strict=True):
        if length > 0:
            edges = ([start, start + length], [-row] * 2, [0.8 - row] * 2)
            ax.fill_between(*edges, color=LIGHT, alpha=0.55, linewidth=0)
        else:
            ax.vlines(start, -row, 0.8 - row, color=LIGHT, linewidth=1.2)


def correlation_matrix(
    design: "Design | ArrayLike",
    *,
    names: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the correlations among the columns of a design.

    Columns are centred within each run, as the constants of the runs do in a model.
    Those that are constant then have no correlation and stay grey.

    Parameters
    ----------
    design : Design or array (n_times, n_regressors)
        Columns.
    names : sequence of str, optional
        Names of the columns. Default: those of the design.
    groups : sequence of str, optional
        Group of each column, named above where neighbours share it. Default:
        conditions, confounds, drifts, by run.
    title : str, optional
        Title.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The Axes.

    Raises
    ------
    ValueError
        If `names` or `groups` do not name each column.
    """
    matrix = np.asarray(getattr(design, "matrix", design), float)
    check.has_ndim("design", matrix, 2)
    n_columns = matrix.shape[1]
    known = hasattr(design, "names")
    labels = channel_names(
        _short_names(design) if names is None and known else names, n_columns
    )
    parts = _groups(design) if known else [""] * n_columns
    if groups is not None:
        parts = list(groups)
    if len(parts) != n_columns:
        raise ValueError(
            f"groups has {len(parts)} entries but the design has {n_columns} columns; "
            "give one group per column."
        )
    run_id = np.asarray(getattr(design, "run_id", np.zeros(len(matrix), int)))
    centred = matrix.copy()
    for run in np.unique(run_id):
        centred[run_id == run] -= matrix[run_id == run].mean(axis=0)
    size = np.linalg.norm(centred, axis=0)
    constant = size <= 1e-10 * np.linalg.norm(matrix, axis=0)
    unit = centred / np.where(constant, np.nan, size)
    width = float(np.clip(2.6 + 0.2 * n_columns, 5.0, 9.0))
    ax = new_axes(ax, (width, 0.84 * width))
    ax.set_facecolor(LIGHT)
    drawn = ax.imshow(unit.T @ unit, vmin=-1, vmax=1, cmap=CMAP)
    name_columns(ax, labels)
    if n_columns <= _MOST_NAMES:
        ax.set_yticks(range(n_columns), labels)
    _group_bars(ax, parts, title)
    colorbar(drawn, ax, "Correlation")
    drawn.colorbar.set_ticks(_TICKS)  # type: ignore[union-attr]  # just made
    return ax


def _short_names(design: Any) -> list[str]:
    """Names without the run, which the bars above the columns show."""
    groups = _groups(design)
    return [
        name.removeprefix(group.replace(" ", "") + "_")
        for name, group in zip(design.names, groups, strict=True)
    ]


def _groups(design: Any) -> list[str]:
    """Group of each column: conditions, then for each run its confounds and drifts."""
    several = np.unique(np.asarray(design.run_id)).size > 1
    groups = ["conditions"] * len(design.conditions)
    for name in design.names[len(groups) :]:
        run = re.match(r"run(\d+)_", name) if several else None
        plain_name = name[run.end() :] if run else name
        slow = re.fullmatch(r"drift_\d+|constant", plain_name)
        kind = "drifts" if slow else "confounds"
        groups.append(f"run {run[1]}" if run else kind)
    return groups


def _group_bars(ax: Axes, groups: Sequence[str], title: str | None) -> None:
    """Name neighbouring columns of one group by a bar above them."""
    first = 0
    across = ax.get_xaxis_transform()
    spans = [(name, len(list(members))) for name, members in groupby(groups)]
    for name, size in spans:
        if name:
            edges = (first - 0.35, first + size - 0.65)
            ax.plot(edges, (1.015, 1.015), color=GREY, transform=across, clip_on=False)
            ax.annotate(
                name,
                (first + (size - 1) / 2, 1.025),
                xycoords=across,
                ha="center" if size > 2 else "left",
                va="bottom",
                rotation=0 if size > 2 else 40,
                rotation_mode="anchor",
            )
        if first:
            ax.axvline(first - 0.5, color=GREY, linewidth=0.8)
        first += size
    ax.set_title(title or "", pad=27 if any(groups) else None)


def name_columns(ax: Axes, names: Sequence[str]) -> None:
    """Write the names of columns below them, or their numbers if there are many."""
    if len(names) > _MOST_NAMES:
        ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        ax.set_xlabel("Column")
        return
    figure_width = ax.get_figure(root=True).get_figwidth()  # type: ignore[union-attr]  # Axes have a figure
    inches = ax.get_position().width * figure_width / len(names)
    # A letter is about 0.085 inches wide at the usual size.
    upright = 0.085 * (max(len(name) for name in names) + 1) > inches
    ax.set_xticks(range(len(names)), names, rotation=90 if upright else 0)
    ax.tick_params(axis="x", length=0)
