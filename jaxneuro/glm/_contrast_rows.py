"""Rows of contrasts, checked against the design."""

import warnings
from collections.abc import Sequence

import numpy as np
from jax.typing import ArrayLike

from ..core import check
from ._fit import GLMFit
from ._plan import Plan

__all__ = ["f_rows", "t_rows"]


def t_rows(design: GLMFit | Plan, weights: ArrayLike) -> list[np.ndarray]:
    """Check the weights of t contrasts (host).

    Parameters
    ----------
    design : GLMFit or Plan
        Whose regressors they weigh.
    weights : array
        As :func:`jaxneuro.glm.t_contrast` takes them.

    Returns
    -------
    list of array (n_contrasts, n_regressors)
        One entry; rows of NaN where undetermined.
    """
    rows = _rows(design, weights)
    rows[_undetermined(design, [rows[i : i + 1] for i in range(len(rows))])] = np.nan
    return [rows]


def f_rows(
    design: GLMFit | Plan, weights: ArrayLike | Sequence[ArrayLike]
) -> list[np.ndarray]:
    """Check the weights of F contrasts, and keep what is independent (host).

    Parameters
    ----------
    design : GLMFit or Plan
        Whose regressors they weigh.
    weights : array or sequence of array
        As :func:`jaxneuro.glm.f_contrast` takes them.

    Returns
    -------
    list of array (n_rows, n_regressors)
        One entry per test; NaN where undetermined.
    """
    listed = isinstance(weights, (list, tuple)) and np.ndim(weights[0]) > 1  # type: ignore[arg-type]  # the first alone is not ragged
    several = listed or np.ndim(weights) == 3  # type: ignore[arg-type]
    blocks = [_rows(design, w) for w in (weights if several else [weights])]  # type: ignore[union-attr]
    undetermined = _undetermined(design, blocks)
    tests = [_independent(design, rows) for rows in blocks]
    for index in np.flatnonzero(undetermined):
        tests[index] = tests[index] * np.nan
    return tests


def _rows(design: GLMFit | Plan, weights: ArrayLike) -> np.ndarray:
    """Check weights and bring them to two axes in float64."""
    rows = np.array(weights, dtype=np.float64, ndmin=2)
    n_regressors = design.basis.shape[0]
    if rows.ndim != 2 or rows.shape[1] != n_regressors:
        raise ValueError(
            f"weights has shape {np.shape(weights)} but the design has {n_regressors} "
            "regressors; give one weight for each, zero for nuisance."
        )
    check.finite("weights", rows)
    if not rows.any(axis=1).all():
        row = int(np.flatnonzero(~rows.any(axis=1))[0])
        raise ValueError(f"weights is zero everywhere in row {row}; nothing to test.")
    return rows


def _undetermined(design: GLMFit | Plan, blocks: list[np.ndarray]) -> np.ndarray:
    """Find the tests of what the design leaves open, and say how many."""
    if design.compat == "nilearn":
        return np.zeros(len(blocks), dtype=bool)
    span = np.linalg.qr(design.basis)[0]
    open_ = [np.linalg.norm(rows - rows @ span @ span.T, axis=1) for rows in blocks]
    limits = [1e-8 * np.linalg.norm(rows, axis=1) for rows in blocks]
    bad = np.array([(o > c).any() for o, c in zip(open_, limits, strict=True)])
    if bad.any():
        where = ", ".join(str(i) for i in np.flatnonzero(bad))
        warnings.warn(
            f"The design does not determine {bad.sum()} of {bad.size} contrasts "
            f"({where}), because its columns are dependent; they are NaN.",
            UserWarning,
            stacklevel=4,
        )
    return bad


def _independent(design: GLMFit | Plan, rows: np.ndarray) -> np.ndarray:
    """Rows of the same test with unit covariance under independent noise."""
    inside = rows @ design.basis
    if design.compat == "nilearn":
        if design.order:
            return rows  # whitened voxel by voxel, in its own way
        size, vectors = np.linalg.eigh(inside @ inside.T)
        return (vectors / np.sqrt(size)) @ vectors.T @ rows
    u, sv, _ = np.linalg.svd(inside, full_matrices=False)
    rank = max(int((sv > 1e-10 * sv[0]).sum()), 1)
    return (u[:, :rank] / sv[:rank]).T @ rows
