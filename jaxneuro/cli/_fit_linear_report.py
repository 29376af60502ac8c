"""The report of ``jaxneuro fit ridge``, ``banded`` and ``lasso``."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from .. import linear, viz
from ..estimators._base import precision
from ._fit_linear import Data, parse_bands, parse_shape
from ._fit_trf_report import _best_first, _scores, _summary
from ._panels import canvas
from .info import environment
from .report import Figure, Section, Source, Table, write

__all__ = ["write_report"]

_TITLES = {"ridge": "Ridge", "banded": "Banded ridge", "lasso": "Lasso"}
_MOST_BANDS, _MOST_FIELDS, _MOST_ROWS = 6, 12, 12
_BLOCK = 2048
_LEFT_OUT = 1e3  # times the largest penalty of the grid


def write_report(
    options: argparse.Namespace,
    model: Any,
    data: Data,
    scores: dict[str, np.ndarray],
    seconds: float,
) -> Path:
    """Write scores and figures of one fit, and return the path."""
    order = _best_first(scores, model.alpha_.shape[0])
    figures = [_scores(scores), _penalties(options.model, model)]
    if options.model == "banded":
        figures.append(_shares(options, model, data))
    if options.model == "lasso":
        shape = parse_shape(options.shape, data.X.shape[1])
        if shape is not None:
            figures.append(_fields(model, shape, order))
    n_samples, n_features = data.X.shape
    section = Section(
        title=f"{Path(options.x).name} to {Path(options.y).name}",
        source=Source(kind="given", description=f"Files {options.x} and {options.y}."),
        paragraphs=[
            f"{_TITLES[options.model]} regression of {order.size} targets on "
            f"{n_features} features, {n_samples} samples, {options.dtype}. Fitted in "
            f"{seconds:.1f} s, compilation included; saved as {options.out}, which "
            "jaxneuro.io.load reads."
        ],
        tables=[*_summary(scores), _table(model, scores, order)],
        figures=[figure for figure in figures if figure is not None],
    )
    env = {**environment(), "arithmetic": options.dtype}
    return write(options.report, f"jaxneuro fit {options.model}", [section], env)


def _table(model: Any, scores: dict[str, np.ndarray], order: np.ndarray) -> Table:
    """List the best targets: penalty of each band, features in use, scores."""
    alpha = np.asarray(model.alpha_).reshape(order.size, -1)[:, :_MOST_BANDS]
    header = ["Penalty"]
    if alpha.shape[1] > 1:
        header = [f"Penalty of band {band}" for band in range(alpha.shape[1])]
    n_used = np.count_nonzero(model.coef_, axis=1)
    rows = [
        (
            int(index),
            *(float(value) for value in alpha[index]),
            int(n_used[index]),
            *(float(values[index]) for values in scores.values()),
        )
        for index in order[:_MOST_ROWS]
    ]
    caption = "Targets"
    if order.size > _MOST_ROWS:
        caption = f"Best {_MOST_ROWS} targets of {order.size}"
    header = ("Target", *header, "Features in use", *scores)
    return Table(header=header, rows=rows, caption=caption)


def _penalties(name: str, model: Any) -> Figure | None:
    """Count the chosen penalties; nothing where no target has one."""
    if name == "banded":
        return _band_penalties(np.asarray(model.alpha_), np.asarray(model.alphas))
    chosen, grid = np.asarray(model.alpha_), np.asarray(model.alphas_)
    own = grid.ndim == 2
    if own:  # one grid for each target: all fall alike from its own first penalty
        chosen = chosen / np.where(grid[0] > 0, grid[0], np.nan)
        known = np.isfinite(chosen)
        grid = (grid / np.where(grid[0] > 0, grid[0], np.nan))[:, known][:, :1].ravel()
    chosen = chosen[np.isfinite(chosen)]
    if chosen.size == 0:
        return None
    figure, axes = canvas(6.0, 3.4)
    viz.alpha_counts(grid, chosen, ax=axes[0, 0])
    caption = "Penalty of each target; orange bars are the ends of the grid."
    if own:
        axes[0, 0].set_xlabel(
            "Penalty, relative to the smallest that leaves no feature"
        )
        caption += " Each target has a grid of its own."
    return Figure(figure=figure, caption=caption)


def _band_penalties(alpha: np.ndarray, alphas: np.ndarray) -> Figure | None:
    """Count the penalties (n_targets, n_bands) of each band by decade."""
    # A weighting near zero makes penalties of any size: beyond some they are one.
    most = _LEFT_OUT * alphas.max()
    known = (alpha > 0) & (alpha < most)
    if not known.any():
        return None
    decades = np.log10(alpha[known])
    # One empty decade at each end: weightings know no end of the grid.
    first, last = np.floor(decades.min()) - 1, np.ceil(decades.max()) + 1
    grid = 10.0 ** np.arange(first, last + 1)
    n_bands = min(alpha.shape[1], _MOST_BANDS)
    n_columns = min(n_bands, 2)
    n_rows = -(-n_bands // n_columns)
    figure, axes = canvas(4.6 * n_columns, 3.2 * n_rows, n_rows, n_columns)
    for band, ax in enumerate(axes.ravel()):
        if band >= n_bands:
            ax.set_axis_off()
            continue
        left_out = np.count_nonzero(alpha[:, band] >= most)
        title = f"Band {band}, left out by {left_out} of {len(alpha)}"
        viz.alpha_counts(grid, alpha[known[:, band], band], title=title, ax=ax)
        ax.yaxis.get_major_locator().set_params(integer=True)
    caption = (
        "Penalty of each target for each band, to the nearest power of ten; a band "
        f"with {most:.3g} or more is left out."
    )
    if n_bands < alpha.shape[1]:
        caption += f" The first {n_bands} of {alpha.shape[1]} bands are shown."
    return Figure(figure=figure, caption=caption)


def _shares(options: argparse.Namespace, model: Any, data: Data) -> Figure:
    held = data.held_out is not None
    X, Y = data.held_out or (data.X, data.Y)
    bands, fit = parse_bands(options.bands), model.fit_
    found = []
    for start in range(0, Y.shape[1], _BLOCK):
        block = slice(start, start + _BLOCK)
        part = linear.LinearFit(
            coef=fit.coef[:, block],
            intercept=fit.intercept[block],
            alpha=fit.alpha[:, block],
        )
        with precision(options.dtype):
            shares = linear.split_scores(part, X, Y[:, block], bands)
        found.append(np.asarray(shares))
    figure, axes = canvas(6.0, 3.4)
    metric = "held-out R²" if held else "R²"
    viz.band_shares(np.concatenate(found, 1), metric=metric, ax=axes[0, 0])
    samples = "held-out samples" if held else "samples that were fitted"
    return Figure(
        figure=figure,
        caption=f"What each band adds to the R² of the {samples}. Shares of a target "
        "add up to its R².",
    )


def _fields(model: Any, shape: tuple[int, int], order: np.ndarray) -> Figure | None:
    coef = np.asarray(model.coef_)
    shown = order[np.isfinite(coef[order]).all(1)][:_MOST_FIELDS]
    if shown.size == 0:
        return None
    n_columns = min(4, shown.size)
    n_rows = -(-shown.size // n_columns)
    figure, axes = canvas(1.0 + 2.2 * n_columns, 2.3 * n_rows, n_rows, n_columns)
    names = [f"target {index}" for index in shown]
    viz.receptive_fields(
        coef[shown].reshape(-1, *shape), names=names, ax=list(axes.ravel())
    )
    return Figure(
        figure=figure,
        caption=f"Weights over pixels, the best {shown.size} of {order.size} targets, "
        "all with the same limits.",
    )
