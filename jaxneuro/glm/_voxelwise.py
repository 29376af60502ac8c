"""Regressors that differ from target to target."""

import warnings
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from ..core import check
from ..core.batch import Sliceable
from ..core.linalg import Factor, dot, factor
from ._blocks import cast, compute_dtype, map_targets
from ._statistics import Contrast
from ._tails import TailTable, read_tails, tail_table

__all__ = ["fit_voxelwise"]


def fit_voxelwise(
    X: ArrayLike,
    V: Sliceable | jax.Array | Sequence[Sliceable | jax.Array],
    Y: Sliceable | jax.Array,
    *,
    weights: ArrayLike | None = None,
) -> Contrast:
    """Fit and test a model with regressors of each target's own.

    The shared columns are taken out of the data and of the voxelwise regressors; what
    remains is one small system per target, and the shared coefficients follow
    (Frisch, Waugh and Lovell). Memory: the results and a block of targets.

    Parameters
    ----------
    X : array (n_times, n_regressors)
        Design shared by all targets, with its constant, concrete.
    V : array or sliceable (n_times, n_targets), or several of these
        Voxelwise regressors, such as the mean of the white matter around each voxel.
    Y : array or sliceable (n_times, n_targets)
        Data.
    weights : array (n_contrasts, n_regressors + n_voxelwise), optional
        Contrasts, the weights of the voxelwise regressors last. Default: every
        coefficient on its own.

    Returns
    -------
    Contrast
        t tests under ordinary least squares, (n_contrasts, n_targets). NaN where data
        or regressors are NaN, or a voxelwise regressor is in the span of the others;
        one warning counts these targets.

    Raises
    ------
    ValueError
        If shapes disagree, the columns of `X` are dependent or no degree of freedom
        is left.

    References
    ----------
    .. [1] Jo et al., NeuroImage 52 (2010) 571-582,
       doi:10.1016/j.neuroimage.2010.04.246; AFNI ``3dREMLfit -dsort``, FSL's voxelwise
       explanatory variables.
    """
    regressors = tuple(V) if isinstance(V, (list, tuple)) else (V,)
    design = _checked(X, regressors, Y)
    n_times, n_regressors = design.q.shape
    n_all = n_regressors + len(regressors)
    rows = np.eye(n_all) if weights is None else np.array(weights, float, ndmin=2)
    if rows.ndim != 2 or rows.shape[1] != n_all:
        raise ValueError(
            f"weights has shape {rows.shape} but there are {n_regressors} shared and "
            f"{len(regressors)} voxelwise regressors; give one weight for each."
        )
    dof = n_times - n_all
    if dof < 1:
        raise ValueError(
            f"X and V have {n_all} regressors for {n_times} scans, too many to leave "
            "degrees of freedom for the noise."
        )
    dtype = compute_dtype(Y)
    inside = rows[:, :n_regressors] @ design.basis
    plan = cast((design.q, inside, rows[:, n_regressors:]), dtype)
    table = cast(tail_table(dtype, dof=dof), dtype)
    effect, variance, stat, p, z, nl = map_targets(
        partial(_fit_block, plan, table, np.dtype(dtype).type(dof)),
        (Y, *regressors),  # type: ignore[arg-type]
        dtype=dtype,
        bytes_each=(2 + 2 * len(regressors)) * n_times * dtype.itemsize,
    )
    _warn_undefined(variance)
    return Contrast(
        effect=effect,
        variance=variance,
        stat=stat,
        p_value=p,
        z_score=z,
        neg_log10_p=nl,
        dof=(float(dof),) * len(rows),
        inflation=(1.0,) * len(rows),
    )


def _checked(X: ArrayLike, regressors: tuple, Y: Sliceable | jax.Array) -> Factor:
    check.has_ndim("X", X, 2)
    check.has_ndim("Y", Y, 2)  # type: ignore[arg-type]  # only its shape is read
    check.same_length("X", X, "Y", Y)  # type: ignore[arg-type]
    if not regressors:
        raise ValueError("V is empty; give at least one array of regressors, or fit X.")
    for regressor in regressors:
        if check.shape_of(regressor) != check.shape_of(Y):  # type: ignore[arg-type]
            raise ValueError(
                f"V has shape {check.shape_of(regressor)} but Y has "
                f"{check.shape_of(Y)}; a voxelwise regressor has a value for each "  # type: ignore[arg-type]
                "scan and target."
            )
    design = factor(X)
    n_columns = check.shape_of(X)[1]
    if design.rank < n_columns:
        raise ValueError(
            f"X has {n_columns} columns of rank {design.rank}; drop the columns that "
            "the others explain."
        )
    return design


