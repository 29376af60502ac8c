"""Neurons: spikes in rows, correlations between them, which to trust."""

import numpy as np
from jax.typing import ArrayLike
from matplotlib.axes import Axes

from ..core import check
from ._axes import BLUE, GREY, LIGHT, ORANGE, colorbar, new_axes, plain

__all__ = ["neuron_correlation", "oracle_variance", "raster", "sort_rows"]


def raster(
    activity: ArrayLike,
    *,
    order: ArrayLike | None = None,
    sfreq: float | None = None,
    start: float = 0.0,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the activity of all neurons over time, one row per neuron.

    Parameters
    ----------
    activity : array (n_times, n_targets)
        Spike counts or traces, z-scored for each neuron here.
    order : int array (n_targets,), optional
        Neurons from the top down, such as :func:`sort_rows` gives. Default: as they
        come.
    sfreq : float, optional
        Bins per second; the axis shows seconds. Default: bins.
    start : float
        Time of the first bin, in seconds or bins.
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
        If `activity` is not two-dimensional, or `order` no order of its columns.
    """
    check.has_ndim("activity", activity, 2)
    values = np.asarray(activity, float)
    n_times, n_targets = values.shape
    rows = np.arange(n_targets) if order is None else np.asarray(order)
    if not np.array_equal(np.sort(rows), np.arange(n_targets)):
        raise ValueError(
            f"order has {rows.size} entries but must hold each of the {n_targets} "
            "targets once."
        )
    away = values - values.mean(axis=0)
    scale = away.std(axis=0)
    scores = away / np.where(scale > 0, scale, 1)
    ax = new_axes(ax, (7.0, 3.6))
    stop = start + n_times / (sfreq or 1.0)
    drawn = ax.imshow(
        scores[:, rows].T,
        cmap="gray_r",
        vmin=0,
        vmax=1.5,
        aspect="auto",
        interpolation="nearest",
        extent=(start, stop, n_targets - 0.5, -0.5),
    )
    name = "Neuron" if order is None else "Neuron, sorted"
    ax.set(xlabel="Time (bins)" if sfreq is None else "Time (s)", ylabel=name)
    ax.set_title(title or "")
    colorbar(drawn, ax, "Activity (z-score)")
    return ax


def sort_rows(activity: ArrayLike) -> np.ndarray:
    """Order neurons so that neighbours are active together.

    By Rastermap [1]_ where it is installed, else by the angle between the first two
    principal components, which puts those that peak together side by side.

    Parameters
    ----------
    activity : array (n_times, n_targets)
        Spike counts or traces.

    Returns
    -------
    int array (n_targets,)
        Neurons from the top down.

    Raises
    ------
    ValueError
        If `activity` is not two-dimensional.

    References
    ----------
    .. [1] Stringer et al., Rastermap: a discovery method for neural population
       recordings, Nature Neuroscience 28, 2025, doi:10.1038/s41593-024-01783-4.
    """
    check.has_ndim("activity", activity, 2)
    values = np.asarray(activity, float)
    away = values - values.mean(axis=0)
    scale = away.std(axis=0)
    scores = (away / np.where(scale > 0, scale, 1)).T
    try:
        from rastermap import Rastermap  # type: ignore[import-not-found]  # optional
    except ModuleNotFoundError:
        # Few neurons, many bins: their products are the smaller matrix.
        vectors = np.linalg.eigh(scores @ scores.T)[1]
        first, second = vectors[:, -1], vectors[:, -2:-1].sum(axis=1)
        return np.argsort(np.arctan2(second, first), kind="stable")
    fit = Rastermap(n_clusters=None, n_PCs=min(64, len(scores)), locality=0.15)
    return np.asarray(fit.fit(scores).isort)


def neuron_correlation(
    correlation: ArrayLike, *, title: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw correlations between all pairs of neurons.

    Parameters
    ----------
    correlation : array (n_targets, n_targets)
        Correlations, NaN for silent neurons; the diagonal is left white.
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
        If `correlation` is not square.
    """
    values = np.array(correlation, float)
    if values.ndim != 2 or values.shape[0] != values.shape[1]:
        raise ValueError(
            f"correlation has shape {values.shape} but must be (n_targets, n_targets)."
        )
    np.fill_diagonal(values, np.nan)
    ax = new_axes(ax, (4.8, 4.0))
    limit = float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
    drawn = ax.imshow(
        values, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest"
    )
    ax.set(xlabel="Neuron", ylabel="Neuron", title=title or "")
    colorbar(drawn, ax, "Correlation")
    return ax


def oracle_variance(
    oracle: ArrayLike,
    variance: ArrayLike,
    *,
    selected: ArrayLike | None = None,
    outlier: ArrayLike | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the oracle of every neuron against its variance.

    Parameters
    ----------
    oracle, variance : array (n_targets,)
        Measures; neurons without one are left out, and counted in the legend.
    selected : bool array (n_targets,), optional
        Neurons to keep.
    outlier : bool array (n_targets,), optional
        Neurons to mark by a ring.
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
    y, x = np.asarray(oracle, float), np.asarray(variance, float)
    for name, part in (
        ("variance", x),
        ("selected", selected),
        ("outlier", outlier),
    ):
        if part is not None and np.shape(part) != y.shape:
            raise ValueError(
                f"{name} has shape {np.shape(part)} but oracle has shape {y.shape}."
            )
    ax = new_axes(ax, (5.0, 3.6))
    plain(ax)
    known = np.isfinite(x) & np.isfinite(y) & (x > 0)
    kept = np.zeros(y.shape, bool) if selected is None else np.asarray(selected, bool)
    rest = f"others, {np.count_nonzero(~known)} undefined" if not known.all() else None
    label = rest or ("others" if selected is not None else None)
    ax.scatter(x[known & ~kept], y[known & ~kept], s=16, color=LIGHT, label=label)
    if selected is not None:
        name = f"selected, {np.count_nonzero(kept)} of {kept.size}"
        ax.scatter(x[known & kept], y[known & kept], s=18, color=BLUE, label=name)
    if outlier is not None:
        odd = known & np.asarray(outlier, bool)
        style = {"facecolors": "none", "edgecolors": ORANGE, "linewidths": 1.2}
        ax.scatter(x[odd], y[odd], s=60, label="outlier", **style)
    ax.axhline(0, color=GREY, linewidth=0.8)
    ax.set_xscale("log")
    ax.set(xlabel="Variance over stimuli", ylabel="Oracle correlation")
    ax.set_title(title or "")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, loc="best")
    return ax
