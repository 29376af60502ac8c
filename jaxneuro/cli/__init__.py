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
from . import fit

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
    fit.add_parser(commands)
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
    demo.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    demo.set_defaults(run=_run_demo)


def _run_info(options: argparse.Namespace) -> int:
    from .info import run

    return run(options)


def _run_demo(options: argparse.Namespace) -> int:
    from .demo import run

    return run(options)
