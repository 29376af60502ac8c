"""Runs of the general linear model: their data, designs, contrasts and scores."""

import dataclasses
import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .. import glm
from ..core import check, score

if TYPE_CHECKING:
    from ..io import Bold

__all__ = [
    "OUTPUTS",
    "Run",
    "as_design",
    "as_runs",
    "coefficients",
    "contrast",
    "explained",
    "floating",
    "is_image",
    "read_images",
    "responses",
    "split",
]

OUTPUTS = {
    "z": "z_score",
    "stat": "stat",
    "effect": "effect",
    "variance": "variance",
    "p": "p_value",
    "neg_log10_p": "neg_log10_p",
}
_BLOCK = 64 << 20  # bytes of the targets whose scores are computed together


class Run(NamedTuple):
    """Part of a design that concerns one run.

    Attributes
    ----------
    X : array (n_scans, n_columns)
        Its scans, and the columns that are not zero there.
    columns : int array (n_columns,)
        Their place in the whole design.
    n_conditions : int
        How many of them belong to conditions.
    """

    X: np.ndarray
    columns: np.ndarray
    n_conditions: int


class _Float64:
    """Data of another type, read as float64 block by block."""

    ndim, dtype = 2, np.dtype(np.float64)

    def __init__(self, source: Any) -> None:
        self._source = source
        self.shape = source.shape

    def __getitem__(self, key: Any) -> np.ndarray:
        return np.asarray(self._source[key]).astype(np.float64)


def is_image(run: Any) -> bool:
    """Whether a run is a path or an image, which must be read first."""
    kinds = ("dataobj", "mesh", "darrays")
    return isinstance(run, (str, os.PathLike)) or any(hasattr(run, k) for k in kinds)


def as_runs(Y: Any) -> tuple[list, bool]:
    """Take data of one or several runs as a list, and say whether a list came."""
    listed = isinstance(Y, (list, tuple)) and all(
        is_image(run) or len(getattr(run, "shape", ())) > 0 for run in Y
    )
    if listed and not Y:
        raise ValueError("Y is an empty list; give at least one run.")
    return (list(Y), True) if listed else ([Y], False)


def read_images(runs: list, mask: Any, fwhm: float | None, tr: float) -> "Bold":
    """Read images, and warn where their headers say another time between scans."""
    from ..io import read_bold

    bold = read_bold(runs, mask=mask, smoothing_fwhm=fwhm)
    if bold.tr is not None and abs(bold.tr - tr) > 1e-3 * abs(tr):
        warnings.warn(
            f"tr is {tr:g} s but the images say {bold.tr:g} s; {tr:g} s is used.",
            UserWarning,
            stacklevel=4,
        )
    return bold


def floating(name: str, run: Any, dtype: str) -> Any:
    """Check one run, and let it be read in the float of the computation."""
    if hasattr(run, "toarray"):
        raise TypeError(
            f"{name} is a sparse matrix but must be dense; use its toarray."
        )
    if not hasattr(run, "shape"):
        run = np.asarray(run)
    check.has_ndim(name, run, 2)
    if 0 in run.shape:
        raise ValueError(
            f"{name} has shape {tuple(run.shape)} but must hold at least one scan and "
            "one target."
        )
    kind = np.dtype(run.dtype).kind if run.dtype != jnp.bfloat16 else "f"
    if kind not in "fiub":
        raise TypeError(
            f"{name} has dtype {run.dtype} but must hold real numbers; convert it to "
            "float first."
        )
    if isinstance(run, jax.Array):
        return run.astype(dtype)
    return _Float64(run) if dtype == "float64" and run.dtype != np.float64 else run


def as_design(
    events: Any, confounds: Any, lengths: list[int], tr: float, options: dict
) -> glm.Design:
    """Make the design of all runs, or take the one that is given."""
    if isinstance(events, (glm.Design, np.ndarray, jax.Array)):
        return _given(events, confounds, lengths)
    tables = list(events) if isinstance(events, (list, tuple)) else [events]
    if len(tables) != len(lengths):
        raise ValueError(
            f"events has {len(tables)} runs but Y has {len(lengths)}; give one table "
            "per run."
        )
    return glm.design(tables, lengths, tr, confounds=confounds, **options)


def _given(design: Any, confounds: Any, lengths: list[int]) -> glm.Design:
    if confounds is not None:
        raise ValueError(
            "confounds is given beside a design that is made already; put them into "
            "the design."
        )
    if not isinstance(design, glm.Design):
        matrix = np.asarray(design)
        if matrix.dtype.kind not in "fiub":
            raise TypeError(
                f"events has dtype {matrix.dtype} but a design must hold real numbers."
            )
        matrix = matrix.reshape(len(matrix), -1).astype(np.float64)
        check.finite("events", matrix)
        names = tuple(f"x{index}" for index in range(matrix.shape[1]))
        design = glm.Design(
            matrix=matrix,
            times=np.arange(float(len(matrix))),
            run_id=np.repeat(np.arange(len(lengths)), lengths)
            if sum(lengths) == len(matrix)
            else np.zeros(len(matrix), int),
            names=names,
            conditions=names,
        )
    found = np.bincount(np.asarray(design.run_id)).tolist()
    if found != lengths:
        raise ValueError(
            f"the design has {found} scans in its runs but Y has {lengths}; make it "
            "for these runs."
        )
    return design


