"""Most exciting inputs: images, their ascent, Gabors beside them, spectra."""

import math
from collections.abc import Sequence

import numpy as np
from jax.typing import ArrayLike
from matplotlib.axes import Axes

from ..core import check
from ._axes import (
    BLUE,
    LIGHT,
    ORANGE,
    channel_names,
    colorbar,
    given_axes,
    new_axes,
    new_grid,
    plain,
)

__all__ = [
    "ascent_traces",
    "log_power",
    "mei_beside_gabor",
    "mei_grid",
    "orientation_curves",
]

_MOST_NAMED = 6  # lines that a legend names


def mei_grid(
    images: ArrayLike,
    *,
    responses: ArrayLike | None = None,
    contrasts: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    limits: tuple[float, float] | None = None,
    n_columns: int | None = None,
    ax: Sequence[Axes] | np.ndarray | None = None,
) -> np.ndarray:
    """Draw optimised images, each with its response and contrast.

    Parameters
    ----------
    images : array (n_targets, height, width[, channels])
        Images; channels are averaged.
    responses, contrasts : array (n_targets,), optional
        Written below each image.
    names : sequence of str, optional
        Names of the targets. Default: numbers from 0.
    limits : tuple of float, optional
        Pixels that are black and white. Default: the range of all images.
    n_columns : int, optional
        Images in a row. Default: at most six.
    ax : array of matplotlib.axes.Axes, optional
        Where to draw, one Axes per target. Default: a new figure.

    Returns
    -------
    array (n_rows, n_columns)
        The Axes; those after the last target are empty. With `ax` given, `ax`.

    Raises
    ------
    ValueError
        If shapes disagree or `ax` is too short.
    """
    values = _gray("images", images)
    n_targets, height, width = values.shape
    labels = channel_names(names, n_targets)
    texts = {"response": responses, "contrast": contrasts}
    shown = {
        name: _numbers(name + "s", part, n_targets)
        for name, part in texts.items()
        if part is not None
    }
    if ax is None:
        n_columns = n_columns or min(6, n_targets)
        n_rows = math.ceil(n_targets / n_columns)
        side = float(np.clip(11.0 / n_columns, 1.3, 2.6))
        size = (side * n_columns, (side * height / width + 0.65) * n_rows)
        axes = new_grid(n_rows, n_columns, size)
    else:
        axes = given_axes(ax, n_targets)
    low, high = limits or _limits(values)
    for index, panel in enumerate(axes.flat):
        if index >= n_targets:
            panel.set_axis_off()
            continue
        _draw(panel, values[index], (low, high))
        panel.set_title(labels[index], pad=3, fontsize="medium")
        text = ", ".join(f"{name} {part[index]:.3g}" for name, part in shown.items())
        panel.set_xlabel(text, fontsize="small", labelpad=2)
    return axes


def ascent_traces(
    responses: ArrayLike,
    *,
    contrasts: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    ax: Sequence[Axes] | None = None,
) -> np.ndarray:
    """Draw how responses grew, and the contrast of the images with them.

    Parameters
    ----------
    responses : array (n_steps, n_targets)
        Trace of an ascent.
    contrasts : array (n_steps, n_targets), optional
        Drawn on Axes of its own.
    names : sequence of str, optional
        Names of the targets, shown for up to six. Default: numbers from 0.
    ax : sequence of matplotlib.axes.Axes, optional
        Where to draw, one for each trace. Default: a new figure.

    Returns
    -------
    array (n_traces,)
        The Axes.

    Raises
    ------
    ValueError
        If shapes disagree or `ax` is too short.
    """
    traces = {"Response": np.asarray(responses, float)}
    if contrasts is not None:
        traces["Contrast"] = np.asarray(contrasts, float)
    check.has_ndim("responses", traces["Response"], 2)
    n_steps, n_targets = traces["Response"].shape
    for name, values in traces.items():
        if values.shape != (n_steps, n_targets):
            raise ValueError(
                f"{name.lower()}s has shape {values.shape} but responses has "
                f"{(n_steps, n_targets)}."
            )
    labels = channel_names(names, n_targets)
    if ax is None:
        axes = new_grid(1, len(traces), (4.2 * len(traces), 3.0)).ravel()
    else:
        axes = given_axes(ax, len(traces))
    few = n_targets <= _MOST_NAMED
    for panel, (name, values) in zip(axes, traces.items(), strict=False):
        lines = panel.plot(values, linewidth=1.4 if few else 0.8)
        for line, label in zip(lines, labels, strict=True):
            line.set(label=label, **({} if few else {"color": BLUE, "alpha": 0.4}))
        panel.set(xlabel="Step", ylabel=name)
        panel.margins(x=0)
        plain(panel)
    if few and n_targets > 1:  # above, as lines may run anywhere
        place = {"loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": 3}
        axes[0].legend(frameon=False, fontsize="small", **place)
    return axes


