"""``jaxneuro fit trf``: lagged ridge regression of the arrays in files."""

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import io
from ..estimators import TRF
from ._options import add_dtype, check_folders, parse_alphas

__all__ = ["add_arguments", "parse_trials", "run"]

_DESCRIPTION = """\
Fit lagged ridge regression from the trials in one file to those in another.
Encoding: stimulus as X, lags from 0 up. Reconstruction: responses as X, lags up to 0.

  jaxneuro fit trf --x stim.npz --y resp.npz --tmin 0 --tmax 0.4 --sfreq 100 \\
      --out fit.npz --report report.html
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's options."""
    parser.description = _DESCRIPTION
    data = parser.add_argument_group("data (.npy, .npz, .h5)")
    data.add_argument("--x", required=True, metavar="FILE", help="predictors")
    data.add_argument("--y", required=True, metavar="FILE", help="what is predicted")
    data.add_argument("--x-key", metavar="NAME", help="array or stem inside the file")
    data.add_argument("--y-key", metavar="NAME", help="array or stem inside the file")
    data.add_argument(
        "--test",
        default="",
        metavar="TRIALS",
        help="trials to hold out for the scores, such as 0 or 0,3",
    )
    model = parser.add_argument_group("model")
    model.add_argument("--tmin", required=True, type=float, help="first lag, seconds")
    model.add_argument("--tmax", required=True, type=float, help="last lag, seconds")
    model.add_argument("--sfreq", required=True, type=float, help="samples per second")
    strength = model.add_mutually_exclusive_group()
    strength.add_argument("--alpha", type=float, help="one penalty, no search")
    strength.add_argument(
        "--alphas",
        default="1e-2:1e5:8",
        metavar="GRID",
        help="penalties to search: FIRST:LAST:COUNT on a log scale, or a list with "
        "commas (default: %(default)s)",
    )
    model.add_argument(
        "--cv",
        metavar="SCHEME",
        help="trials, gcv, or a number of folds (default: trials, or 5 folds of a "
        "single trial)",
    )
    model.add_argument("--penalty", choices=["ridge", "laplacian"], default="ridge")
    model.add_argument(
        "--convention",
        choices=["naplib", "mne", "mtrf"],
        help="reproduce the edges and penalty of another program",
    )
    add_dtype(model)
    output = parser.add_argument_group("output")
    output.add_argument(
        "--out", required=True, metavar="FILE", help="the fit, for jaxneuro.io.load"
    )
    output.add_argument("--report", metavar="FILE", help="an HTML report")


def parse_trials(text: str, n_trials: int) -> list[int]:
    """Read which trials are held out.

    Parameters
    ----------
    text : str
        Trial numbers from 0 with commas; negative ones count from the end.
    n_trials : int
        How many there are.

    Returns
    -------
    list of int
        Trial numbers, ascending.

    Raises
    ------
    ValueError
        If a number is not that of a trial, or no trial would be left.
    """
    if not text:
        return []
    try:
        chosen = {range(n_trials)[int(number)] for number in text.split(",")}
    except (ValueError, IndexError) as error:
        raise ValueError(
            f"--test is {text!r} but must be numbers of trials from 0 to "
            f"{n_trials - 1}, such as 0 or 0,3."
        ) from error
    if len(chosen) == n_trials:
        raise ValueError(
            f"--test holds out all {n_trials} trials; leave at least one to fit."
        )
    return sorted(chosen)


