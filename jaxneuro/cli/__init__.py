"""The ``jaxneuro`` command.

User errors end with one sentence and exit code 2, Ctrl-C with exit code 130.
Nothing heavy is imported before a subcommand runs.
"""

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from typing import NoReturn

from .. import __version__

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments. Default: those of the process.

    Returns
    -------
    int
        Exit code: 0, 2 for a user error, or 130 after Ctrl-C.
    """
    options = _parser().parse_args(argv)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warn
            return options.run(options)
    except KeyboardInterrupt:
        print("\njaxneuro: interrupted", file=sys.stderr)
        if argv is None:
            _leave(130)
        return 130
    except (ValueError, OSError, ImportError) as error:
        print(f"jaxneuro: {_sentence(error)}", file=sys.stderr)
        return 2


def _leave(code: int) -> NoReturn:
    """End the process at once.

    XLA compiles in threads that Python cannot stop: an orderly shutdown in the midst
    of a compilation ends in a segmentation fault.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _warn(message: Warning | str, *where: object) -> None:
    """Show a warning as a sentence, without the place in the code."""
    del where
    print(f"jaxneuro: warning: {message}", file=sys.stderr)


def _sentence(error: Exception) -> str:
    """Text of an error in one line; a system error without its number."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror.lower()}."
    return " ".join(str(error).split()) or type(error).__name__


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="jaxneuro",
        description="Neural encoding and decoding models for thousands of channels.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    info = commands.add_parser("info", help="versions, devices and folders")
    info.set_defaults(run=_run_info)
    _add_demo(commands)
    _add_fit(commands)
    return parser


def _add_demo(commands: argparse._SubParsersAction) -> None:
    demo = commands.add_parser(
        "demo", help="analyse sample recordings and write an HTML report"
    )
    demo.add_argument(
        "--out",
        default="jaxneuro-report",
        metavar="FOLDER",
        help="where report.html is written (default: %(default)s)",
    )
    demo.add_argument(
        "--only", action="append", metavar="WORKFLOW", help="one workflow, such as trf"
    )
    demo.add_argument(
        "--fast", action="store_true", help="fewer permutations and penalties"
    )
    demo.add_argument(
        "--full",
        action="store_true",
        help="add recordings that must be fetched (83 MB, once)",
    )
    _add_dtype(demo)
    demo.set_defaults(run=_run_demo)


def _add_fit(commands: argparse._SubParsersAction) -> None:
    fit = commands.add_parser("fit", help="fit a model to arrays in files")
    models = fit.add_subparsers(required=True, metavar="MODEL")
    trf = models.add_parser(
        "trf",
        help="temporal response function, forward or backward",
        description="Fit lagged ridge regression from the trials in one file to those "
        "in another. Encoding: stimulus as X, lags from 0 up. Reconstruction: "
        "responses as X, lags up to 0.",
    )
    data = trf.add_argument_group("data (.npy, .npz, .h5)")
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
    model = trf.add_argument_group("model")
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
    _add_dtype(model)
    output = trf.add_argument_group("output")
    output.add_argument(
        "--out", required=True, metavar="FILE", help="the fit, for jaxneuro.io.load"
    )
    output.add_argument("--report", metavar="FILE", help="an HTML report")
    trf.set_defaults(run=_run_fit_trf)


def _add_dtype(group: argparse._ActionsContainer) -> None:
    group.add_argument("--dtype", choices=["float32", "float64"], default="float32")


def _run_info(options: argparse.Namespace) -> int:
    from .info import run

    return run(options)


def _run_demo(options: argparse.Namespace) -> int:
    from .demo import run

    return run(options)


def _run_fit_trf(options: argparse.Namespace) -> int:
    from .fit import run_trf

    return run_trf(options)
