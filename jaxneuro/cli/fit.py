"""``jaxneuro fit``: a table of models, each with options and a run of its own.

A module of the table offers ``add_arguments(parser)`` and ``run(options)``. It is
imported when its model is named, so that ``jaxneuro --help`` stays fast.
"""

import argparse
import dataclasses
from importlib import import_module
from typing import Any

__all__ = ["MODELS", "Model", "add_parser"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model:
    """One model of the table.

    Attributes
    ----------
    name : str
        Word after ``jaxneuro fit``.
    help : str
        Line in the list of models.
    module : str
        File of this folder with ``add_arguments`` and ``run``.
    """

    name: str
    help: str
    module: str


MODELS = (
    Model(
        name="trf",
        help="temporal response function, forward or backward",
        module="_fit_trf",
    ),
    Model(
        name="glm",
        help="first-level model of fMRI: maps of contrasts, and a report",
        module="_fit_glm",
    ),
    Model(
        name="ridge",
        help="ridge regression of every target, such as voxels",
        module="_fit_linear",
    ),
    Model(
        name="banded",
        help="ridge regression with a penalty for each band of features",
        module="_fit_linear",
    ),
    Model(
        name="lasso",
        help="sparse regression of every target, such as receptive fields",
        module="_fit_linear",
    ),
    Model(
        name="mei",
        help="images that excite the neurons of a network most, beside Gabors",
        module="_fit_mei",
    ),
)


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add ``fit`` and its models to the command line.

    Parameters
    ----------
    commands : argparse subparsers
        Of the command ``jaxneuro``.
    """
    fit = commands.add_parser("fit", help="fit a model to arrays in files")
    models = fit.add_subparsers(
        required=True, metavar="MODEL", parser_class=_LazyParser
    )
    for model in MODELS:
        models.add_parser(model.name, help=model.help, module=model.module)


class _LazyParser(argparse.ArgumentParser):
    """Parser that learns its arguments when it is used."""

    def __init__(self, *, module: str, **options: Any) -> None:
        super().__init__(
            formatter_class=argparse.RawDescriptionHelpFormatter, **options
        )
        self._module: str | None = module

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self._module is not None:
            model = import_module(f".{self._module}", __package__)
            self._module = None
            model.add_arguments(self)
            self.set_defaults(run=model.run)
        return super().parse_known_args(args, namespace)
