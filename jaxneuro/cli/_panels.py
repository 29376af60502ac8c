"""Figures that several reports show, outside of any window system."""

from typing import Any

import numpy as np

from .. import signal, viz
from .report import Figure

__all__ = ["canvas", "fields_figure", "map_figure", "signals_figure"]

MOST_FIELDS, MOST_SLICES = 24, 12


def canvas(
    width: float, height: float, n_rows: int = 1, n_columns: int = 1
) -> tuple[Any, np.ndarray]:
    """Make a Matplotlib figure and its Axes (n_rows, n_columns), sizes in inches."""
    from matplotlib.figure import Figure as Canvas

    figure = Canvas(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(n_rows, n_columns, squeeze=False)


def signals_figure(
    stimulus: np.ndarray,
    resp: np.ndarray,
    sfreq: float,
    *,
    frequencies: np.ndarray | None = None,
    stimulus_label: str,
    resp_unit: str,
    caption: str,
) -> Figure:
    """Draw a stimulus above the responses to it."""
    height = float(np.clip(3.6 + 0.12 * resp.shape[1], 3.8, 7.0))
    figure, axes = canvas(9.0, height, 2)
    upper, lower = axes[:, 0]
    if stimulus.shape[1] > 1:
        viz.spectrogram(
            stimulus, sfreq, frequencies=frequencies, label=stimulus_label, ax=upper
        )
    else:
        viz.response(stimulus, sfreq, ax=upper)
        upper.set_ylabel(stimulus_label)
    viz.response(resp, sfreq, unit=resp_unit, ax=lower)
    upper.set_title("Stimulus")
    lower.set_title("Response" if resp.shape[1] == 1 else "Responses")
    upper.set_xlabel("")
    return Figure(figure=figure, caption=caption)


def fields_figure(
    coef: np.ndarray,
    lags: signal.Lags,
    *,
    order: np.ndarray,
    frequencies: np.ndarray | None = None,
    label: str,
    caption: str,
) -> Figure:
    """Draw receptive fields (n_targets, n_features, n_lags), the best if too many."""
    n_targets = coef.shape[0]
    shown = np.arange(n_targets)
    if n_targets > MOST_FIELDS:
        shown = np.sort(order[:MOST_FIELDS])
        caption += f" The {MOST_FIELDS} best of {n_targets} targets are shown."
    n_rows = -(-shown.size // 6)
    n_columns = -(-shown.size // n_rows)
    height = 1.0 + 1.4 * n_rows if n_rows > 1 else 3.0
    figure, axes = canvas(9.0 if n_columns > 1 else 5.0, height, n_rows, n_columns)
    if shown.size == 1:
        viz.trf(coef[0], lags, frequencies=frequencies, label=label, ax=axes[0, 0])
    else:
        viz.trf_grid(
            coef[shown],
            lags,
            frequencies=frequencies,
            names=[str(index) for index in shown],
            label=label,
            ax=axes,
        )
    return Figure(figure=figure, caption=caption)


def map_figure(
    volume: np.ndarray,
    affine: np.ndarray | None,
    *,
    label: str,
    threshold: float | None = None,
    title: str | None = None,
) -> Any:
    """Draw a map on up to twelve slices, and return the Matplotlib figure."""
    held = np.isfinite(volume) & (volume != 0)
    n_slices = min(MOST_SLICES, int(held.any((0, 1)).sum()))
    n_rows = 1 if n_slices <= 6 else 2
    n_columns = -(-n_slices // n_rows)
    width = float(np.clip(9.5 / n_columns, 1.4, 3.4))
    figure, axes = canvas(9.5, 5.0, n_rows, n_columns)
    viz.map_mosaic(
        volume,
        affine=affine,
        threshold=threshold,
        n_slices=n_slices,
        label=label,
        title=title,
        ax=axes,
    )
    # As high as slices of this shape need.
    corner = axes[0, 0]
    (left, right), (low, high) = corner.get_xlim(), corner.get_ylim()
    height = width * (high - low) * corner.get_aspect() / (right - left)
    figure.set_size_inches(1.2 + width * n_columns, 0.5 + (height + 0.25) * n_rows)
    return figure
