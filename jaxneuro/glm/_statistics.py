"""Statistics of contrasts, one block of targets after the other."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core.linalg import after, dot, lower_solve
from ..core.struct import static, struct
from ._blocks import cast, compute_dtype, map_targets
from ._gls import Information, Reduced, gram, is_diagonal, squares
from ._tails import TailTable, read_tails, tail_table

__all__ = [
    "Contrast",
    "Weights",
    "along",
    "effects",
    "in_batches",
    "judge",
    "judge_maps",
    "judged",
]

_TINY_T = 1e-50  # nilearn's floor of a variance
_MAX_UNROLLED = 8

# Rows of each test along the regressors and along the last coordinates; of NumPy until
# they are cast.
Weights = tuple[tuple[Any, Any], ...]


@struct
class Contrast:
    """Tests of contrasts.

    Attributes
    ----------
    effect : array (n_contrasts, n_targets) or (n_contrasts, n_rows, n_targets)
        t: the combination of coefficients. F: the rows of the contrast, rotated and
        scaled so that each has the variance `variance`; zero beyond a contrast's
        rank.
    variance : array (n_contrasts, n_targets)
        Of the effect.
    stat : array (n_contrasts, n_targets)
        t or F.
    p_value, z_score, neg_log10_p : array (n_contrasts, n_targets)
        One-sided p, the normal deviate with that p, and -log10 of p.
    dof : tuple of float
        Degrees of freedom of each contrast: those of the fit, less what estimated
        autoregressive coefficients cost.
    dof_num : tuple of int
        Rank of each F contrast; empty for t.
    inflation : tuple of float
        Variance of the estimate over the mean of `variance`, where noise is
        estimated. `stat` is divided by it, or t by its root, before p is read.
    kind : {"t", "F"}
        Which statistic.
    compat : {None, "nilearn"}
        Conventions.
    """

    effect: jax.Array | np.ndarray
    variance: jax.Array | np.ndarray
    stat: jax.Array | np.ndarray
    p_value: jax.Array | np.ndarray
    z_score: jax.Array | np.ndarray
    neg_log10_p: jax.Array | np.ndarray
    dof: tuple[float, ...] = static()  # type: ignore[assignment]  # a dataclass field
    dof_num: tuple[int, ...] = static(default=())  # type: ignore[assignment]  # a dataclass field
    inflation: tuple[float, ...] = static(default=())  # type: ignore[assignment]  # a dataclass field
    kind: str = static(default="t")  # type: ignore[assignment]  # a dataclass field
    compat: str | None = static(default=None)  # type: ignore[assignment]  # a dataclass field


def along(tests: list[np.ndarray], basis: np.ndarray, size: int) -> Weights:
    """Give the rows of each test along the last coordinates, too (host).

    Parameters
    ----------
    tests : list of array (n_rows, n_regressors)
        Contrasts.
    basis : array (n_regressors, rank)
        From coordinates to coefficients.
    size : int
        Number of coordinates that are not zero for all of them.

    Returns
    -------
    Weights
        For :func:`effects`.
    """
    first = basis.shape[1] - size
    return tuple((rows, (rows @ basis)[:, first:]) for rows in tests)


def in_batches(info: Information, tests: list[np.ndarray], compat: str | None) -> bool:
    """Say whether tests factorise batches of matrices.

    Parameters
    ----------
    info : Information
        Of the estimates.
    tests : list of array (n_rows, n_regressors)
        F contrasts.
    compat : {None, "nilearn"}
        Conventions.

    Returns
    -------
    bool
        Whether the information of each target, or the rows of a test, are factored.
    """
    if not is_diagonal(info):
        return True
    whitened = compat == "nilearn" or any(len(t) > _MAX_UNROLLED for t in tests)
    return bool(info.orders) and bool(tests) and whitened


def judge(
    block: Callable[..., tuple],
    arrays: tuple,
    bytes_each: int,
    *,
    dof: tuple[float, ...],
    dof_num: tuple[int, ...],
    inflation: tuple[float, ...],
    compat: str | None,
    alone: bool,
    known: tuple = (),
) -> Contrast:
    """Compute effects, variances and all that follows from them, block by block.

    Parameters
    ----------
    block : function of tables and arrays
        Gives the arrays of a :class:`Contrast`, as :func:`judged` does.
    arrays : tuple of array (n, n_targets)
        What it takes.
    bytes_each : int
        Size of what it touches per target.
    dof, dof_num, inflation, compat
        As in :class:`Contrast`.
    alone : bool
        Whether `block` factorises batches.
    known : tuple of array
        Effects and variances, where `block` does not give them.

    Returns
    -------
    Contrast
        Of all targets.
    """
    dtype = compute_dtype(arrays[0])
    kinds = list(zip(dof, dof_num or (None,) * len(dof), inflation, strict=True))
    if not dof_num and len(set(kinds)) == 1:
        kinds = kinds[:1]
    tables = [
        tail_table(dtype, dof=d, dof_num=q, inflation=i, compat=compat)
        for d, q, i in kinds
    ]
    if not dof_num and len(tables) > 1:
        tables = [jax.tree.map(lambda *columns: np.stack(columns), *tables)]
    kernel = partial(block, cast(tuple(tables), dtype), dof_num=dof_num, compat=compat)
    parts = map_targets(kernel, arrays, dtype=dtype, bytes_each=bytes_each, alone=alone)
    names = ("effect", "variance", "stat", "p_value", "z_score", "neg_log10_p")
    kind = "F" if dof_num else "t"
    found = dict(zip(names, (*known, *parts), strict=True))
    return Contrast(
        dof=dof,
        dof_num=dof_num,
        inflation=inflation,
        kind=kind,
        compat=compat,
        **found,
    )


def effects(
    info: Information,
    weights: Weights,
    estimates: tuple[jax.Array, jax.Array, jax.Array],
    found: Reduced,
    dof_num: tuple[int, ...],
    compat: str | None,
    *,
    at: int = 0,
) -> tuple[jax.Array, jax.Array]:
    """Effects of contrasts and their variances, one block of targets.

    Parameters
    ----------
    info : Information
        Of the estimates.
    weights : Weights
        As :func:`along_last` gives them.
    estimates : tuple of array
        Coefficients, variance and noise, as a block's fit gives them.
    found : tuple of array
        The information, factored, and these contrasts.
    dof_num : tuple of int
        Rank of each F contrast; empty for t.
    compat : {None, "nilearn"}
        Conventions.
    at : int
        Position of the first contrast in `found`.

    Returns
    -------
    effect, variance : array
        As in :class:`Contrast`.
    """
    coef, variance, ar = estimates
    if not dof_num:
        rows, inside = weights[0]
        return dot(rows, coef), squares(info, ar, inside, found, at) * variance
    all_effects = []
    for rows, inside in weights:
        effect = dot(rows, coef)
        if ar.shape[0]:
            cov = gram(info, ar, inside, found, at)
            if all_effects:
                cov = after(cov, all_effects[-1])
            effect = _whitened(cov, effect, symmetric=compat == "nilearn")
            at += len(rows)
        missing = max(dof_num) - effect.shape[0]
        all_effects.append(jnp.pad(effect, ((0, missing), (0, 0))))
    effect = jnp.stack(all_effects)
    return effect, jnp.broadcast_to(variance, effect.shape[::2])


def _whitened(
    covariance: jax.Array, effect: jax.Array, *, symmetric: bool = False
) -> jax.Array:
    """Scale rows of covariance (n_rows, n_rows, n_targets) to unit covariance.

    Multiplied by the inverse Cholesky factor or, as in nilearn, by the symmetric
    inverse root: the sum of squares is that of Mahalanobis either way.
    """
    if symmetric:
        size, vectors = jnp.linalg.eigh(jnp.moveaxis(covariance, 2, 0))
        turned = jnp.einsum("nij,in->nj", vectors, effect) / jnp.sqrt(size)
        return jnp.einsum("nij,nj->in", vectors, turned)
    if covariance.shape[0] > _MAX_UNROLLED:
        factor = jnp.linalg.cholesky(jnp.moveaxis(covariance, 2, 0))
        return lower_solve(factor, effect.T[..., None])[..., 0].T
    lower: list[list[jax.Array]] = []
    out: list[jax.Array] = []
    for i in range(covariance.shape[0]):
        row: list[jax.Array] = []
        for j in range(i):
            done = sum((a * b for a, b in zip(row, lower[j], strict=False)), 0.0)
            row.append((covariance[i, j] - done) / lower[j][j])
        pivot = covariance[i, i] - sum((a * a for a in row), 0.0)
        rest = effect[i] - sum((a * b for a, b in zip(row, out, strict=True)), 0.0)
        row.append(jnp.sqrt(pivot))
        lower.append(row)
        out.append(rest / row[i])
    return jnp.stack(out)


def judge_maps(
    effect: jax.Array | np.ndarray,
    variance: jax.Array | np.ndarray,
    *,
    dof: tuple[float, ...],
    dof_num: tuple[int, ...],
    inflation: tuple[float, ...],
    compat: str | None,
) -> Contrast:
    """Compute all that follows from effects and variances that are there already.

    Parameters
    ----------
    effect, variance, dof, dof_num, inflation, compat
        As in :class:`Contrast`.

    Returns
    -------
    Contrast
        Of all targets.
    """
    flat = effect.reshape(-1, effect.shape[-1])
    return judge(
        partial(_reshaped, shape=effect.shape[:-1]),
        (flat, variance),
        6 * flat.shape[0] * flat.dtype.itemsize,
        dof=dof,
        dof_num=dof_num,
        inflation=inflation,
        compat=compat,
        alone=False,
        known=(effect, variance),
    )


@partial(jax.jit, static_argnames=("shape", "dof_num", "compat"))
def _reshaped(
    tables: tuple[TailTable, ...],
    effect: jax.Array,
    variance: jax.Array,
    *,
    shape: tuple[int, ...],
    dof_num: tuple[int, ...],
    compat: str | None,
) -> tuple:
    """Judge effects, of `shape` but for the last axis."""
    return judged(tables, effect.reshape(*shape, -1), variance, dof_num, compat)[2:]


def judged(
    tables: tuple[TailTable, ...],
    effect: jax.Array,
    variance: jax.Array,
    dof_num: tuple[int, ...],
    compat: str | None,
) -> tuple:
    """Give effect, variance, statistic, p, z and -log10 p.

    Parameters
    ----------
    tables : tuple of TailTable
        Of each F contrast, or one for all of t, which may have an axis of contrasts.
    effect, variance : array
        As in :class:`Contrast`.
    dof_num : tuple of int
        Rank of each F contrast; empty for t.
    compat : {None, "nilearn"}
        Conventions.

    Returns
    -------
    tuple of array
        The arrays of a :class:`Contrast`.
    """
    floor = _TINY_T if compat == "nilearn" and variance.dtype == jnp.float64 else 0
    safe = jnp.maximum(variance, jnp.asarray(floor, variance.dtype))
    if not dof_num:
        stat = effect / jnp.sqrt(safe)
    else:
        size = jnp.asarray(dof_num, effect.dtype)[:, None]
        # Row by row: a compiled sum over a middle axis costs many times as much.
        squared = sum(jnp.unstack(effect**2, axis=1))
        stat = squared / size / safe
    if not dof_num and tables[0].scale.ndim:
        found = jax.lax.map(lambda each: read_tails(*each), (stat, tables[0]))
    elif len(tables) == 1:
        found = read_tails(stat, tables[0])
    else:
        each = [read_tails(one, table) for one, table in zip(stat, tables, strict=True)]
        found = jax.tree.map(lambda *x: jnp.stack(x), *each)
    return effect, variance, stat, found.p_value, found.z_score, found.neg_log10_p
