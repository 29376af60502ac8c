"""Contrasts of linear models, and responses by the time since the event."""

from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from jax.typing import ArrayLike
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ..core import check
from ._axes import GREY, LIGHT, channel_names, colorbar, new_axes, plain
from ._design import CMAP, COLORS, name_columns

if TYPE_CHECKING:
    from ..glm import Design

__all__ = ["contrast", "fir"]


def contrast(
    weights: ArrayLike,
    design: "Design",
    *,
    names: Sequence[str] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the weights of contrasts on the columns of a design.

    One contrast becomes bars, several become rows of an image. Nuisance columns
    without weight are left out.

    Parameters
    ----------
    weights : array (n_regressors,) or (n_contrasts, n_regressors)
        What ``design.contrast`` gives.
    design : Design
        The design, for the names of its columns.
    names : sequence of str, optional
        Names of the rows of several contrasts. Default: numbers from 0.
    title : str, optional
        Title, such as the contrast's expression.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The Axes.

    Raises
    ------
    ValueError
        If `weights` does not have one value per column, or `names` one per row.
    """
    check.has_ndim("weights", weights, 1, 2)
    rows = np.atleast_2d(np.asarray(weights, float))
    if rows.shape[1] != len(design.names):
        raise ValueError(
            f"weights has {rows.shape[1]} columns but the design has "
            f"{len(design.names)}; give what design.contrast returns."
        )
    shown = rows.any(axis=0) | (np.arange(rows.shape[1]) < len(design.conditions))
    rows, columns = rows[:, shown], np.asarray(design.names)[shown].tolist()
    n_columns, width = len(columns), float(np.clip(1.8 + 0.4 * len(columns), 3.6, 11.0))
    limit = np.abs(rows).max()
    if len(rows) == 1:
        ax = new_axes(ax, (width, 3.0))
        plain(ax)
        colors = [COLORS[0] if weight < 0 else COLORS[1] for weight in rows[0]]
        ax.bar(range(n_columns), rows[0], color=colors, width=0.7)
        ax.axhline(0.0, color=GREY, linewidth=0.8)
        ax.set(ylabel="Weight", xlim=(-0.6, n_columns - 0.4))
        ax.set_ylim(min(1.15 * rows.min(), -0.05 * limit), max(1.15 * rows.max(), 0))
    else:
        ax = new_axes(ax, (1.2 + width, float(np.clip(1.6 + 0.3 * len(rows), 2.4, 7))))
        drawn = ax.imshow(rows, aspect="auto", vmin=-limit, vmax=limit, cmap=CMAP)
        ax.set_yticks(range(len(rows)), channel_names(names, len(rows)))
        ax.set_ylabel("Contrast" if names is None else "")
        colorbar(drawn, ax, "Weight")
    name_columns(ax, columns)
    ax.set_title(title or "")
    return ax


def fir(
    curves: ArrayLike,
    standard_error: ArrayLike | None = None,
    *,
    times: ArrayLike,
    names: Sequence[str] | None = None,
    confidence: float = 0.95,
    dof: float | None = None,
    label: str = "Response (a.u.)",
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw responses over the time since the event, with confidence bands.

    Parameters
    ----------
    curves : array (n_delays,) or (n_conditions, n_delays)
        Estimated response at each delay, as the effects of the delays' columns.
    standard_error : array like `curves`, optional
        Its standard error: the square root of the effect's variance. Default: no bands.
    times : array (n_delays,)
        Seconds since the event, such as the middle of each delay:
        ``(delays + 0.5) * tr``.
    names : sequence of str, optional
        Names of the conditions. Default: no legend.
    confidence : float
        Probability that the band covers at one delay. Default: 0.95.
    dof : float, optional
        Degrees of freedom of the noise. Default: many, a normal distribution.
    label : str
        What the response is, with its unit.
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
        If shapes differ, or `confidence` is not between 0 and 1.
    """
    check.has_ndim("curves", curves, 1, 2)
    curves = np.atleast_2d(np.asarray(curves, float))
    seconds = np.asarray(times, float)
    if seconds.shape != curves.shape[1:]:
        raise ValueError(
            f"times has shape {seconds.shape} but curves has {curves.shape[1]} delays; "
            "give one time per delay."
        )
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence:g} but must be between 0 and 1.")
    ax = new_axes(ax, (5.2, 3.6))
    plain(ax)
    ax.axhline(0.0, color=LIGHT, linewidth=0.8)
    labels = channel_names(names, len(curves)) if names is not None else None
    for i, curve in enumerate(curves):
        color = COLORS[i % len(COLORS)]
        text = labels[i] if labels else None
        ax.plot(
            seconds, curve, "o-", color=color, markersize=4, linewidth=1.8, label=text
        )
    if standard_error is not None:
        errors = np.atleast_2d(np.asarray(standard_error, float))
        if errors.shape != curves.shape:
            raise ValueError(
                f"standard_error has shape {errors.shape} but curves has shape "
                f"{curves.shape}; give one error per response."
            )
        half = _quantile(confidence, dof) * errors
        for i, (curve, band) in enumerate(zip(curves, half, strict=True)):
            color = COLORS[i % len(COLORS)]
            ax.fill_between(
                seconds, curve - band, curve + band, color=color, alpha=0.2, linewidth=0
            )
    if labels:
        ax.legend(frameon=False)
    ax.set(xlabel="Time since the event (s)", ylabel=label, title=title or "")
    ax.set_xlim(min(0.0, seconds.min()), seconds.max() * 1.02)
    ax.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    return ax


def _quantile(confidence: float, dof: float | None) -> float:
    upper = 0.5 + confidence / 2
    if dof is None:
        return NormalDist().inv_cdf(upper)
    from scipy.special import stdtrit

    return float(stdtrit(dof, upper))
