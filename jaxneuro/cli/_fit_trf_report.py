"""The report of ``jaxneuro fit``."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import viz
from ._panels import canvas, fields_figure
from .info import environment
from .report import Figure, Section, Source, Table, write

__all__ = ["write_report"]

_SHOWN = 5.0  # seconds in a figure
_MOST_ROWS = 12


def write_report(
    options: argparse.Namespace,
    model: Any,
    held_out: tuple[Sequence[np.ndarray], Sequence[np.ndarray]],
    scores: dict[str, np.ndarray],
    seconds: float,
) -> Path:
    """Write scores and figures of one fit, and return the path."""
    order = _best_first(scores, model.alpha_.shape[0])
    figures = [_fields(model, order)]
    if hasattr(model, "alpha_scores_"):
        figures.append(_alphas(model))
    if scores:
        figures.append(_scores(scores))
    if held_out[0]:
        figures.append(_prediction(model, held_out, order, options.sfreq))
    section = Section(
        title=f"{Path(options.x).name} to {Path(options.y).name}",
        source=Source(kind="given", description=f"Files {options.x} and {options.y}."),
        paragraphs=[
            f"Lagged {options.penalty} regression, lags {options.tmin:g} to "
            f"{options.tmax:g} s at {options.sfreq:g} Hz, {options.dtype}"
            + (f", convention {options.convention}" if options.convention else "")
            + f". Fitted in {seconds:.1f} s, compilation included; saved as "
            f"{options.out}, which jaxneuro.io.load reads."
        ],
        tables=[*_summary(scores), _table(scores, model, order)],
        figures=figures,
    )
    env = {**environment(), "arithmetic": options.dtype}
    return write(options.report, "jaxneuro fit trf", [section], env)


def _best_first(scores: dict[str, np.ndarray], n_targets: int) -> np.ndarray:
    if not scores:
        return np.arange(n_targets)
    values = list(scores.values())[-1]
    return np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")


def _summary(scores: dict[str, np.ndarray]) -> list[Table]:
    """Spread of each score over targets; none where nothing was scored."""
    if not scores:
        return []
    rows = []
    for name, values in scores.items():
        defined = values[np.isfinite(values)]
        spread = np.percentile(defined, [50, 0, 100]) if defined.size else [np.nan] * 3
        mean = defined.mean() if defined.size else np.nan
        rows.append((name, *(float(number) for number in (mean, *spread))))
    header = ("Score", "Mean", "Median", "Lowest", "Highest")
    return [Table(header=header, rows=rows, caption="Scores over targets")]


def _table(scores: dict[str, np.ndarray], model: Any, order: np.ndarray) -> Table:
    rows = [
        (
            int(index),
            float(model.alpha_[index]),
            *(float(values[index]) for values in scores.values()),
        )
        for index in order[:_MOST_ROWS]
    ]
    n_targets = order.size
    caption = "Targets" if n_targets <= _MOST_ROWS else f"Best {_MOST_ROWS} targets"
    if n_targets > _MOST_ROWS:
        caption += f" of {n_targets}"
    return Table(header=("Target", "Penalty", *scores), rows=rows, caption=caption)


def _fields(model: Any, order: np.ndarray) -> Figure:
    coef = np.asarray(model.coef_)
    if coef.ndim == 4:  # of targets with several outputs, the first output
        coef = coef[:, 0]
    return fields_figure(
        coef,
        model.lags_,
        order=order,
        label="Weight",
        caption="Weights of each target over features and lags, all with the same "
        "limits; positive lags are the past of the predictors.",
    )


def _alphas(model: Any) -> Figure:
    figure, axes = canvas(6.0, 3.4)
    viz.alpha_curve(
        model.alphas_, model.alpha_scores_, chosen=model.alpha_, ax=axes[0, 0]
    )
    return Figure(figure=figure, caption="Cross-validated score against the penalty.")


def _scores(scores: dict[str, np.ndarray]) -> Figure:
    name, values = list(scores.items())[-1]
    figure, axes = canvas(7.0, 3.4)
    viz.scores(values, metric=name[0].upper() + name[1:], ax=axes[0, 0])
    return Figure(figure=figure, caption=f"{name.capitalize()} of each target.")


def _prediction(
    model: Any,
    held_out: tuple[Sequence[np.ndarray], Sequence[np.ndarray]],
    order: np.ndarray,
    sfreq: float,
) -> Figure:
    """First seconds of the first held-out trial, of all targets or the best one."""
    X, Y = held_out
    shown = slice(0, max(2, round(_SHOWN * sfreq)))
    true = np.asarray(Y[0], float)[shown]
    predicted = np.asarray(model.predict(X[:1])[0], float)[shown]
    if true.ndim == 3:
        true, predicted = true[:, order[0]], predicted[:, order[0]]
    figure, axes = canvas(9.0, 4.6, 2)
    drawn = viz.reconstruction(
        true, predicted, sfreq, label="Value", name="Held-out trial", ax=axes[:, 0]
    )
    title = drawn[1].get_title().replace("Reconstruction", "Prediction")
    drawn[1].set_title(title.replace("bands", "targets"))
    if true.shape[1] > 1:
        for ax in drawn:
            ax.set_ylabel("Target")
    return Figure(
        figure=figure,
        caption="A held-out trial and its prediction. The correlation is that of the "
        "seconds shown.",
    )
