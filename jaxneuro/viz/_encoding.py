"""Voxelwise encoding: receptive fields, ceilings, penalties, shares of bands."""

from collections.abc import Sequence

import numpy as np
from jax.typing import ArrayLike
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from ..core import check
from ._axes import (
    BLUE,
    GREY,
    ORANGE,
    channel_names,
    colorbar,
    given_axes,
    new_axes,
    new_grid,
    plain,
)

__all__ = ["alpha_counts", "band_shares", "ceiling", "receptive_fields"]


def receptive_fields(
    fields: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    marked: tuple[int, int] | None = None,
    threshold: float | None = None,
    ax: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Draw receptive fields on the pixels of the stimulus.

    Parameters
    ----------
    fields : array (n_targets, height, width)
        Weight of every pixel.
    names : sequence of str, optional
        Names of the targets. Default: numbers from 0.
    marked : tuple of int, optional
        Row and column of a pixel to frame in every field, for comparison.
    threshold : float, optional
        Weights below it are black, as in maps of sparse positive fields. Default:
        signed weights on a map that is white at zero.
    ax : sequence of matplotlib.axes.Axes, optional
        Where to draw, one per field. Default: a new figure, four in a row.

    Returns
    -------
    list of matplotlib.axes.Axes
        The Axes.

    Raises
    ------
    ValueError
        If `fields` is not three-dimensional, or `marked` lies outside.
    """
    check.has_ndim("fields", fields, 3)
    values = np.asarray(fields, float)
    labels = channel_names(names, len(values))
    height, width = values.shape[1:]
    if marked is not None and not (0 <= marked[0] < height and 0 <= marked[1] < width):
        raise ValueError(
            f"marked is {marked} but the fields have {height} rows and {width} columns."
        )
    n_columns = min(4, len(values))
    n_rows = -(-len(values) // n_columns)
    if ax is None:
        grid = new_grid(n_rows, n_columns, (2.6 * n_columns, 2.4 * n_rows)).ravel()
    else:
        grid = given_axes(ax, len(values))
    limit = float(np.nanmax(np.abs(values))) or 1.0
    drawn = None
    for one, field, label in zip(grid, values, labels, strict=False):
        if threshold is None:
            drawn = one.imshow(field, cmap="RdBu_r", vmin=-limit, vmax=limit)
        else:
            one.set_facecolor("black")
            above = np.ma.masked_less(field, threshold)
            drawn = one.imshow(above, cmap="Blues", vmin=0, vmax=limit)
        if marked is not None:
            corner = (marked[1] - 0.5, marked[0] - 0.5)
            frame = Rectangle(corner, 1, 1, fill=False, edgecolor=ORANGE, linewidth=2)
            one.add_patch(frame)
        one.set(xticks=[], yticks=[], title=label)
    for spare in grid[len(values) :]:
        spare.set_axis_off()
    if drawn is not None:
        colorbar(drawn, grid[: len(values)], "Weight", shrink=0.8)
    return list(grid[: len(values)])


def ceiling(
    scores: ArrayLike,
    ceilings: ArrayLike,
    *,
    metric: str = "correlation",
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the score of every target against the best that noise allows.

    Parameters
    ----------
    scores, ceilings : array (n_targets,)
        Held-out scores and noise ceilings; undefined ones are left out and counted.
    metric : str
        Name of the score.
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
        If the lengths disagree.
    """
    y, x = np.asarray(scores, float), np.asarray(ceilings, float)
    check.has_ndim("scores", y, 1)
    check.same_length("scores", y, "ceilings", x, unit="targets")
    known = np.isfinite(x) & np.isfinite(y)
    some = known & (x > 0)
    share = float(np.median(y[some] / x[some])) if some.any() else float("nan")
    ax = new_axes(ax, (4.4, 4.0))
    plain(ax)
    opacity = float(np.clip(300 / max(1, known.sum()), 0.15, 0.9))
    label = f"median share {share:.2f}"
    if not known.all():
        label += f", {np.count_nonzero(~known)} undefined"
    ax.scatter(x[known], y[known], s=12, color=BLUE, alpha=opacity, label=label)
    both = np.concatenate([x[known], y[known], [0.0]])
    low, high = float(both.min()), float(both.max()) or 1.0
    line = [min(low, 0.0), high]
    ax.plot(line, line, color=GREY, linewidth=1, linestyle="--", label="ceiling")
    ax.set(xlabel=f"Noise ceiling ({metric})", ylabel=f"Held-out {metric.lower()}")
    ax.set_title(title or "")
    ax.legend(frameon=False, loc="upper left")
    return ax


def alpha_counts(
    alphas: ArrayLike,
    chosen: ArrayLike,
    *,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how many targets chose each penalty.

    Parameters
    ----------
    alphas : array (n_alphas,)
        The grid.
    chosen : array (n_targets,)
        Penalty of each target; each counts for the nearest of the grid.
    title : str, optional
        Title.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The Axes, with the ends of the grid in another colour: many targets there ask
        for a wider grid.

    Raises
    ------
    ValueError
        If a penalty is negative or not finite.
    """
    grid = np.sort(check.alphas("alphas", alphas))
    picked = check.alphas("chosen", chosen)
    place = np.abs(np.log(grid + 1e-300)[:, None] - np.log(picked + 1e-300)).argmin(0)
    counts = np.bincount(place, minlength=grid.size)
    colors = [ORANGE if i in (0, grid.size - 1) else BLUE for i in range(grid.size)]
    ax = new_axes(ax, (5.2, 3.2))
    plain(ax)
    ax.bar(np.arange(grid.size), counts, color=colors, width=0.8)
    step = -(-grid.size // 6)  # six labels at most
    shown = np.arange(0, grid.size, step)
    ax.set_xticks(shown, [f"{grid[i]:.3g}" for i in shown])
    ends = (counts[0] + counts[-1]) / max(1, counts.sum())
    ax.set(xlabel="Penalty alpha", ylabel="Number of targets")
    ax.set_title(title or f"{ends:.0%} of targets at the ends of the grid")
    return ax


def band_shares(
    shares: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    metric: str = "R²",
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how the score of a banded model divides among its bands.

    Parameters
    ----------
    shares : array (n_bands, n_targets)
        Parts of the score that add up to the whole.
    names : sequence of str, optional
        Names of the bands. Default: numbers from 0.
    metric : str
        Name of the score.
    title : str, optional
        Title.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The Axes: the median over targets, with the middle half as a line.

    Raises
    ------
    ValueError
        If `shares` is not two-dimensional or `names` do not fit.
    """
    check.has_ndim("shares", shares, 2)
    values = np.asarray(shares, float)
    labels = channel_names(names, len(values))
    low, middle, high = np.nanpercentile(values, [25, 50, 75], axis=1)
    ax = new_axes(ax, (5.2, 3.2))
    plain(ax)
    place = np.arange(len(values))
    ax.bar(place, middle, color=BLUE, width=0.7)
    ax.vlines(place, low, high, color=GREY, linewidth=2)
    ax.axhline(0, color=GREY, linewidth=0.8)
    ax.set_xticks(place, labels)
    ax.set(xlabel="Band", ylabel=f"Share of {metric}, median over targets")
    ax.set_title(title or f"{values.shape[1]} targets, lines: middle half")
    return ax
