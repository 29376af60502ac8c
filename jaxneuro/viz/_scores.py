"""Scores: over penalties, over channels, against chance."""

from collections.abc import Sequence

import numpy as np
from jax.typing import ArrayLike
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import MaxNLocator

from ..core import check
from ._axes import BLUE, GREY, LIGHT, ORANGE, channel_names, new_axes, plain

__all__ = ["alpha_curve", "null_distribution", "scores"]

_MOST_BARS = 40


def alpha_curve(
    alphas: ArrayLike,
    scores: ArrayLike,
    *,
    chosen: ArrayLike | None = None,
    metric: str = "R²",
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw cross-validated scores against the strength of the penalty.

    Parameters
    ----------
    alphas : array (n_alphas,)
        Strengths. A zero is drawn left of the others.
    scores : array (n_alphas,) or (n_alphas, n_targets)
        Held-out score at each strength; one thin line per target, and their mean.
    chosen : float or array (n_targets,), optional
        Strength that was chosen. One value is marked by a vertical line, several by
        a dot on each target's line.
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
        If `scores` does not have one row per alpha, or `chosen` not one value per
        target.
    """
    grid = check.alphas("alphas", alphas)
    check.has_ndim("scores", scores, 1, 2)
    values = np.asarray(scores, float)
    check.same_length("alphas", grid, "scores", values, unit="rows")
    values = values[:, None] if values.ndim == 1 else values
    order = np.argsort(grid)
    grid, values = grid[order], values[order]
    ax = new_axes(ax, (5.2, 3.4))
    plain(ax)
    if grid[0] > 0:
        ax.set_xscale("log")
    else:
        ax.set_xscale("symlog", linthresh=grid[grid > 0].min(initial=1.0))
    n_targets = values.shape[1]
    if n_targets > 1:
        lines = [np.column_stack([grid, target]) for target in values.T]
        opacity = float(np.clip(20 / n_targets, 0.05, 0.8))
        ax.add_collection(
            LineCollection(lines, colors=LIGHT, linewidths=0.8, alpha=opacity)
        )
    label = f"mean of {n_targets} targets" if n_targets > 1 else "cross-validated"
    mean = np.nanmean(values, axis=1)
    ax.plot(grid, mean, "o-", color=BLUE, linewidth=2, markersize=4, label=label)
    if chosen is not None:
        _mark_chosen(ax, grid, values, np.asarray(chosen, float))
    ax.set(xlabel="Penalty alpha", ylabel=f"Held-out {metric}", title=title or "")
    # Room for the legend above the curves; a target that fails altogether at one end
    # of the grid does not flatten all others.
    low, high = np.nanpercentile(values, 2), np.nanmax(values)
    low = min(low, np.nanmin(mean))
    room = (high - low) or 1.0
    ax.set_ylim(low - 0.05 * room, high + 0.2 * room)
    ax.legend(frameon=False, loc="upper left", ncols=2)
    return ax


def _mark_chosen(
    ax: Axes, grid: np.ndarray, values: np.ndarray, chosen: np.ndarray
) -> None:
    chosen = np.unique(chosen) if np.unique(chosen).size == 1 else chosen
    if chosen.size == 1:
        name = f"chosen, {float(chosen.flat[0]):.3g}"
        place = float(chosen.flat[0])
        # It ends below the legend.
        ax.axvline(place, ymax=0.85, color=ORANGE, linestyle="--", label=name)
        return
    if chosen.shape != values.shape[1:]:
        raise ValueError(
            f"chosen has shape {chosen.shape} but scores has {values.shape[1]} "
            "targets; give one alpha, or one per target."
        )
    rows = np.abs(grid[:, None] - chosen).argmin(axis=0)
    heights = values[rows, np.arange(chosen.size)]
    ax.scatter(chosen, heights, s=14, color=ORANGE, zorder=3, label="chosen per target")


def scores(
    values: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    metric: str = "Correlation",
    chance: float | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw one score per channel: bars, or a histogram of more than forty.

    Parameters
    ----------
    values : array (n_targets,)
        Score of each target; undefined ones (nan) are left out of a histogram.
    names : sequence of str, optional
        Names of the targets. Default: numbers from 0.
    metric : str
        Name of the score.
    chance : float, optional
        Level to mark, such as a quantile of the permuted scores.
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
        If `values` is not one-dimensional, is empty, or `names` do not fit it.
    """
    check.has_ndim("values", values, 1)
    values = np.asarray(values, float)
    if values.size == 0:
        raise ValueError("values is empty; give one score per target.")
    labels = channel_names(names, values.size)
    ax = new_axes(ax, (5.2, 3.4))
    plain(ax)
    ax.set_title(title or "")
    many = values.size > _MOST_BARS
    mark = ax.axvline if many else ax.axhline
    if many:
        _histogram(ax, values, metric)
    else:
        _bars(ax, values, labels, metric)
    if chance is not None:
        mark(chance, color=ORANGE, linestyle="--", label=f"chance, {chance:.3g}")
        ax.legend(frameon=False)
    return ax


def _bars(ax: Axes, values: np.ndarray, labels: list[str], metric: str) -> None:
    places = np.arange(values.size)
    ax.bar(places, values, color=BLUE, width=0.75)
    ax.axhline(0.0, color=GREY, linewidth=0.8)
    shown = places[:: -(-values.size // 16)]  # sixteen labels at most
    long = max(len(labels[i]) for i in shown) > 3
    ax.set_xticks(shown, [labels[i] for i in shown], rotation=45 if long else 0)
    ax.set(xlabel="Target", ylabel=metric, xlim=(-0.7, values.size - 0.3))


def _histogram(ax: Axes, values: np.ndarray, metric: str) -> None:
    defined = values[np.isfinite(values)]
    middle = float(np.median(defined)) if defined.size else float("nan")
    ax.hist(defined, bins="auto", color=BLUE, edgecolor="white", linewidth=0.4)
    ax.axvline(middle, color=GREY, label=f"median, {middle:.3g}")
    missing = values.size - defined.size
    ax.set(xlabel=metric, ylabel="Number of targets")
    if missing:
        ax.set_xlabel(f"{metric} ({missing} of {values.size} undefined)")
    ax.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.legend(frameon=False)


def null_distribution(
    null: ArrayLike,
    observed: ArrayLike,
    *,
    metric: str = "Correlation",
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a score beside those of permuted data, with its p value.

    With several targets the mean over targets is shown, of the data as of each
    permutation. The p value is ``(1 + n_larger) / (1 + n_permutations)`` [1]_.

    Parameters
    ----------
    null : array (n_permutations,) or (n_permutations, n_targets)
        Scores of permuted data.
    observed : float or array (n_targets,)
        Score of the data.
    metric : str
        Name of the score.
    title : str, optional
        Title. Default: the p value.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The Axes.

    Raises
    ------
    ValueError
        If `null` and `observed` have different numbers of targets.

    References
    ----------
    .. [1] Phipson and Smyth, Statistical Applications in Genetics and Molecular
       Biology 9, 2010, doi:10.2202/1544-6115.1585.
    """
    check.has_ndim("null", null, 1, 2)
    null, observed = np.asarray(null, float), np.asarray(observed, float)
    null = null[:, None] if null.ndim == 1 else null
    observed = np.atleast_1d(observed)
    if observed.shape != null.shape[1:]:
        raise ValueError(
            f"observed has shape {observed.shape} but null has {null.shape[1]} "
            "targets; give one observed score per target."
        )
    n_targets = observed.size
    chance, score = np.nanmean(null, axis=1), float(np.nanmean(observed))
    p_value = (1 + np.count_nonzero(chance >= score)) / (1 + chance.size)
    ax = new_axes(ax, (5.2, 3.2))
    plain(ax)
    ax.hist(chance, bins="auto", color=LIGHT, histtype="stepfilled", label="permuted")
    ax.axvline(score, color=ORANGE, linewidth=2, label=f"observed, {score:.3g}")
    ax.margins(x=0.08)
    name = metric if n_targets == 1 else f"{metric}, mean of {n_targets} targets"
    ax.set(xlabel=name, ylabel="Number of permutations")
    ax.set_title(title or f"p = {p_value:.2g}, {chance.size} permutations")
    ax.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.legend(frameon=False)
    return ax
