"""Options that several commands share, and how their text is read."""

import argparse
from pathlib import Path

import numpy as np

__all__ = ["add_dtype", "check_folders", "parse_alphas"]


def add_dtype(group: argparse._ActionsContainer) -> None:
    """Add ``--dtype``."""
    group.add_argument("--dtype", choices=["float32", "float64"], default="float32")


def check_folders(*names: str | None) -> None:
    """Refuse output files whose folder does not exist, before anything is computed."""
    for name in names:
        if name and not Path(name).resolve().parent.is_dir():
            raise ValueError(f"The folder of {name} does not exist; make it first.")


def parse_alphas(text: str) -> np.ndarray:
    """Read a grid of penalties.

    Parameters
    ----------
    text : str
        ``"first:last:count"`` for a logarithmic grid, or numbers with commas.

    Returns
    -------
    array (n_alphas,)
        The penalties.

    Raises
    ------
    ValueError
        If `text` is neither.

    Examples
    --------
    >>> parse_alphas("0.1:100:4").tolist()
    [0.1, 1.0, 10.0, 100.0]
    """
    try:
        if ":" not in text:
            return np.array([float(number) for number in text.split(",")])
        first, last, count = text.split(":")
        ends = float(first), float(last)
        if min(ends) <= 0 or int(count) < 1:
            raise ValueError("ends must be positive")
        return np.geomspace(*ends, int(count))
    except ValueError as error:
        raise ValueError(
            f"--alphas is {text!r} but must be FIRST:LAST:COUNT with positive ends, "
            "such as 1e-2:1e5:8, or numbers with commas, such as 1,10,100."
        ) from error
