"""Files of ``jaxneuro fit glm``: maps, designs, thresholds and tables of peaks."""

import csv
import dataclasses
import json
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from .. import __version__, glm, io
from ..io import bids
from ._fit_glm import Asked, Result, parse_threshold

__all__ = ["Threshold", "peak_rows", "threshold_of", "write_maps"]

_MIN_DISTANCE = 8.0  # mm between peaks of one cluster


@dataclasses.dataclass(frozen=True, kw_only=True)
class Threshold:
    """Where a map is cut.

    Attributes
    ----------
    z : float
        Least absolute z; infinite where nothing survives.
    words : str
        The rule, for readers.
    n_above : int
        Targets that survive.
    """

    z: float
    words: str
    n_above: int


def threshold_of(z: np.ndarray, stat: str, rule: str, alpha: float) -> Threshold:
    """Find the threshold of a map of z: two-sided for t, one-sided for F."""
    from scipy.special import ndtr

    given = parse_threshold(rule, alpha)
    sides = 2 if stat == "t" else 1
    size = np.abs(z) if stat == "t" else z
    size = size[np.isfinite(size)].astype(np.float64)
    tail = "two-sided" if stat == "t" else "one-sided"
    if given is not None:
        cut, words = given, f"z of {given:g}, {tail}, not corrected"
    elif rule == "bonferroni":
        cut = NormalDist().inv_cdf(1 - alpha / sides / max(size.size, 1))
        words = f"p < {alpha:g}, {tail}, Bonferroni over {size.size} targets"
    else:
        adjusted = np.asarray(glm.fdr(np.minimum(sides * ndtr(-size), 1.0)))
        found = size[adjusted <= alpha]
        cut = float(found.min()) if found.size else float("inf")
        words = f"q < {alpha:g}, {tail}, false discovery rate over {size.size} targets"
    return Threshold(z=cut, words=words, n_above=int((size >= cut).sum()))


def write_maps(result: Result, folder: Path) -> list[str]:
    """Write all maps and tables, and return the names of the files."""
    options, bold = result.options, result.bold
    written: list[str] = []

    def name_of(contrast: str | None, stat: str) -> str:
        return bids.map_name(options.bold, contrast, stat, bold.suffix)

    for asked, maps in zip(result.contrasts, result.maps, strict=True):
        chosen = {asked.stat: "stat", "z": "z", "p": "p", "neg_log10_p": "neg_log10_p"}
        if asked.stat == "t":
            chosen |= {"effect": "effect", "variance": "variance"}
        for stat, key in chosen.items():
            written.append(name_of(asked.name, stat))
            bold.save(np.asarray(maps[key], np.float32), folder / written[-1])
        written += _write_peaks(result, asked, maps["z"], folder)
    written.append(name_of(None, "r2"))
    bold.save(np.asarray(result.r2, np.float32), folder / written[-1])
    return written + _write_design(result, folder) + _write_meta(result, folder)


def peak_rows(
    result: Result, z: np.ndarray, asked: Asked
) -> tuple[list[str], list[list]]:
    """Header and rows of the table of peaks; of the largest targets if no volume."""
    options = result.options
    cut = threshold_of(z, asked.stat, options.threshold, options.alpha).z
    if result.bold.mask is not None and result.bold.affine is not None:
        if not np.isfinite(cut):
            return _VOLUME, []
        found = io.peaks(
            result.bold.volume(z),
            result.bold.affine,
            cut * (1 - 1e-6),  # the peak that sets the threshold belongs to it
            min_distance=_MIN_DISTANCE,
            two_sided=asked.stat == "t",
        )
        return _VOLUME, [[_whole(one) for one in row.values()] for row in found]
    size = np.nan_to_num(np.abs(z) if asked.stat == "t" else z, nan=-np.inf)
    order = np.argsort(-size, kind="stable")
    above = order[size[order] >= cut][:100]
    return ["Target", "z"], [[int(i), float(z[i])] for i in above]


def _whole(value: float | str) -> float | str:
    """Sizes and coordinates without a decimal point where they are whole."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_VOLUME = ["Cluster", "x (mm)", "y (mm)", "z (mm)", "z value", "Size (mm³)"]


def _prefix(result: Result) -> str:
    shared = bids.shared_entities(result.options.bold)
    return "".join(f"{key}-{value}_" for key, value in shared.items())


def _write_peaks(
    result: Result, asked: Asked, z: np.ndarray, folder: Path
) -> list[str]:
    options = result.options
    cut = threshold_of(z, asked.stat, options.threshold, options.alpha)
    stem = f"{_prefix(result)}contrast-{bids.contrast_label(asked.name)}"
    header, rows = peak_rows(result, z, asked)
    names = [f"{stem}_stat-{asked.stat}_clusters.{end}" for end in ("tsv", "json")]
    with (folder / names[0]).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerows([header, *rows])
    meta = {
        "Contrast": asked.expression,
        "Threshold": cut.z if np.isfinite(cut.z) else None,
        "ThresholdRule": cut.words,
        "TargetsAbove": cut.n_above,
    }
    _write_json(folder / names[1], meta)
    return names


def _write_design(result: Result, folder: Path) -> list[str]:
    """One table per run, its columns alone, with the repetition time beside it."""
    design, names = result.model.design_, []
    run_id, matrix = np.asarray(design.run_id), np.asarray(design.matrix)
    n_runs = int(run_id[-1]) + 1
    for run in range(n_runs):
        X = matrix[run_id == run]
        columns = np.flatnonzero(X.any(axis=0))
        middle = f"run-{run + 1}_" if n_runs > 1 else ""
        stem = f"{_prefix(result)}{middle}design"
        with (folder / f"{stem}.tsv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter="\t")
            writer.writerow([design.names[column] for column in columns])
            writer.writerows(X[:, columns].tolist())
        _write_json(folder / f"{stem}.json", {"RepetitionTime": result.model.tr})
        names += [f"{stem}.tsv", f"{stem}.json"]
    return names


def _write_meta(result: Result, folder: Path) -> list[str]:
    options, bold = result.options, result.bold
    model: dict[str, Any] = {
        name: getattr(options, name)
        for name in ("hrf_model", "drift_model", "high_pass", "noise_model", "compat")
    }
    model |= {"smoothing_fwhm": options.smoothing_fwhm, "dtype": options.dtype}
    statmap = {
        "Description": "Statistical maps of a first-level general linear model.",
        "ModelParameters": model,
        "DegreesOfFreedom": result.model.dof_,
        "Sources": [str(path) for path in options.bold],
        "Contrasts": {one.name: one.expression for one in result.contrasts},
    }
    names = [f"{_prefix(result)}statmap.json", "dataset_description.json"]
    _write_json(folder / names[0], statmap)
    made = {"Name": "jaxneuro", "Version": __version__}
    description = {
        "Name": "Maps of a general linear model",
        "BIDSVersion": "1.9.0",
        "DatasetType": "derivative",
        "GeneratedBy": [made],
    }
    _write_json(folder / names[1], description)
    if bold.mask is not None:
        names.append(f"{_prefix(result)}mask.nii.gz")
        bold.save(np.ones(bold.runs[0].shape[1], np.float32), folder / names[-1])
    return names


def _write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
