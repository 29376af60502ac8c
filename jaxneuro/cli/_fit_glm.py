"""``jaxneuro fit glm``: from BOLD images and tables of events to maps and a report."""

import argparse
import dataclasses
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from .. import glm, io
from ..estimators import GLM
from ..io import bids
from ._options import add_dtype

__all__ = [
    "Asked",
    "Result",
    "add_arguments",
    "describe",
    "parse_contrasts",
    "parse_threshold",
    "run",
]

_DESCRIPTION = """\
Fit a general linear model to every voxel or vertex of BOLD runs, with autoregressive
noise of its own, and write maps of contrasts, the design and a report. Several runs are
fitted each and combined by fixed effects.

  jaxneuro fit glm --bold run-1_bold.nii.gz run-2_bold.nii.gz \\
      --events run-1_events.tsv run-2_events.tsv --tr 2 --mask brain.nii.gz \\
      --contrast "face - house" --contrast "scenes=scene - (face + body) / 2" \\
      --f-contrast "any=face; house; scene; body" --out maps/
"""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """A contrast of the command line.

    Attributes
    ----------
    name, expression : str
        What it is called, and its text.
    stat : {"t", "F"}
        Which test.
    weights : array (n_rows, n_regressors)
        On the columns of the design.
    """

    name: str
    expression: str
    stat: str
    weights: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """What was fitted, for the files and the report.

    Attributes
    ----------
    options : argparse.Namespace
        Of the command line.
    bold : io.Bold
        Data.
    model : GLM
        Fitted.
    tables : list of DataFrame
        Events of each run.
    contrasts : list of Asked
        What was asked.
    maps : list of dict
        Their maps (n_targets,) by name.
    r2 : array (n_targets,)
        Share of the variance that the responses explain.
    seconds : float
        Time of fit and contrasts.
    """

    options: argparse.Namespace
    bold: io.Bold
    model: GLM
    tables: list[Any]
    contrasts: list[Asked]
    maps: list[dict[str, np.ndarray]]
    r2: np.ndarray
    seconds: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's options."""
    parser.description = _DESCRIPTION
    data = parser.add_argument_group("data, one file per run")
    data.add_argument(
        "--bold",
        required=True,
        nargs="+",
        metavar="FILE",
        help=".nii, .nii.gz, .dtseries.nii, .ptseries.nii, .func.gii, .npy, .npz, .h5",
    )
    data.add_argument(
        "--events",
        required=True,
        nargs="+",
        metavar="TSV",
        help="onset, duration, trial_type, and modulation if there is one",
    )
    data.add_argument(
        "--confounds",
        nargs="+",
        metavar="FILE",
        help="nuisance: .tsv and .csv with names, .txt and .par of numbers",
    )
    data.add_argument(
        "--confound-columns",
        nargs="+",
        metavar="NAME",
        help="columns to take from them, or patterns such as 'trans_*' (default: all)",
    )
    data.add_argument(
        "--confound-strategy",
        nargs="+",
        metavar="WORD",
        help="take confounds of fMRIPrep beside the images: motion, wm_csf, scrub, …",
    )
    data.add_argument(
        "--tr", type=float, metavar="SECONDS", help="(default: that of the images)"
    )
    data.add_argument("--mask", metavar="FILE", help="voxels to fit (default: brain)")
    data.add_argument("--smoothing-fwhm", type=float, metavar="MM", help="of volumes")
    _add_model(parser.add_argument_group("model"))
    tests = parser.add_argument_group("contrasts, as many as wanted")
    form = "[NAME=]EXPRESSION"
    tests.add_argument("--contrast", action="append", default=[], metavar=form)
    tests.add_argument(
        "--f-contrast", action="append", default=[], metavar=form, help="rows by ';'"
    )
    tests.add_argument(
        "--threshold",
        default="fdr",
        metavar="RULE",
        help="fdr, bonferroni, or a value of z (default: %(default)s)",
    )
    tests.add_argument("--alpha", type=float, default=0.05, help="error rate of it")
    output = parser.add_argument_group("output")
    output.add_argument("--out", required=True, metavar="FOLDER", help="made if absent")


def _add_model(model: argparse._ArgumentGroup) -> None:
    model.add_argument("--hrf-model", default="spm", metavar="NAME")
    model.add_argument(
        "--drift-model", choices=["cosine", "polynomial", "none"], default="cosine"
    )
    model.add_argument("--high-pass", type=float, default=0.01, metavar="HZ")
    model.add_argument(
        "--slice-time-ref", type=float, metavar="SHARE", help="of a scan, 0 to 1"
    )
    model.add_argument(
        "--noise-model",
        default="ar1",
        metavar="NAME",
        help="ols, ar1, ar2 …, arma11, tukey of each voxel, global_ar1 … of all "
        "(%(default)s)",
    )
    model.add_argument("--compat", choices=["nilearn"], help="its numbers")
    add_dtype(model)


