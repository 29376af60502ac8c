"""Receptive fields: weights over features and lags."""

import math
from collections.abc import Sequence

import numpy as np
from jax.typing import ArrayLike
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable

from ..core import check
from ..signal import Lags
from ._axes import (
    BLUE,
    LIGHT,
    band_axis,
    channel_names,
    colorbar,
    given_axes,
    image,
    lag_axis,
    new_axes,
    new_grid,
    plain,
)

__all__ = ["field", "trf", "trf_grid"]

_CMAP = "RdBu_r"  # red and blue, not red and green; white is zero


def trf(
    coef: ArrayLike,
    lags: Lags,
    *,
    frequencies: ArrayLike | None = None,
    limit: float | None = None,
    label: str = "Weight (a.u.)",
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the receptive field of one target.

    Several features become an image of features over lags whose colours are
    symmetric around zero; one feature becomes a line.

    Parameters
    ----------
    coef : array (n_lags,) or (n_features, n_lags)
        Weights of one target, as in ``TRF.coef_[target]``.
    lags : Lags
        Window of the lags.
    frequencies : array (n_features,), optional
        Centre of each band in hertz, ascending. Default: features are numbered.
    limit : float, optional
        Largest absolute weight shown. Default: that of `coef`.
    label : str
        What the weights mean, with their unit.
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
        If `coef` does not fit `lags` or `frequencies`.
    """
    check.has_ndim("coef", coef, 1, 2)
    coef = np.atleast_2d(np.asarray(coef, float))
    _same_lags(coef, lags)
    limit = limit or _limit(coef)
    ax = new_axes(ax, (4.6, 3.2))
    drawn = field(ax, coef, lags, limit)
    ax.set_title(title or "")
    lag_axis(ax)
    if drawn is None:
        ax.set_ylabel(label)
        return ax
    band_axis(ax, coef.shape[0], frequencies, "Feature")
    colorbar(drawn, ax, label)
    return ax


def _same_lags(coef: np.ndarray, lags: Lags) -> None:
    if coef.shape[-1] != lags.n_lags:
        raise ValueError(
            f"coef has {coef.shape[-1]} lags but lags has {lags.n_lags}; "
            "give weights (n_features, n_lags) and the Lags they were fitted with."
        )


def _limit(coef: np.ndarray) -> float:
    """Largest absolute weight; 1 where all weights are zero or undefined."""
    sizes = np.abs(coef[np.isfinite(coef)])
    return float(sizes.max(initial=0.0)) or 1.0


def field(
    ax: Axes, coef: np.ndarray, lags: Lags, limit: float
) -> ScalarMappable | None:
    """Draw one image and return it, or one line and return None."""
    times = 1e3 * lags.times
    half = 500.0 / lags.sfreq
    edges = (times[0] - half, times[-1] + half)
    if times[0] < 0 < times[-1]:
        ax.axvline(0.0, color=LIGHT, linewidth=0.8)
    if coef.shape[0] > 1:
        return image(ax, coef, edges, (-limit, limit), _CMAP)
    plain(ax)
    ax.axhline(0.0, color=LIGHT, linewidth=0.8)
    ax.plot(times, coef[0], color=BLUE, linewidth=1.8)
    ax.set(xlim=edges, ylim=(-1.08 * limit, 1.08 * limit))
    return None


def trf_grid(
    coef: ArrayLike,
    lags: Lags,
    *,
    frequencies: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    n_columns: int | None = None,
    limit: float | None = None,
    label: str = "Weight (a.u.)",
    ax: Sequence[Axes] | np.ndarray | None = None,
) -> np.ndarray:
    """Draw the receptive fields of many targets with the same colour limits.

    Parameters
    ----------
    coef : array (n_targets, n_features, n_lags)
        Weights, as in ``TRF.coef_``.
    lags : Lags
        Window of the lags.
    frequencies : array (n_features,), optional
        Centre of each band in hertz, ascending. Default: features are numbered.
    names : sequence of str, optional
        Names of the targets. Default: numbers from 0.
    n_columns : int, optional
        Panels in a row. Default: a few more than there are rows.
    limit : float, optional
        Largest absolute weight shown. Default: that of all targets.
    label : str
        What the weights mean, with their unit.
    ax : array of matplotlib.axes.Axes, optional
        Where to draw, one Axes per target. Default: a new figure.

    Returns
    -------
    array (n_rows, n_columns)
        The Axes; those after the last target are empty. With `ax` given, `ax`.

    Raises
    ------
    ValueError
        If `coef` does not fit `lags`, `names` or `frequencies`, or `ax` is too short.
    """
    check.has_ndim("coef", coef, 3)
    coef = np.asarray(coef, float)
    _same_lags(coef, lags)
    n_targets = coef.shape[0]
    names = channel_names(names, n_targets)
    limit = limit or _limit(coef)
    if ax is None:
        axes = _panels(n_targets, n_columns or _columns(n_targets))
    else:
        axes = given_axes(ax, n_targets)
    shown = list(axes.flat[:n_targets])
    drawn = None
    for panel, values, title in zip(shown, coef, names, strict=True):
        drawn = field(panel, values, lags, limit)
        panel.set_title(title, pad=3, fontsize="medium")
    for panel in axes.flat[n_targets:]:
        panel.set_axis_off()
    _label_corner(axes, n_targets, coef.shape[1], frequencies, label)
    if drawn is not None:
        colorbar(drawn, axes, label, shrink=0.8)
    return axes


def _columns(n_targets: int) -> int:
    """Columns, somewhat more than rows, that leave the fewest panels empty."""
    ideal = math.sqrt(1.6 * n_targets)
    choices = range(math.ceil(0.8 * ideal), math.ceil(1.3 * ideal) + 1)
    return min(choices, key=lambda n: (-n_targets % n, abs(n - ideal)))


def _panels(n_targets: int, n_columns: int) -> np.ndarray:
    """Panels that shrink with their number, so that the figure fits a slide."""
    n_rows = math.ceil(n_targets / n_columns)
    width = float(np.clip(11.0 / n_columns, 0.8, 2.2))
    return new_grid(n_rows, n_columns, (1.2 + width * n_columns, 0.7 + width * n_rows))


def _label_corner(
    axes: np.ndarray,
    n_targets: int,
    n_features: int,
    frequencies: ArrayLike | None,
    label: str,
) -> None:
    """Label the lowest panel on the left only: all panels have the same axes."""
    rows = axes if axes.ndim == 2 else axes[None, :]
    corner = rows[(n_targets - 1) // rows.shape[1], 0]
    for panel in axes.flat[:n_targets]:
        panel.tick_params(labelbottom=False, labelleft=False)
        lag_axis(panel, n_ticks=3)
        if n_features > 1:
            band_axis(panel, n_features, frequencies, "Feature")
        if panel is not corner:
            panel.set(xlabel="", ylabel="")
    corner.tick_params(labelbottom=True, labelleft=True)
    if n_features == 1:
        corner.set_ylabel(label)