def mei_beside_gabor(
    images: ArrayLike,
    gabors: ArrayLike,
    *,
    masks: ArrayLike | None = None,
    responses: ArrayLike | None = None,
    gabor_responses: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    limits: tuple[float, float] | None = None,
    ax: np.ndarray | None = None,
) -> np.ndarray:
    """Draw most exciting inputs above the best Gabor functions.

    Parameters
    ----------
    images, gabors : array (n_targets, height, width[, channels])
        Both kinds of image; channels are averaged.
    masks : array (height, width) or (n_targets, height, width), optional
        Outlined on both.
    responses, gabor_responses : array (n_targets,), optional
        Written below each image.
    names : sequence of str, optional
        Names of the targets. Default: numbers from 0.
    limits : tuple of float, optional
        Pixels that are black and white. Default: the range of all images.
    ax : array (2, n_targets) of matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    array (2, n_targets)
        The Axes.

    Raises
    ------
    ValueError
        If shapes disagree or `ax` is too short.
    """
    rows = [_gray("images", images), _gray("gabors", gabors)]
    if rows[0].shape != rows[1].shape:
        raise ValueError(
            f"gabors has shape {rows[1].shape} but images has {rows[0].shape}."
        )
    n_targets, height, width = rows[0].shape
    outline = None
    if masks is not None:
        outline = np.asarray(masks, float)
        if outline.shape not in ((height, width), rows[0].shape):
            raise ValueError(
                f"masks has shape {outline.shape} but must be {(height, width)} or "
                f"{rows[0].shape}."
            )
        outline = np.broadcast_to(outline, rows[0].shape)
    if ax is None:
        side = float(np.clip(11.0 / n_targets, 1.3, 2.6))
        size = (side * n_targets + 0.4, 2 * (side * height / width + 0.45))
        axes = new_grid(2, n_targets, size)
    else:
        axes = given_axes(ax, 2 * n_targets).reshape(2, n_targets)
    limits = limits or _limits(np.stack(rows))
    texts = [(responses, "responses"), (gabor_responses, "gabor_responses")]
    for panels, row, (part, name) in zip(axes, rows, texts, strict=True):
        numbers = None if part is None else _numbers(name, part, n_targets)
        for index, panel in enumerate(panels):
            _draw(panel, row[index], limits)
            if outline is not None:
                edge = 0.5 * outline[index].max()
                panel.contour(outline[index], [edge], colors=ORANGE, linewidths=1.0)
            if numbers is not None:
                panel.set_xlabel(f"response {numbers[index]:.3g}", fontsize="small")
    for panel, label in zip(axes[0], channel_names(names, n_targets), strict=True):
        panel.set_title(label, pad=3, fontsize="medium")
    axes[0, 0].set_ylabel("MEI")
    axes[1, 0].set_ylabel("Best Gabor")
    return axes


