"""Nuisance columns of each run: confounds without gaps, drifts, the constant."""

import warnings
from typing import Any

import numpy as np
from scipy.linalg import block_diag

from ..core import check
from ._drifts import drifts
from ._events import run_label
from ._sampling import Sampling, scan_times

__all__ = ["nuisance_columns"]


def nuisance_columns(
    confounds: list[Any], lengths: list[int], options: Sampling, drift: dict[str, Any]
) -> tuple[np.ndarray, list[str]]:
    """Columns that each run has for itself, on the diagonal; and their names."""
    blocks, names = [], []
    for r, (given, n) in enumerate(zip(confounds, lengths, strict=True)):
        where = run_label(r, len(lengths))
        values, labels = _confound_columns(given, n, where, options.compat)
        times = scan_times(options, n)
        slow, more = drifts(n, options.tr, times=times, compat=options.compat, **drift)
        prefix = f"run{r + 1}_" if len(lengths) > 1 else ""
        names += [prefix + label for label in (*labels, *more)]
        blocks.append(np.concatenate([values, slow], axis=1))
    return np.asarray(block_diag(*blocks)), names


def _confound_columns(
    confounds: Any, n_scans: int, where: str, compat: str | None
) -> tuple[np.ndarray, list[str]]:
    """Columns (n_scans, n_confounds) in float64 and their names."""
    if confounds is None:
        return np.zeros((n_scans, 0)), []
    if isinstance(confounds, str) or hasattr(confounds, "__fspath__"):
        raise TypeError(
            f"confounds{where} is the path {str(confounds)!r} but must be an array or "
            "a table; read the file and choose the columns to remove."
        )
    names = None
    if hasattr(confounds, "keys"):
        keys = list(confounds.keys())
        names = [str(key) for key in keys]
        columns = [_numbers(confounds[key], f" {key!r}{where}") for key in keys]
        if len({column.shape for column in columns}) > 1:
            raise ValueError(
                f"confounds{where} has columns of {sorted({c.size for c in columns})} "
                "rows but all must be equally long."
            )
        values = np.stack(columns, axis=-1) if columns else np.zeros((n_scans, 0))
    else:
        values = _numbers(confounds, where)
        values = values[:, None] if values.ndim == 1 else values
    check.has_ndim(f"confounds{where}", values, 2)
    if values.shape[0] != n_scans:
        raise ValueError(
            f"confounds{where} has {values.shape[0]} rows but the run has {n_scans} "
            "scans; give one row per scan."
        )
    if names is None:
        first, stem = (0, "reg") if compat == "nilearn" else (1, "confound_")
        names = [f"{stem}{first + i}" for i in range(values.shape[1])]
    return _without_gaps(values, names, where), names


def _numbers(values: Any, where: str) -> np.ndarray:
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"confounds{where} must hold numbers but holds text or rows of unequal "
            "length; convert the columns to float first."
        ) from None


def _without_gaps(values: np.ndarray, names: list[str], where: str) -> np.ndarray:
    """Replace NaN in the first row by the mean of the column; refuse others."""
    bad = ~np.isfinite(values)
    if bad[1:].any() or np.isinf(values).any():
        row, column = np.argwhere(bad & (np.arange(len(values))[:, None] > 0))[0]
        raise ValueError(
            f"confounds{where} has {bad.sum()} NaN or infinite values, such as row "
            f"{row} of {names[column]!r}; only the first row may hold NaN, as "
            "derivatives do. Interpolate the others or drop the columns."
        )
    gaps = np.flatnonzero(bad[0]) if len(values) else np.zeros(0, int)
    if gaps.size:
        values[0, gaps] = values[1:, gaps].mean(axis=0) if len(values) > 1 else 0.0
        shown = ", ".join(names[i] for i in gaps[:5]) + (
            ", ..." if gaps.size > 5 else ""
        )
        warnings.warn(
            f"confounds{where} has NaN in the first row of {gaps.size} columns "
            f"({shown}); each is replaced by the mean of its column.",
            stacklevel=5,
        )
    return values