@jax.jit
def _fit_block(
    plan: tuple[jax.Array, jax.Array, jax.Array],
    table: TailTable,
    dof: jax.Array,
    y: jax.Array,
    *own: jax.Array,
) -> tuple:
    q, inside, on_own = plan
    # Products with q carry the shared columns' coefficients: (rank, [k,] n_targets).
    y_scale = (y * y).sum(0)
    y_in, y = _split(q, y)
    parts = [_split(q, v) for v in own]
    v_in, v = (jnp.stack(part) for part in zip(*parts, strict=True))
    size = jnp.stack([(one * one).sum(0) for one in own])
    factor, solvable = _cholesky(v, size)
    half = _forward(factor, [(one * y).sum(0) for one in v])
    b = _backward(factor, half)
    rest = y - sum(one * g[None] for one, g in zip(v, b, strict=True))
    sigma2 = (rest * rest).sum(0) / dof
    shared = y_in - sum(one * g[None] for one, g in zip(v_in, b, strict=True))
    effect = dot(inside, shared) + dot(on_own, jnp.stack(b))
    # Weights on the systems of each target: (k, n_contrasts, n_targets).
    tilt = [on_own[:, j, None] - dot(inside, one) for j, one in enumerate(v_in)]
    solved = _forward(factor, tilt)
    unit = (inside * inside).sum(1)[:, None] + sum(one * one for one in solved)
    variance = unit * sigma2[None]
    eps = jnp.finfo(y.dtype).eps
    valid = (solvable & ((y * y).sum(0) > 1e3 * eps**2 * y_scale))[None]
    variance = jnp.where(valid, variance, jnp.nan)
    effect = jnp.where(valid, effect, jnp.nan)
    stat = effect / jnp.sqrt(variance)
    t = read_tails(stat, table)
    return effect, variance, stat, t.p_value, t.z_score, t.neg_log10_p


def _split(q: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Coefficients on the frame, and the residual."""
    inside = dot(q.T, y)
    rest = y - dot(q, inside)
    # Twice: what rounding leaves of a large mean is small the second time.
    more = dot(q.T, rest)
    return inside + more, rest - dot(q, more)


def _cholesky(v: jax.Array, size: jax.Array) -> tuple[list[list[jax.Array]], jax.Array]:
    """Factor ``v'v`` of every target, element by element over targets."""
    n = v.shape[0]
    eps = jnp.finfo(v.dtype).eps
    factor: list[list[jax.Array]] = [[] for _ in range(n)]
    solvable = jnp.ones(v.shape[-1], bool)
    for i in range(n):
        for j in range(i):
            cross = (v[i] * v[j]).sum(0)
            cross = cross - sum(factor[i][k] * factor[j][k] for k in range(j))
            factor[i].append(cross / factor[j][j])
        square = (v[i] * v[i]).sum(0)
        pivot = square - sum(x * x for x in factor[i])
        # What is left of a dependent regressor is rounding: of its own length where
        # the shared columns explain it, of the residual's where another does.
        good = pivot > 1e3 * eps**2 * size[i] + 64 * eps * square
        solvable &= good
        factor[i].append(jnp.sqrt(jnp.where(good, pivot, 1)))
    return factor, solvable


def _forward(factor: list, right: Sequence[jax.Array]) -> list[jax.Array]:
    """Solve ``L x = right``; elements may have leading axes."""
    x: list[jax.Array] = []
    for i, value in enumerate(right):
        rows = [_wide(factor[i][k], value) * x[k] for k in range(i)]
        x.append((value - sum(rows)) / _wide(factor[i][i], value))
    return x


def _backward(factor: list, right: list[jax.Array]) -> list[jax.Array]:
    """Solve ``L' x = right``."""
    n = len(right)
    x: list[jax.Array] = [right[0]] * n
    for i in reversed(range(n)):
        known = sum(factor[k][i] * x[k] for k in range(i + 1, n))
        x[i] = (right[i] - known) / factor[i][i]
    return x


def _wide(value: jax.Array, like: jax.Array) -> jax.Array:
    return value.reshape((1,) * (like.ndim - value.ndim) + value.shape)


def _warn_undefined(variance: jax.Array | np.ndarray) -> None:
    if isinstance(variance, Tracer):
        return
    count = int(np.isnan(np.asarray(variance[0])).sum())
    if count:
        warnings.warn(
            f"{count} of {variance.shape[1]} targets are NaN: their data or voxelwise "
            "regressors are constant, not finite or explained by the other columns.",
            stacklevel=3,
        )