def parse_contrasts(options: argparse.Namespace, design: glm.Design) -> list[Asked]:
    """Read the contrasts of the command line.

    Parameters
    ----------
    options : argparse.Namespace
        contrast and f_contrast, each a list of ``[NAME=]EXPRESSION``.
    design : Design
        Knows the names.

    Returns
    -------
    list of Asked
        In the order given, t before F.

    Raises
    ------
    ValueError
        If there is none, a name is unknown, or two give files of the same name.
    """
    asked = []
    for stat, texts in (("t", options.contrast), ("F", options.f_contrast)):
        for text in texts:
            name, equal, expression = text.rpartition("=")
            expression = expression.strip()
            rows = [row.strip() for row in expression.split(";") if row.strip()]
            if not rows or (stat == "t" and len(rows) > 1):
                raise ValueError(
                    f"--{'f-' * (stat == 'F')}contrast is {text!r} but must be an "
                    'expression such as "face - house"; --f-contrast takes several, '
                    "with semicolons."
                )
            weights = design.contrast(rows, basis="all" if stat == "F" else None)
            asked.append(
                Asked(
                    name=name.strip() if equal else expression,
                    expression=expression,
                    stat=stat,
                    weights=weights,
                )
            )
    if not asked:
        raise ValueError(
            "no contrast is asked for; give at least one --contrast or --f-contrast."
        )
    labels = [bids.contrast_label(one.name) for one in asked]
    for index, label in enumerate(labels):
        if label in labels[:index]:
            raise ValueError(
                f"two contrasts would be written as {label!r}; name one of them, as "
                "in --contrast name=expression."
            )
    return asked


def run(options: argparse.Namespace) -> int:
    """Fit, write maps, tables and the report, and say where they are.

    Parameters
    ----------
    options : argparse.Namespace
        Of the command line.

    Returns
    -------
    int
        Exit code 0.

    Raises
    ------
    ValueError
        If files or options do not fit each other.
    """
    from ._fit_glm_maps import write_maps
    from ._fit_glm_report import write_report

    bold = io.read_bold(
        options.bold, mask=options.mask, smoothing_fwhm=options.smoothing_fwhm
    )
    lengths = [run.shape[0] for run in bold.runs]
    tables, confounds, keep = _tables(options, lengths)
    drift_model = None if options.drift_model == "none" else options.drift_model
    model = GLM(
        _tr(options, bold), noise_model=options.noise_model, dtype=options.dtype
    )
    model.set_params(compat=options.compat)
    design = glm.design(
        tables,
        lengths,
        model.tr,
        hrf_model=options.hrf_model,
        drift_model=drift_model,
        high_pass=options.high_pass,
        slice_time_ref=options.slice_time_ref,
        confounds=confounds,
        compat=options.compat,
    )
    contrasts = parse_contrasts(options, design)
    parse_threshold(options.threshold, options.alpha)
    start = time.perf_counter()
    model.fit(bold.runs, design, keep=keep)
    maps = [
        model.contrast(
            one.weights[0] if one.stat == "t" else one.weights,
            stat=one.stat,
            output="all",
        )
        for one in contrasts
    ]
    result = Result(
        options=options,
        bold=bold,
        model=model,
        tables=tables,
        contrasts=contrasts,
        maps=maps,
        r2=model.score_targets(bold.runs, design),
        seconds=time.perf_counter() - start,
    )
    print(describe(result))
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    names = write_maps(result, folder)
    print(f"Maps and tables: {folder} ({len(names)} files)")
    print(f"Report: {write_report(result, folder)}")
    return 0


def parse_threshold(rule: str, alpha: float) -> float | None:
    """Read how maps are thresholded: a value of z, or None for a rule by name."""
    if not 0 < alpha < 1:
        raise ValueError(f"--alpha is {alpha:g} but must lie between 0 and 1.")
    if rule in ("fdr", "bonferroni"):
        return None
    try:
        value = float(rule)
    except ValueError:
        value = -1.0
    if not value > 0:
        raise ValueError(
            f"--threshold is {rule!r} but must be fdr, bonferroni or a positive z."
        )
    return value


def describe(result: Result) -> str:
    """Say in one line what was fitted."""
    design, bold = result.model.design_, result.bold
    n_scans = ", ".join(str(run.shape[0]) for run in bold.runs)
    runs = "1 run" if len(bold.runs) == 1 else f"{len(bold.runs)} runs"
    return (
        f"{runs} of {n_scans} scans, {bold.runs[0].shape[1]} targets, "
        f"{len(design.names)} regressors ({design.n_conditions} of conditions), "
        f"{result.options.noise_model} noise, {result.model.dof_:g} degrees of "
        f"freedom, {result.seconds:.1f} s"
    )


def _tr(options: argparse.Namespace, bold: io.Bold) -> float:
    if options.tr is None:
        if bold.tr is None:
            raise ValueError(
                "the images do not say the time between scans; give it with --tr."
            )
        return bold.tr
    if bold.tr is not None and abs(bold.tr - options.tr) > 1e-3 * abs(options.tr):
        warnings.warn(
            f"--tr is {options.tr:g} s but the images say {bold.tr:g} s; "
            f"{options.tr:g} s is used.",
            UserWarning,
            stacklevel=2,
        )
    return options.tr


def _tables(
    options: argparse.Namespace, lengths: list[int]
) -> tuple[list[Any], list[Any] | None, list[np.ndarray] | None]:
    """Events, confounds and the scans to keep, of each run."""
    import pandas as pd

    n_runs = len(lengths)
    for name in ("events", "confounds"):
        files = getattr(options, name)
        if files is not None and len(files) != n_runs:
            raise ValueError(
                f"--{name} has {len(files)} files but --bold has {n_runs} runs; give "
                "one per run."
            )
    tables = [
        pd.read_csv(path, sep="," if path.endswith(".csv") else "\t")
        for path in options.events
    ]
    if options.confound_strategy is not None:
        if options.confounds is not None:
            raise ValueError(
                "--confounds and --confound-strategy exclude each other; give one."
            )
        strategy = options.confound_strategy
        found = [bids.read_confounds(one, strategy=strategy) for one in options.bold]
    elif options.confounds is not None:
        columns = options.confound_columns
        found = [bids.read_confounds(one, columns=columns) for one in options.confounds]
    else:
        return tables, None, None
    confounds, keep = [one[0] for one in found], [one[1] for one in found]
    return tables, confounds, None if np.concatenate(keep).all() else keep