def run(options: argparse.Namespace) -> int:
    """Fit, save, print the scores, and write the report if one is wanted.

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
    check_folders(options.out, options.report)
    X, Y = _read(options)
    test = parse_trials(options.test, len(X))
    train = [index for index in range(len(X)) if index not in test]
    model = _model(options, len(train))
    start = time.perf_counter()
    model.fit([X[i] for i in train], [Y[i] for i in train])
    seconds = time.perf_counter() - start
    io.save(options.out, model.fit_)
    held_out = [X[i] for i in test], [Y[i] for i in test]
    scores = _scores(model, held_out)
    print(_describe(model, X, Y, train, seconds))
    print(_table(scores))
    print(f"Fit: {options.out}")
    if options.report:
        from ._fit_trf_report import write_report

        path = write_report(options, model, held_out, scores, seconds)
        print(f"Report: {path}")
    return 0


def _read(options: argparse.Namespace) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Trials of both files: floating, two axes or more, alike in number and length."""
    X = [_numbers(options.x, x) for x in io.read_arrays(options.x, key=options.x_key)]
    Y = [_numbers(options.y, y) for y in io.read_arrays(options.y, key=options.y_key)]
    if len(X) != len(Y):
        raise ValueError(
            f"{options.y} holds {len(Y)} trials but {options.x} holds {len(X)}; "
            "each trial needs both (choose arrays with --x-key and --y-key)."
        )
    for index, (x, y) in enumerate(zip(X, Y, strict=True)):
        if len(x) != len(y):
            raise ValueError(
                f"Trial {index} has {len(y)} time points in {options.y} but {len(x)} "
                f"in {options.x}; trim or resample them to the same length."
            )
    return X, Y


def _numbers(path: str, trial: np.ndarray) -> np.ndarray:
    if trial.dtype.kind not in "fiub":
        raise ValueError(
            f"{path} holds values of type {trial.dtype} but must hold real numbers."
        )
    return trial[:, None] if trial.ndim == 1 else trial


def _model(options: argparse.Namespace, n_trials: int) -> TRF:
    cv: str | int = options.cv or ("trials" if n_trials > 1 else 5)
    if isinstance(cv, str) and cv not in ("trials", "gcv"):
        if not cv.isdecimal() or int(cv) < 2:
            raise ValueError(
                f"--cv is {cv!r} but must be trials, gcv, or a number of folds from 2."
            )
        cv = int(cv)
    search = (
        {"alphas": parse_alphas(options.alphas), "cv": cv}
        if options.alpha is None
        else {"alpha": options.alpha}
    )
    return TRF(
        options.tmin,
        options.tmax,
        options.sfreq,
        penalty=options.penalty,
        convention=options.convention,
        dtype=options.dtype,
        show_progress=True,
        **search,
    )


def _scores(
    model: TRF, held_out: tuple[Sequence[np.ndarray], Sequence[np.ndarray]]
) -> dict[str, np.ndarray]:
    """Scores (n_targets,) by name: cross-validated and of the held-out trials."""
    scores: dict[str, np.ndarray] = {}
    if hasattr(model, "cv_scores_"):
        scores["cross-validated R²"] = np.asarray(model.cv_scores_)
    if held_out[0]:
        found = model.score_targets(*held_out, metric=("r2", "correlation"))
        scores["held-out R²"] = np.asarray(found["r2"])
        scores["held-out correlation"] = np.asarray(found["correlation"])
    return scores


def _describe(model: Any, X: list, Y: list, train: list[int], seconds: float) -> str:
    lags = model.lags_
    n_times = sum(len(X[index]) for index in train)
    alpha = np.unique(np.asarray(model.alpha_))
    chosen = f"{alpha[0]:.3g}" if alpha.size == 1 else f"{alpha[0]:.3g}-{alpha[-1]:.3g}"
    window = f"{1e3 * lags.times[0]:g} to {1e3 * lags.times[-1]:g} ms"
    return (
        f"{X[0].shape[1]} features x {lags.n_lags} lags ({window}) -> "
        f"{Y[0].shape[1]} targets; {len(train)} trials, {n_times} time points; "
        f"alpha {chosen}; {seconds:.1f} s"
    )


def _table(scores: dict[str, np.ndarray]) -> str:
    """Score over targets as text; a hint where there is none."""
    if not scores:
        return "No scores: hold out trials with --test, or search with --alphas."
    lines = [f"{'':<22}{'mean':>9}{'median':>9}{'min':>9}{'max':>9}"]
    for name, values in scores.items():
        defined = values[np.isfinite(values)]
        if defined.size == 0:
            lines.append(f"{name:<22}{'undefined':>9}")
            continue
        numbers = (
            defined.mean(),
            np.median(defined),
            defined.min(),
            defined.max(),
        )
        lines.append(f"{name:<22}" + "".join(f"{number:>9.4f}" for number in numbers))
    return "\n".join(lines)
