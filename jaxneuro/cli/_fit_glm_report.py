"""The report of ``jaxneuro fit glm``."""

from pathlib import Path
from typing import Any

import numpy as np

from .. import viz
from ..io import bids
from ._fit_glm import Asked, Result
from ._fit_glm_maps import Threshold, peak_rows, threshold_of
from ._panels import canvas, map_figure
from .info import environment
from .report import Figure, Section, Source, Table, write

__all__ = ["write_report"]

_MOST_ROWS = 15


def write_report(result: Result, folder: Path) -> Path:
    """Write the design and one section per contrast, and return the path."""
    options = result.options
    shared = bids.shared_entities(options.bold)
    stem = "".join(f"{key}-{value}_" for key, value in shared.items())
    cuts = [
        threshold_of(maps["z"], one.stat, options.threshold, options.alpha)
        for one, maps in zip(result.contrasts, result.maps, strict=True)
    ]
    sections = [_model(result, cuts)]
    for asked, maps, cut in zip(result.contrasts, result.maps, cuts, strict=True):
        sections.append(_contrast(result, asked, maps, cut))
    env = {**environment(), "arithmetic": options.dtype}
    return write(folder / f"{stem}report.html", "jaxneuro fit glm", sections, env)


def _source(result: Result) -> Source:
    names = ", ".join(Path(path).name for path in result.options.bold)
    return Source(kind="given", description=f"Runs {names}.")


def _model(result: Result, cuts: list[Threshold]) -> Section:
    options, model = result.options, result.model
    design = model.design_
    drift = (
        "no drift" if options.drift_model == "none" else f"{options.drift_model} drift"
    )
    if options.drift_model == "cosine":
        drift += f" below {options.high_pass:g} Hz"
    n_runs = len(result.bold.runs)
    words = (
        f"{n_runs} run{'s' if n_runs > 1 else ''} with {len(design.times)} scans of "
        f"{model.tr:g} s, "
        f"{result.bold.runs[0].shape[1]} targets. Response {options.hrf_model}, "
        f"{drift}, {_noise(options.noise_model)}; {model.dof_:g} degrees of freedom. "
        f"Fit and contrasts took {result.seconds:.1f} s, compilation included."
    )
    return Section(
        title="Model",
        source=_source(result),
        paragraphs=[words],
        tables=[_summary(result, cuts)],
        figures=[*_design_figures(result), *_fit_figure(result)],
    )


def _noise(name: str) -> str:
    """Say a noise model in words."""
    if name == "ols":
        return "independent noise"
    if name.startswith("global_"):
        family = name.removeprefix("global_").upper()
        return f"{family} noise with one set of coefficients for all targets"
    if name.startswith("tukey"):
        return "noise with each target's tapered autocorrelation"
    family = "ARMA(1,1)" if name == "arma11" else name.upper()
    return f"{family} noise with coefficients of each target"


def _summary(result: Result, cuts: list[Threshold]) -> Table:
    rows = []
    for asked, maps, cut in zip(result.contrasts, result.maps, cuts, strict=True):
        z = maps["z"][np.isfinite(maps["z"])]
        ends = (float(z.min()), float(z.max())) if z.size else (np.nan, np.nan)
        bar = f"{cut.z:.2f}" if np.isfinite(cut.z) else "none survives"
        rows.append((asked.name, asked.expression, asked.stat, bar, cut.n_above, *ends))
    header = ("Contrast", "Expression", "Test", "Threshold (z)", "Targets above")
    header += ("Lowest z", "Highest z")
    return Table(header=header, rows=rows, caption="Contrasts")


