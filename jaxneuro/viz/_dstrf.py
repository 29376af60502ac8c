"""Dynamic receptive fields: frames beside what was heard, as a film, measured."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jax.typing import ArrayLike
from matplotlib.axes import Axes

from ..core import check
from ..signal import Lags
from ._axes import (
    BLUE,
    GREY,
    ORANGE,
    band_axis,
    channel_names,
    colorbar,
    given_axes,
    image,
    lag_axis,
    new_grid,
    plain,
)
from ._fields import field

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation

__all__ = ["dstrf", "dstrf_film", "dstrf_measures"]

_QUANTILE = 0.9  # of the frames' largest weights: what colours reach
_NAMES = {
    "complexity": "Complexity",
    "gain_change": "Gain change (a.u.)",
    "temporal_hold": "Temporal hold (ms)",
    "shape_change": "Shape change",
}


def dstrf(
    frames: ArrayLike,
    lags: Lags,
    stimulus: ArrayLike,
    resp: ArrayLike,
    times: Sequence[float],
    *,
    predicted: ArrayLike | None = None,
    frequencies: ArrayLike | None = None,
    label: str = "Weight (a.u.)",
    ax: Sequence[Axes] | np.ndarray | None = None,
) -> np.ndarray:
    """Draw the receptive field of one target at some moments.

    Above is the stimulus, below it the response, with a line at each moment; the
    frames have common colours.

    Parameters
    ----------
    frames : array (n_times, n_lags, n_features)
        One target's dSTRF, lags ascending.
    lags : Lags
        Window of the lags.
    stimulus : array (n_times, n_features)
        Spectrogram.
    resp : array (n_times,)
        Response.
    times : sequence of float
        Moments to show, in seconds from the first sample.
    predicted : array (n_times,), optional
        Response by the network, drawn over the measured one.
    frequencies : array (n_features,), optional
        Centre of each band in hertz, ascending. Default: features are numbered.
    label : str
        What the weights mean, with their unit.
    ax : sequence of matplotlib.axes.Axes, optional
        One for the stimulus, one for the response, one per moment. Default: a new
        figure.

    Returns
    -------
    array of matplotlib.axes.Axes
        In that order.

    Raises
    ------
    ValueError
        If lengths disagree, a moment lies outside, or there are too few Axes.
    """
    frames, stimulus, resp = _checked(frames, lags, stimulus, resp)
    rows = np.rint(np.asarray(times, float) * lags.sfreq).astype(int)
    if rows.size == 0 or rows.min() < 0 or rows.max() >= len(frames):
        raise ValueError(
            f"times is {list(times)} but must hold moments from 0 to "
            f"{(len(frames) - 1) / lags.sfreq:g} s."
        )
    axes = _layout(rows.size) if ax is None else given_axes(ax, rows.size + 2)
    above, below, *panels = axes.ravel()
    ends = -0.5 / lags.sfreq, (len(stimulus) - 0.5) / lags.sfreq
    image(above, stimulus.T, ends, (stimulus.min(), stimulus.max()), "Greys")
    band_axis(above, stimulus.shape[1], frequencies, "Feature")
    above.tick_params(labelbottom=False)
    seconds = np.arange(len(resp)) / lags.sfreq
    below.plot(seconds, resp, color=GREY, linewidth=1, label="measured")
    if predicted is not None:
        guess = np.asarray(predicted, float).ravel()
        below.plot(seconds, guess, color=ORANGE, linewidth=1, label="predicted")
        below.legend(frameon=False, ncols=2, loc="upper right")
    below.set(xlabel="Time (s)", ylabel="Response", xlim=above.get_xlim())
    plain(below)
    limit, drawn = _limit(frames), None
    for row, panel in zip(rows, panels, strict=False):
        for line in (above, below):
            line.axvline(row / lags.sfreq, color=BLUE, linewidth=1)
        drawn = field(panel, frames[row].T, lags, limit)
        panel.set_title(f"{row / lags.sfreq:.2f} s")
        lag_axis(panel, n_ticks=4)
        if drawn is None:
            panel.set_ylabel(label)
        elif row == rows[0]:
            band_axis(panel, frames.shape[2], frequencies, "Feature")
        else:
            panel.tick_params(left=False, labelleft=False)
    if drawn is not None:
        colorbar(drawn, panels, label)
    return axes


def dstrf_film(
    frames: ArrayLike,
    lags: Lags,
    stimulus: ArrayLike,
    resp: ArrayLike,
    *,
    frequencies: ArrayLike | None = None,
    step: int = 1,
    label: str = "Weight (a.u.)",
) -> "FuncAnimation":
    """Make a film of one target's receptive field while the stimulus passes.

    The colours of all frames are the same. Its ``save`` writes what Matplotlib can:
    ``film.save("dstrf.gif", writer="pillow")``, or an mp4 where ffmpeg is installed.

    Parameters
    ----------
    frames : array (n_times, n_lags, n_features)
        One target's dSTRF, lags ascending.
    lags : Lags
        Window of the lags.
    stimulus : array (n_times, n_features)
        Spectrogram.
    resp : array (n_times,)
        Response.
    frequencies : array (n_features,), optional
        Centre of each band in hertz, ascending. Default: features are numbered.
    step : int
        Samples from one picture to the next. At 1 the film is as slow as pictures
        take to draw; it is meant to play ``sfreq / step`` pictures per second.
    label : str
        What the weights mean, with their unit.

    Returns
    -------
    matplotlib.animation.FuncAnimation
        The film. Keep it until it is saved.

    Raises
    ------
    ValueError
        If lengths disagree or `step` is below 1.
    """
    from matplotlib.animation import FuncAnimation

    frames, stimulus, resp = _checked(frames, lags, stimulus, resp)
    if step < 1:
        raise ValueError(f"step is {step} but must be 1 or more.")
    axes = dstrf(
        frames,
        lags,
        stimulus,
        resp,
        [0.0],
        frequencies=frequencies,
        label=label,
    )
    above, below, panel = axes
    cursors = [line.lines[-1] for line in (above, below)]
    picture = panel.images[0] if panel.images else None

    def draw(row: int) -> list:
        for cursor in cursors:
            cursor.set_xdata([row / lags.sfreq] * 2)
        if picture is not None:
            picture.set_data(frames[row].T)
        else:
            panel.lines[-1].set_ydata(frames[row, :, 0])
        panel.set_title(f"{row / lags.sfreq:.2f} s")
        return cursors

    rows = list(range(0, len(frames), step))
    return FuncAnimation(
        panel.figure, draw, frames=rows, interval=1e3 * step / lags.sfreq
    )


def dstrf_measures(
    measures: Mapping[str, ArrayLike],
    sfreq: float,
    *,
    names: Sequence[str] | None = None,
    ax: Sequence[Axes] | np.ndarray | None = None,
) -> np.ndarray:
    """Draw how nonlinear each target is: mean over trials, and single trials.

    Trials in which a measure is NaN are left out.

    Parameters
    ----------
    measures : dict of array (n_trials, n_targets)
        Of :func:`jaxneuro.dstrf.measures`.
    sfreq : float
        Samples per second, in hertz, by which holds become milliseconds.
    names : sequence of str, optional
        Of the targets. Default: their numbers.
    ax : sequence of matplotlib.axes.Axes, optional
        One per measure. Default: a new figure.

    Returns
    -------
    array of matplotlib.axes.Axes
        One per measure, in their order.

    Raises
    ------
    ValueError
        If the measures or `names` differ in the number of targets, or there are too
        few Axes.
    """
    tables = {name: np.atleast_2d(np.asarray(v)) for name, v in measures.items()}
    n_targets = next(iter(tables.values())).shape[1]
    labels = channel_names(names, n_targets)
    if ax is None:
        axes = new_grid(1, len(tables), (2.6 * len(tables), 2.6)).ravel()
    else:
        axes = given_axes(ax, len(tables)).ravel()
    place = np.arange(n_targets)
    for panel, (name, table) in zip(axes, tables.items(), strict=False):
        if table.shape[1] != n_targets:
            raise ValueError(
                f"{name} has {table.shape[1]} targets but others have {n_targets}."
            )
        table = table * (1e3 / sfreq if name == "temporal_hold" else 1)
        # Trials in which a dSTRF is zero throughout have no measure.
        mean = np.ma.masked_invalid(table).mean(0).filled(np.nan)
        panel.bar(place, mean, color=BLUE, width=0.7)
        if len(table) > 1:
            at = np.broadcast_to(place, table.shape).ravel()
            panel.plot(at, table.ravel(), ".", color=GREY, markersize=3)
        panel.set(title=_NAMES.get(name, name), xlabel="Target")
        shown = place[:: max(1, n_targets // 12)]
        panel.set_xticks(shown, [labels[k] for k in shown])
        plain(panel)
    return axes


def _checked(
    frames: ArrayLike, lags: Lags, stimulus: ArrayLike, resp: ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    check.has_ndim("frames", frames, 3)
    check.has_ndim("stimulus", stimulus, 2)
    frames, stimulus = np.asarray(frames, float), np.asarray(stimulus, float)
    resp = np.asarray(resp, float).ravel()
    if frames.shape[1] != lags.n_lags:
        raise ValueError(
            f"frames has {frames.shape[1]} lags but lags has {lags.n_lags}; give the "
            "Lags that the dSTRF was computed with."
        )
    for name, part in (("stimulus", stimulus), ("resp", resp)):
        check.same_length("frames", frames, name, part, "time points")
    return frames, stimulus, resp


def _limit(frames: np.ndarray) -> float:
    """Colours of all frames; the few strongest frames may exceed them."""
    return float(np.quantile(np.abs(frames).max((1, 2)), _QUANTILE)) or 1.0


def _layout(n_moments: int) -> np.ndarray:
    """Make two wide panels above a row of frames."""
    import matplotlib.pyplot as plt

    width = max(6.0, 2.0 * n_moments)
    figure = plt.figure(figsize=(width, 6.0), layout="constrained")
    top, middle, bottom = figure.add_gridspec(3, 1, height_ratios=(1, 0.8, 1.2))
    row = bottom.subgridspec(1, n_moments)
    wide = [figure.add_subplot(part) for part in (top, middle)]
    frames = [figure.add_subplot(row[0, k]) for k in range(n_moments)]
    return np.array([*wide, *frames], dtype=object)
