"""Signals over time: spectrograms, responses, stimuli and their reconstruction."""

from collections.abc import Sequence

import numpy as np
from jax.typing import ArrayLike
from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator

from ..core import check, score
from ._axes import (
    BLUE,
    GREY,
    LIGHT,
    ORANGE,
    band_axis,
    channel_names,
    colorbar,
    given_axes,
    image,
    new_axes,
    new_grid,
    plain,
)

__all__ = ["reconstruction", "response", "spectrogram"]

_CMAP = "magma"


def spectrogram(
    spec: ArrayLike,
    sfreq: float,
    *,
    frequencies: ArrayLike | None = None,
    tmin: float = 0.0,
    limits: tuple[float, float] | None = None,
    label: str = "Magnitude (a.u.)",
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a spectrogram as an image over time and frequency.

    Parameters
    ----------
    spec : array (n_times, n_bands)
        Magnitude or power.
    sfreq : float
        Sampling rate of `spec` in hertz.
    frequencies : array (n_bands,), optional
        Centre of each band in hertz, ascending. Default: bands are numbered.
    tmin : float
        Time of the first sample in seconds.
    limits : (float, float), optional
        Ends of the colour bar. Default: the extremes of `spec`.
    label : str
        What the colour means, with its unit.
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
        If `spec` is not two-dimensional or `frequencies` do not fit it.
    """
    check.has_ndim("spec", spec, 2)
    spec = np.asarray(spec)
    ax = new_axes(ax, (7.0, 3.0))
    limits = limits or (float(np.nanmin(spec)), float(np.nanmax(spec)))
    drawn = image(ax, spec.T, _time_edges(spec, sfreq, tmin), limits, _CMAP)
    band_axis(ax, spec.shape[1], frequencies, "Band")
    ax.set(xlabel="Time (s)", title=title or "")
    colorbar(drawn, ax, label)
    return ax


def _time_edges(x: np.ndarray, sfreq: float, tmin: float) -> tuple[float, float]:
    """Half a sample beyond the first and last sample, in seconds."""
    if not sfreq > 0:
        raise ValueError(f"sfreq is {sfreq:g} but must be positive; give it in hertz.")
    return tmin - 0.5 / sfreq, tmin + (x.shape[0] - 0.5) / sfreq


def response(
    resp: ArrayLike,
    sfreq: float,
    *,
    names: Sequence[str] | None = None,
    tmin: float = 0.0,
    unit: str = "a.u.",
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw responses as traces, one above the other, with a scale bar.

    Parameters
    ----------
    resp : array (n_times,) or (n_times, n_channels)
        Signals.
    sfreq : float
        Sampling rate in hertz.
    names : sequence of str, optional
        Channel names. Default: numbers from 0.
    tmin : float
        Time of the first sample in seconds.
    unit : str
        Unit of the responses.
    title : str, optional
        Title.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The Axes; the first channel is on top.

    Raises
    ------
    ValueError
        If `resp` has more than two axes or `names` do not fit it.
    """
    check.has_ndim("resp", resp, 1, 2)
    resp = np.asarray(resp)
    resp = resp[:, None] if resp.ndim == 1 else resp
    n_times, n_channels = resp.shape
    names = channel_names(names, n_channels)
    start, stop = _time_edges(resp, sfreq, tmin)
    times = tmin + np.arange(n_times) / sfreq
    ax = new_axes(ax, (7.0, float(np.clip(1.2 + 0.25 * n_channels, 2.4, 8.0))))
    plain(ax)
    ax.set(xlabel="Time (s)", xlim=(start, stop), title=title or "")
    if n_channels == 1:
        ax.plot(times, resp[:, 0], color=BLUE, linewidth=0.9)
        ax.set_ylabel(f"{'Response' if names == ['0'] else names[0]} ({unit})")
        return ax
    spacing = _spacing(resp)
    offsets = -spacing * np.arange(n_channels)
    centred = resp - np.nanmean(resp, axis=0, keepdims=True)
    ax.plot(times, centred + offsets, color=BLUE, linewidth=0.7)
    ax.set_ylim(offsets[-1] - spacing, spacing)
    step = next(n for n in (1, 2, 5, 10, 20, 50, n_channels) if n_channels <= 24 * n)
    shown = np.arange(0, n_channels, step)
    ax.yaxis.set_major_locator(FixedLocator(offsets[shown].tolist()))
    ax.yaxis.set_major_formatter(FixedFormatter([names[i] for i in shown]))
    ax.set_ylabel("Channel")
    _scale_bar(ax, max(spacing, -0.05 * offsets[-1]), unit)
    return ax


def _spacing(resp: np.ndarray) -> float:
    """Distance at which neighbouring traces rarely touch."""
    spread = np.nanpercentile(resp, [1, 99], axis=0)
    distance = 0.9 * float(np.nanmedian(spread[1] - spread[0]))
    return distance or float(np.nanmax(np.abs(resp))) or 1.0


def _scale_bar(ax: Axes, largest: float, unit: str) -> None:
    """Vertical bar of a round size, right of the lowest traces."""
    power = 10.0 ** np.floor(np.log10(largest))
    size = float(power * max(d for d in (1, 2, 5) if d * power <= largest))
    beside = ax.get_yaxis_transform()  # x in parts of the Axes, y in data
    bottom = ax.get_ylim()[0]
    ends = (bottom, bottom + size)
    ax.plot(
        (1.015, 1.015), ends, color=GREY, linewidth=2, transform=beside, clip_on=False
    )
    middle = bottom + size / 2
    ax.text(1.03, middle, f"{size:g} {unit}", va="center", transform=beside)


def reconstruction(
    true: ArrayLike,
    predicted: ArrayLike,
    sfreq: float,
    *,
    frequencies: ArrayLike | None = None,
    tmin: float = 0.0,
    label: str = "Magnitude (a.u.)",
    name: str = "Stimulus",
    ax: Sequence[Axes] | np.ndarray | None = None,
) -> np.ndarray:
    """Draw a stimulus above its reconstruction, with the correlation between them.

    Both panels have the limits of the stimulus, so what the reconstruction loses in
    contrast is visible. A stimulus of one band is drawn as a line.

    Parameters
    ----------
    true, predicted : array (n_times, n_bands)
        Stimulus and what was reconstructed of it.
    sfreq : float
        Sampling rate in hertz.
    frequencies : array (n_bands,), optional
        Centre of each band in hertz, ascending. Default: bands are numbered.
    tmin : float
        Time of the first sample in seconds.
    label : str
        What the values mean, with their unit.
    name : str
        Title of the upper panel.
    ax : sequence of two matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    array (2,)
        The two Axes.

    Raises
    ------
    ValueError
        If the shapes differ, are not two-dimensional, or `ax` is too short.
    """
    check.has_ndim("true", true, 2)
    true, predicted = np.asarray(true, float), np.asarray(predicted, float)
    if true.shape != predicted.shape:
        raise ValueError(
            f"predicted has shape {predicted.shape} but true has {true.shape}; "
            "give the reconstruction of this stimulus."
        )
    edges = _time_edges(true, sfreq, tmin)
    axes = new_grid(2, 1, (7.0, 4.6))[:, 0] if ax is None else given_axes(ax, 2)[:2]
    r = np.asarray(score.correlation(true, predicted))
    over = "" if r.size == 1 else f", mean of {r.size} bands"
    titles = (name, f"Reconstruction (correlation {np.nanmean(r):.2f}{over})")
    for panel, title in zip(axes, titles, strict=True):
        panel.set(title=title, xlim=edges)
    axes[1].set_xlabel("Time (s)")
    axes[0].tick_params(labelbottom=False)
    if true.shape[1] == 1:
        _line_pair(axes, true[:, 0], predicted[:, 0], sfreq, tmin, label)
        return axes
    limits = (float(np.nanmin(true)), float(np.nanmax(true)))
    for panel, values in zip(axes, (true, predicted), strict=True):
        drawn = image(panel, values.T, edges, limits, _CMAP)
        band_axis(panel, true.shape[1], frequencies, "Band")
    colorbar(drawn, axes, label)
    return axes


def _line_pair(
    axes: np.ndarray,
    true: np.ndarray,
    predicted: np.ndarray,
    sfreq: float,
    tmin: float,
    label: str,
) -> None:
    """One band: the stimulus, and the reconstruction over the stimulus in grey."""
    times = tmin + np.arange(true.size) / sfreq
    axes[0].plot(times, true, color=BLUE, linewidth=1.0)
    axes[1].plot(times, true, color=LIGHT, linewidth=1.0, label="stimulus")
    axes[1].plot(times, predicted, color=ORANGE, linewidth=1.2, label="reconstruction")
    axes[1].sharey(axes[0])
    low, high = axes[1].get_ylim()
    axes[1].set_ylim(low, high + 0.2 * (high - low))  # room for the legend
    axes[1].legend(loc="upper right", frameon=False, ncols=2)
    for panel in axes:
        plain(panel)
        panel.set_ylabel(label)