def _design_figures(result: Result) -> list[Figure]:
    design = result.model.design_
    n_columns = len(design.names)
    width = float(np.clip(2.5 + 0.2 * n_columns, 6.0, 9.5))
    figure, axes = canvas(width, 5.0)
    viz.design_matrix(design, ax=axes[0, 0])
    figures = [Figure(figure=figure, caption="Design: one column per regressor.")]
    n_rows = len(dict.fromkeys(design.conditions))
    figure, axes = canvas(9.0, float(np.clip(1.2 + 0.5 * n_rows, 2.6, 8.0)))
    viz.regressors(design, result.tables[0], ax=axes[0, 0])
    where = " of the first run" if len(result.tables) > 1 else ""
    caption = f"Regressors of the conditions{where}, over the events in grey."
    figures.append(Figure(figure=figure, caption=caption))
    side = float(np.clip(2.5 + 0.17 * n_columns, 5.5, 8.0))
    figure, axes = canvas(side + 0.7, side)
    viz.correlation_matrix(design, ax=axes[0, 0])
    caption = (
        "Correlation among regressors. Conditions that correlate with each other or "
        "with confounds are estimated with a large variance."
    )
    return [*figures, Figure(figure=figure, caption=caption)]


def _fit_figure(result: Result) -> list[Figure]:
    """Map of R2, or its distribution where there is no volume."""
    label = "R² of the responses"
    caption = (
        "Share of the variance that the responses to the conditions explain, beyond "
        "drifts and confounds, in the data that were fitted."
    )
    r2 = np.asarray(result.r2, float)
    if not np.isfinite(r2).any():
        return []
    if result.bold.mask is not None:
        volume = result.bold.volume(np.maximum(r2, 0))
        figure = map_figure(volume, result.bold.affine, label=label)
    else:
        figure, axes = canvas(6.5, 3.2)
        viz.scores(r2, metric=label, ax=axes[0, 0])
    return [Figure(figure=figure, caption=caption)]


def _contrast(
    result: Result, asked: Asked, maps: dict[str, np.ndarray], cut: Threshold
) -> Section:
    z, design = np.asarray(maps["z"], float), result.model.design_
    n_shown = int(
        (
            asked.weights.any(0)
            | (np.arange(asked.weights.shape[1]) < design.n_conditions)
        ).sum()
    )
    figure, axes = canvas(float(np.clip(2.0 + 0.45 * n_shown, 4.0, 9.0)), 3.0)
    rows = asked.weights if len(asked.weights) > 1 else asked.weights[0]
    viz.contrast(rows, design, ax=axes[0, 0])
    figures = [Figure(figure=figure, caption="Weights of the contrast.")]
    finite = np.isfinite(z)
    if finite.any():
        figures += _maps(result, asked, z, cut)
    header, table = peak_rows(result, z, asked)
    words = f"{asked.stat} contrast {asked.expression}. Threshold: {cut.words}"
    words += f", which is z = {cut.z:.2f}; " if np.isfinite(cut.z) else "; "
    words += f"{cut.n_above} of {int(finite.sum())} targets survive."
    tables = []
    if table:
        caption = "Peaks" if len(header) > 2 else "Largest"
        if len(table) > _MOST_ROWS:
            caption += f", the first {_MOST_ROWS} of {len(table)}"
        shown = [_blank(row) for row in table[:_MOST_ROWS]]
        tables = [Table(header=header, rows=shown, caption=caption)]
    return Section(
        title=asked.name,
        source=_source(result),
        paragraphs=[words],
        tables=tables,
        figures=figures,
    )


def _maps(result: Result, asked: Asked, z: np.ndarray, cut: Threshold) -> list[Figure]:
    figures = []
    bar = cut.z if np.isfinite(cut.z) else None
    if result.bold.mask is not None and (z[np.isfinite(z)] != 0).any():
        one_sided = np.maximum(z, 0) if asked.stat == "F" else z
        volume = result.bold.volume(one_sided)
        figure = map_figure(volume, result.bold.affine, threshold=bar, label="z value")
        said = f"Coloured: {cut.words}"
        if bar is None:
            said = "No target survives, so all are shown"
        figures.append(Figure(figure=figure, caption=f"Map of z. {said}."))
    figure, axes = canvas(6.5, 3.2)
    viz.z_histogram(z, threshold=bar, ax=axes[0, 0])
    caption = (
        "Distribution of z over targets. Where nothing responds it follows the curve; "
        "responses make the tails heavier."
    )
    return [*figures, Figure(figure=figure, caption=caption)]


def _blank(row: list[Any]) -> list[Any]:
    """Leave out what does not apply, such as the size at further peaks of a cluster."""
    return ["" if isinstance(one, float) and np.isnan(one) else one for one in row]