def split(design: glm.Design) -> list[Run]:
    """Cut a design into its runs; columns that a run lacks are left out."""
    matrix, run_id = np.asarray(design.matrix), np.asarray(design.run_id)
    runs = []
    for run in range(int(run_id[-1]) + 1):
        X = matrix[run_id == run]
        columns = np.flatnonzero(X.any(axis=0))
        n_conditions = int((columns < design.n_conditions).sum())
        runs.append(Run(X[:, columns], columns, n_conditions))
    return runs


def contrast(
    runs: Sequence[Run],
    fits: Sequence[glm.GLMFit],
    weights: np.ndarray,
    *,
    stat: str,
    names: Sequence[str],
    precision_weighted: bool,
) -> glm.Contrast:
    """Test contrasts in every run that has their conditions, and combine the runs.

    Rows of `weights` (n_rows, n_regressors) are one F contrast, or t contrasts each.
    """
    absent = np.ones((len(runs), weights.shape[1]), bool)
    for index, run in enumerate(runs):
        absent[index, run.columns] = False
    usable = ~((weights != 0) @ absent.T.astype(float)).astype(bool)  # (n_rows, n_runs)
    if stat == "F":
        usable = np.tile(usable.all(axis=0), (len(weights), 1))
    nowhere = np.flatnonzero(~usable.any(axis=1))
    if nowhere.size:
        used = [names[i] for i in np.flatnonzero(weights[nowhere[0]]).tolist()]
        raise ValueError(
            f"no run has all conditions of the contrast ({', '.join(used)}); contrast "
            "conditions that were shown in the same run."
        )
    # Rows that the same runs can test are computed together.
    sets, which = np.unique(usable, axis=0, return_inverse=True)
    parts, order = [], []
    for index, members in enumerate(sets):
        rows = np.flatnonzero(which.ravel() == index)
        test = glm.t_contrast if stat == "t" else glm.f_contrast
        found = [
            test(fits[r], weights[np.ix_(rows, runs[r].columns)])
            for r in np.flatnonzero(members).tolist()
        ]
        order.append(rows)
        parts.append(
            found[0]
            if len(found) == 1
            else glm.fixed_effects(found, precision_weighted=precision_weighted)
        )
    if len(parts) == 1:
        return parts[0]
    back = np.argsort(np.concatenate(order))
    arrays = {
        name: np.concatenate([np.asarray(getattr(part, name)) for part in parts])[back]
        for name in OUTPUTS.values()
    }
    # One number cannot tell the degrees of freedom of different sets of runs.
    return dataclasses.replace(parts[0], dof=float("nan"), **arrays)


def responses(
    design: glm.Design, runs: Sequence[Run], fits: Sequence[glm.GLMFit]
) -> np.ndarray:
    """Mean coefficient (n_targets, n_conditions) over the runs that have it."""
    n_targets = fits[0].coef.shape[1]
    total = np.zeros((design.n_conditions, n_targets), fits[0].coef.dtype)
    count = np.zeros((design.n_conditions, 1), total.dtype)
    for run, fit in zip(runs, fits, strict=True):
        columns = run.columns[: run.n_conditions]
        total[columns] += np.asarray(fit.coef)[: run.n_conditions]
        count[columns] += 1
    with np.errstate(invalid="ignore"):
        return (total / count).T


def coefficients(
    names: Sequence[str], coef: np.ndarray, design: glm.Design, runs: Sequence[Run]
) -> list[np.ndarray]:
    """Fitted coefficients (n_conditions, n_targets) of the runs of another design."""
    known = {name: index for index, name in enumerate(names)}
    asked = design.names[: design.n_conditions]
    for name in asked:
        if name not in known:
            raise ValueError(
                f"the events have {name!r} but the model was fitted to "
                f"{', '.join(names)}."
            )
    place = np.array([known[name] for name in asked])
    return [coef.T[place[run.columns[: run.n_conditions]]] for run in runs]


def explained(
    data: Sequence[Any], runs: Sequence[Run], coefs: Sequence[np.ndarray]
) -> np.ndarray:
    """R2 (n_targets,) of given responses, beyond each run's nuisance columns.

    What nuisance explains is taken out of data and prediction alike, in blocks of
    targets. `coefs` holds (n_conditions, n_targets) for the conditions of each run.
    """
    n_targets = data[0].shape[1]
    size = max(1, _BLOCK // (8 * sum(run.X.shape[0] for run in runs)))
    parts = []
    for start in range(0, n_targets, size):
        block = slice(start, start + size)
        true, guess = [], []
        for Y, run, coef in zip(data, runs, coefs, strict=True):
            nuisance, X = run.X[:, run.n_conditions :], run.X[:, : run.n_conditions]
            y = np.asarray(Y[:, block])
            predicted = (X @ coef[:, block]).astype(y.dtype)
            true.append(jnp.asarray(glm.residuals(nuisance, y)))
            guess.append(jnp.asarray(glm.residuals(nuisance, predicted)))
        parts.append(
            np.asarray(score.r2(jnp.concatenate(true), jnp.concatenate(guess)))
        )
    return np.concatenate(parts)
