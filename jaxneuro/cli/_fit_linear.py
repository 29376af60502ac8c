"""``jaxneuro fit ridge``, ``banded`` and ``lasso``: linear models of many targets."""

import argparse
import time
from typing import Any, NamedTuple

import numpy as np

from .. import io
from ..estimators import BandedRidgeCV, LassoCV, RidgeCV
from ._fit_trf import _read, _table, parse_trials
from ._options import add_dtype, check_folders, parse_alphas

__all__ = ["Data", "add_arguments", "parse_bands", "parse_shape", "run"]

_LEADS = {
    "ridge": "Fit ridge regression of every target, each with its own penalty.",
    "banded": "Fit ridge regression with a penalty for each band of features and "
    "target.",
    "lasso": "Fit sparse regression of every target, each with its own penalty.",
}
_EXAMPLES = {"ridge": "", "banded": " --bands 0,0,0,1,1", "lasso": " --shape 16,16"}
_CLOSED_FORM = ("loo", "gcv")


class Data(NamedTuple):
    """Samples to fit and samples to hold out.

    Attributes
    ----------
    X : array (n_samples, n_features)
        Predictors.
    Y : array (n_samples, n_targets)
        Targets.
    trial_id : int array (n_samples,)
        Trial of each sample.
    held_out : tuple of array, or None
        Predictors and targets of the trials that are kept for the scores.
    """

    X: np.ndarray
    Y: np.ndarray
    trial_id: np.ndarray
    held_out: tuple[np.ndarray, np.ndarray] | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options of the model that the parser is named after."""
    name = parser.prog.split()[-1]
    parser.set_defaults(model=name)
    parser.description = (
        f"{_LEADS[name]}\n\n  jaxneuro fit {name} --x features.npy --y voxels.npy"
        f"{_EXAMPLES[name]} \\\n      --out fit.npz --report report.html\n"
    )
    data = parser.add_argument_group("data (.npy, .npz, .h5)")
    data.add_argument("--x", required=True, metavar="FILE", help="predictors")
    data.add_argument("--y", required=True, metavar="FILE", help="what is predicted")
    data.add_argument("--x-key", metavar="NAME", help="array or stem inside the file")
    data.add_argument("--y-key", metavar="NAME", help="array or stem inside the file")
    data.add_argument(
        "--test",
        default="",
        metavar="TRIALS",
        help="arrays of the files to hold out for the scores, such as 0 or 0,3",
    )
    _add_model(parser.add_argument_group("model"), name)
    output = parser.add_argument_group("output")
    output.add_argument(
        "--out", required=True, metavar="FILE", help="the fit, for jaxneuro.io.load"
    )
    output.add_argument("--report", metavar="FILE", help="an HTML report")


def _add_model(model: argparse._ActionsContainer, name: str) -> None:
    own = "one for each target" if name == "lasso" else "1e-2:1e5:15"
    model.add_argument(
        "--alphas",
        metavar="GRID",
        default=None if name == "lasso" else own,
        help="penalties to search: FIRST:LAST:COUNT on a log scale, or a list with "
        f"commas (default: {own})",
    )
    model.add_argument(
        "--cv",
        metavar="SCHEME",
        help=f"{_schemes(name)} (default: trials, or 5 folds of a single array)",
    )
    if name == "banded":
        model.add_argument(
            "--bands",
            required=True,
            metavar="BANDS",
            help="band of each feature from 0: numbers with commas, or a .npy file",
        )
        model.add_argument(
            "--n-iter", type=int, default=100, help="weightings (default: %(default)s)"
        )
    if name == "lasso":
        model.add_argument(
            "--shape", metavar="H,W", help="pixels of the features, to draw the fields"
        )
    add_dtype(model)


def parse_bands(text: str) -> np.ndarray:
    """Read the band of each feature.

    Parameters
    ----------
    text : str
        Numbers with commas, or the name of a ``.npy`` file of integers.

    Returns
    -------
    int array (n_features,)
        Bands.

    Raises
    ------
    ValueError
        If `text` or what the file holds is not that.
    """
    if text.endswith(".npy"):
        (bands,) = io.read_arrays(text)
        if bands.dtype.kind not in "iu" or bands.ndim != 1:
            raise ValueError(
                f"--bands names {text}, which holds {bands.dtype} of shape "
                f"{bands.shape} but must hold one integer per feature."
            )
        return bands.astype(int)
    try:
        return np.array([int(number) for number in text.split(",")])
    except ValueError as error:
        raise ValueError(
            f"--bands is {text!r} but must be the band of each feature, such as "
            "0,0,1, or a .npy file of them."
        ) from error


def parse_shape(text: str | None, n_features: int) -> tuple[int, int] | None:
    """Read the height and width of the stimulus in pixels.

    Parameters
    ----------
    text : str or None
        Such as ``"16,32"``.
    n_features : int
        Their product.

    Returns
    -------
    tuple of int, or None
        Height and width.

    Raises
    ------
    ValueError
        If `text` is not two numbers, or they are not the shape of the features.
    """
    if text is None:
        return None
    sizes = text.split(",")
    if len(sizes) != 2 or not all(size.strip().isdecimal() for size in sizes):
        raise ValueError(f"--shape is {text!r} but must be H,W, such as 16,32.")
    height, width = int(sizes[0]), int(sizes[1])
    if height * width != n_features:
        raise ValueError(
            f"--shape is {text!r}, {height * width} pixels, but --x has {n_features} "
            "features; give the height and width that they came from."
        )
    return height, width


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
    data = _data(options)
    model = _model(options, data)
    start = time.perf_counter()
    model.fit(data.X, data.Y)
    seconds = time.perf_counter() - start
    io.save(options.out, model.fit_)
    scores = _scores(model, data)
    print(
        f"{data.X.shape[1]} features -> {data.Y.shape[1]} targets; "
        f"{len(data.X)} samples; {seconds:.1f} s"
    )
    print(_table(scores))
    print(f"Fit: {options.out}")
    if options.report:
        from ._fit_linear_report import write_report

        path = write_report(options, model, data, scores, seconds)
        print(f"Report: {path}")
    return 0


def _data(options: argparse.Namespace) -> Data:
    """Join the trials of both files; further axes of the predictors are features."""
    X, Y = _read(options)
    test = parse_trials(options.test, len(X))
    train = [index for index in range(len(X)) if index not in test]

    def join(trials: list[np.ndarray], chosen: list[int]) -> np.ndarray:
        joined = np.concatenate([trials[index] for index in chosen])
        return joined.astype(options.dtype, copy=False)

    X = [trial.reshape(len(trial), -1) for trial in X]
    return Data(
        X=join(X, train),
        Y=join(Y, train),
        trial_id=np.repeat(np.arange(len(train)), [len(X[i]) for i in train]),
        held_out=(join(X, test), join(Y, test)) if test else None,
    )


def _schemes(name: str) -> str:
    closed = f"{', '.join(_CLOSED_FORM)}, " if name == "ridge" else ""
    return f"trials, {closed}or a number of folds from 2"


def _scheme(options: argparse.Namespace, trial_id: np.ndarray) -> Any:
    cv = options.cv or ("trials" if trial_id[-1] > 0 else "5")
    if cv in _CLOSED_FORM and options.model == "ridge":
        return cv
    if cv == "trials":
        if trial_id[-1] == 0:
            raise ValueError(
                "--cv is 'trials' but one array is left to fit; give a number of folds."
            )
        return trial_id
    if not cv.isdecimal() or int(cv) < 2:
        raise ValueError(f"--cv is {cv!r} but must be {_schemes(options.model)}.")
    return int(cv)


def _model(options: argparse.Namespace, data: Data) -> Any:
    grid = None if options.alphas is None else parse_alphas(options.alphas)
    shared = {
        "alphas": grid,
        "cv": _scheme(options, data.trial_id),
        "dtype": options.dtype,
        "show_progress": True,
    }
    if options.model == "ridge":
        return RidgeCV(**shared)
    if options.model == "banded":
        if options.n_iter < 1:
            raise ValueError(f"--n-iter is {options.n_iter} but must be 1 or more.")
        bands = parse_bands(options.bands)
        return BandedRidgeCV(bands, n_iter=options.n_iter, **shared)
    parse_shape(options.shape, data.X.shape[1])  # refused before the fit
    return LassoCV(**shared)


def _scores(model: Any, data: Data) -> dict[str, np.ndarray]:
    """Scores (n_targets,) by name: cross-validated and of the held-out trials."""
    found = np.asarray(model.cv_scores_)
    if isinstance(model, LassoCV):  # minus the squared error
        power = data.Y.var(0, dtype=np.float64)
        found = 1 + found / np.where(power > 0, power, np.nan)
    scores = {"cross-validated R²": found}
    if data.held_out is not None:
        held_out = model.score_targets(*data.held_out, metric=("r2", "correlation"))
        scores["held-out R²"] = np.asarray(held_out["r2"])
        scores["held-out correlation"] = np.asarray(held_out["correlation"])
    return scores