def log_power(
    power: ArrayLike,
    *,
    pixels_per_degree: float | None = None,
    decades: float = 5.0,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the logarithm of a power spectrum.

    Parameters
    ----------
    power : array (height, width)
        Zero frequency at ``(height // 2, width // 2)``, as ``mei.power_spectrum`` gives
        it.
    pixels_per_degree : float, optional
        Pixels of the image per degree of visual angle; the axes then show cycles per
        degree. Default: cycles per pixel.
    decades : float
        Powers of ten below the peak that are told apart.
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
        If `power` is not two-dimensional, or a number is not positive.
    """
    check.has_ndim("power", power, 2)
    values = np.asarray(power, float)
    scale, unit = 1.0, "pixel"
    if pixels_per_degree is not None:
        scale, unit = check.positive("pixels_per_degree", pixels_per_degree), "degree"
    peak = values.max()
    floor = (peak or 1.0) * 10.0 ** -check.positive("decades", decades)
    logs = np.log10(np.maximum(values, floor))
    edges = []
    for n in values.shape[::-1]:
        steps = np.fft.fftshift(np.fft.fftfreq(n)) * scale
        half = 0.5 * scale / n
        edges.append((steps[0] - half, steps[-1] + half))
    ax = new_axes(ax, (4.2, 3.4))
    extent = (*edges[0], *edges[1][::-1])
    drawn = ax.imshow(logs, cmap="magma", extent=extent, interpolation="nearest")
    ax.set(
        xlabel=f"Horizontal (cycles per {unit})",
        ylabel=f"Vertical (cycles per {unit})",
        title=title or "",
    )
    colorbar(drawn, ax, "log10 power")
    return ax


def orientation_curves(
    angles: ArrayLike,
    power: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the share of power at each orientation.

    Parameters
    ----------
    angles : array (n_bins,)
        Orientations in radians over half a turn.
    power : array (n_bins,) or (n_images, n_bins)
        Power of each, as ``mei.orientation_profile`` gives it.
    names : sequence of str, optional
        Names of the images. Default: numbers from 0.
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
        If shapes disagree.
    """
    check.has_ndim("angles", angles, 1)
    check.has_ndim("power", power, 1, 2)
    rows, turns = np.atleast_2d(np.asarray(power, float)), np.rad2deg(angles)
    if rows.shape[1] != turns.size:
        raise ValueError(
            f"power has {rows.shape[1]} orientations but angles has {turns.size}."
        )
    labels = channel_names(names, len(rows))
    total = rows.sum(1, keepdims=True)
    shares = rows / np.where(total > 0, total, np.nan)
    ax = new_axes(ax, (4.6, 3.0))
    ax.axhline(1 / turns.size, color=LIGHT, linewidth=0.8)
    lines = ax.plot(turns, shares.T, linewidth=1.6)
    for line, label in zip(lines, labels, strict=True):
        line.set_label(label)
    ax.set(xlabel="Orientation (degrees)", ylabel="Share of power", title=title or "")
    ax.set_xticks(np.arange(0, 181, 45))
    ax.set_xlim(min(0.0, turns.min()), max(180.0, turns.max()))
    if 1 < len(rows) <= _MOST_NAMED:
        ax.legend(frameon=False, fontsize="small")
    plain(ax)
    return ax


def _gray(name: str, images: ArrayLike) -> np.ndarray:
    check.has_ndim(name, images, 3, 4)
    values = np.asarray(images, float)
    return values.mean(3) if values.ndim == 4 else values


def _numbers(name: str, values: ArrayLike, n_targets: int) -> np.ndarray:
    numbers = np.asarray(values, float)
    if numbers.shape != (n_targets,):
        raise ValueError(
            f"{name} has shape {numbers.shape} but there are {n_targets} images."
        )
    return numbers


def _limits(values: np.ndarray) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if finite.size == 0 or finite.min() == finite.max():
        return 0.0, 1.0
    return float(finite.min()), float(finite.max())


def _draw(panel: Axes, image: np.ndarray, limits: tuple[float, float]) -> None:
    panel.imshow(image, cmap="gray", vmin=limits[0], vmax=limits[1])
    panel.set(xticks=[], yticks=[])
