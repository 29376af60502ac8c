"""Slow drifts of the scanner: columns that every run has for itself."""

import math

import numpy as np

from ..core import check
from ._regressors import orthogonalize

__all__ = ["drifts"]

_MODELS = ("cosine", "polynomial", None)


def drifts(
    n_scans: int,
    tr: float,
    *,
    drift_model: str | None,
    high_pass: float,
    drift_order: int | None,
    times: np.ndarray,
    compat: str | None,
) -> tuple[np.ndarray, list[str]]:
    """Columns of one run, (n_scans, n_drifts), the constant last; and their names."""
    check.choice("drift_model", drift_model, _MODELS)
    columns = np.zeros((n_scans, 0))
    if drift_model == "cosine":
        cutoff = check.real_number("high_pass", high_pass)
        columns = _cosines(n_scans, tr, cutoff, compat)
    elif drift_model == "polynomial":
        order = _order(drift_order, n_scans, tr, compat)
        if compat == "nilearn":
            powers = (times[:, None] / times.max()) ** np.arange(order + 1)
            columns = orthogonalize(powers)[:, 1:]
        else:
            x = np.linspace(-1, 1, n_scans) if n_scans > 1 else np.zeros(1)
            columns = np.polynomial.legendre.legvander(x, order)[:, 1:]
    names = [f"drift_{k + 1}" for k in range(columns.shape[1])]
    return np.column_stack([columns, np.ones(n_scans)]), [*names, "constant"]


def _cosines(
    n_scans: int, tr: float, high_pass: float, compat: str | None
) -> np.ndarray:
    if not 0 <= high_pass < 0.5 / tr:
        raise ValueError(
            f"high_pass is {high_pass:g} Hz but scans every {tr:g} s end at "
            f"{0.5 / tr:g} Hz; give a frequency in hertz between, such as 0.01."
        )
    # A hair more than the ratio, which rounding may leave below a whole number.
    slack = 0.0 if compat == "nilearn" else 1e-12
    order = math.floor(2 * n_scans * high_pass * tr * (1 + slack))
    k = np.arange(1, min(order, n_scans - 1) + 1)
    phase = np.pi / n_scans * (np.arange(n_scans)[:, None] + 0.5)
    return math.sqrt(2.0 / n_scans) * np.cos(phase * k)


def _order(drift_order: int | None, n_scans: int, tr: float, compat: str | None) -> int:
    if drift_order is None:
        # AFNI's rule: one degree more for every 150 seconds.
        return 1 if compat == "nilearn" else 1 + math.floor(n_scans * tr / 150)
    if drift_order != int(drift_order) or not 0 <= drift_order < n_scans:
        raise ValueError(
            f"drift_order is {drift_order!r} but must be a whole number from 0 to "
            f"{n_scans - 1}, less than the scans of a run."
        )
    return int(drift_order)
