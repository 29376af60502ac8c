"""Tests of linear combinations of coefficients, many at once."""

import warnings
from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check
from ..core.linalg import dot
from ..core.struct import static, struct
from ._blocks import cast, compute_dtype, map_targets
from ._dof import effective_dof
from ._fit import GLMFit
from ._gls import Information, factor_size, gram, squares, whiten_rows
from ._tails import TailTable, read_tails, tail_table

__all__ = ["Contrast", "f_contrast", "fixed_effects", "t_contrast"]

_TINY_T, _TINY_FIXED = 1e-50, 1e-16  # nilearn's floors of a variance


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


def t_contrast(fit: GLMFit, weights: ArrayLike) -> Contrast:
    """Test combinations of coefficients against zero, one by one.

    Parameters
    ----------
    fit : GLMFit
        Fitted model.
    weights : array (n_contrasts, n_regressors) or (n_regressors,)
        One row per contrast, concrete.

    Returns
    -------
    Contrast
        With ``kind="t"``. NaN, and one warning, for a contrast that the design does
        not determine.

    Raises
    ------
    ValueError
        If the weights do not fit the design, are all zero or not finite.

    Examples
    --------
    >>> from jaxneuro import glm
    >>> rng = np.random.default_rng(0)
    >>> X = np.column_stack([np.sin(np.arange(100.0)), np.ones(100)])
    >>> model = glm.fit(X, rng.standard_normal((100, 5)))
    >>> glm.t_contrast(model, [[1, 0], [0, 1]]).stat.shape
    (2, 5)
    """
    rows = _rows(fit, weights)
    rows[_undetermined(fit, [rows[i : i + 1] for i in range(len(rows))])] = np.nan
    return _test(fit, [rows], ())


def f_contrast(fit: GLMFit, weights: ArrayLike | Sequence[ArrayLike]) -> Contrast:
    """Test several combinations of coefficients together.

    Rows that repeat what others say are dropped: F has as many degrees of freedom as
    there are independent rows.

    Parameters
    ----------
    fit : GLMFit
        Fitted model.
    weights : array (n_rows, n_regressors), or several of these
        The rows of one test, concrete; a list, or an array (n_contrasts, n_rows,
        n_regressors), for several tests.

    Returns
    -------
    Contrast
        With ``kind="F"``. NaN, and one warning, for a test of which the design does
        not determine every row.

    Raises
    ------
    ValueError
        If the weights do not fit the design, are all zero or not finite.
    """
    listed = isinstance(weights, (list, tuple)) and np.ndim(weights[0]) > 1  # type: ignore[arg-type]  # the first alone is not ragged
    several = listed or np.ndim(weights) == 3  # type: ignore[arg-type]
    blocks = [_rows(fit, w) for w in (weights if several else [weights])]  # type: ignore[union-attr]
    undetermined = _undetermined(fit, blocks)
    tests = [_independent(fit, rows) for rows in blocks]
    for index in np.flatnonzero(undetermined):
        tests[index] = tests[index] * np.nan
    return _test(fit, tests, tuple(len(rows) for rows in tests))


def fixed_effects(
    contrasts: Sequence[Contrast],
    *,
    precision_weighted: bool = False,
    dof: ArrayLike | None = None,
) -> Contrast:
    """Combine the same contrasts of several runs or sessions.

    Parameters
    ----------
    contrasts : sequence of Contrast
        One per run, of equal shape. F contrasts are combined through their scaled
        rows, which is exact where the runs share design and noise.
    precision_weighted : bool
        Weigh each run by the inverse of its variance instead of equally.
    dof : array (n_runs,), optional
        Degrees of freedom of each run, which are added. Default: those of
        `contrasts`; nilearn's ``compute_fixed_effects`` takes 100.

    Returns
    -------
    Contrast
        Of the mean over runs.

    Raises
    ------
    ValueError
        If there is no contrast, or they differ in kind or shape.

    References
    ----------
    .. [1] nilearn ``compute_fixed_effects`` and the sums of its ``Contrast``.
    """
    runs = list(contrasts)
    if not runs:
        raise ValueError("contrasts is empty; give one per run.")
    first = runs[0]
    for index, run in enumerate(runs):
        same = (run.kind, run.dof_num) == (first.kind, first.dof_num)
        if not same or run.effect.shape != first.effect.shape:
            raise ValueError(
                f"contrasts[{index}] is {run.kind} of shape {run.effect.shape} but "
                f"contrasts[0] is {first.kind} of shape {first.effect.shape}; combine "
                "the same contrasts of every run."
            )
    dofs = np.array([run.dof for run in runs])  # (n_runs, n_contrasts)
    if dof is not None:
        if np.shape(dof) != (len(runs),):
            raise ValueError(
                f"dof has shape {np.shape(dof)} but there are {len(runs)} runs; give "
                "one number for each."
            )
        dofs = np.broadcast_to(np.asarray(dof, np.float64)[:, None], dofs.shape)
    effect, variance = _combine(
        tuple((run.effect, run.variance) for run in runs), weighted=precision_weighted
    )
    if not isinstance(first.effect, jax.Array):
        effect, variance = np.asarray(effect), np.asarray(variance)
    flat = effect.reshape(-1, effect.shape[-1])
    return _stream(
        partial(_combined, shape=effect.shape[:-1]),
        (flat, variance),
        6 * flat.shape[0] * flat.dtype.itemsize,
        dof=tuple(float(d) for d in dofs.sum(axis=0)),
        dof_num=first.dof_num,
        inflation=tuple(np.mean([run.inflation for run in runs], axis=0).tolist()),
        compat=first.compat,
    )


@partial(jax.jit, static_argnames="weighted")
def _combine(
    runs: tuple[tuple[jax.Array, jax.Array], ...], *, weighted: bool
) -> tuple[jax.Array, jax.Array]:
    """Mean effect and its variance."""
    effects = jnp.stack([jnp.asarray(effect) for effect, _ in runs])
    variances = jnp.stack([jnp.asarray(variance) for _, variance in runs])
    variances = jnp.maximum(variances, jnp.asarray(_TINY_FIXED, variances.dtype))
    n_runs = len(runs)
    if weighted:
        weights = 1 / variances
        total = 1 / weights.sum(0)
    else:
        weights = jnp.ones_like(variances)
        total = variances.sum(0) / n_runs**2
    share = weights / weights.sum(0)[None]
    if effects.ndim == 4:
        share = share[:, :, None]
    return jnp.sum(effects * share, axis=0), total


def _rows(fit: GLMFit, weights: ArrayLike) -> np.ndarray:
    """Check weights and bring them to two axes in float64."""
    rows = np.array(weights, dtype=np.float64, ndmin=2)
    n_regressors = fit.basis.shape[0]
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


def _undetermined(fit: GLMFit, blocks: list[np.ndarray]) -> np.ndarray:
    """Find the tests of what the design leaves open, and say how many."""
    if fit.compat == "nilearn":
        return np.zeros(len(blocks), dtype=bool)
    span = np.linalg.qr(fit.basis)[0]
    open_ = [np.linalg.norm(rows - rows @ span @ span.T, axis=1) for rows in blocks]
    limits = [1e-8 * np.linalg.norm(rows, axis=1) for rows in blocks]
    bad = np.array([(o > c).any() for o, c in zip(open_, limits, strict=True)])
    if bad.any():
        where = ", ".join(str(i) for i in np.flatnonzero(bad))
        warnings.warn(
            f"The design does not determine {bad.sum()} of {bad.size} contrasts "
            f"({where}), because its columns are dependent; they are NaN.",
            UserWarning,
            stacklevel=3,
        )
    return bad


def _independent(fit: GLMFit, rows: np.ndarray) -> np.ndarray:
    """Rows of the same test with unit covariance under independent noise."""
    inside = rows @ fit.basis
    if fit.compat == "nilearn":
        if fit.ar.shape[0]:
            return rows  # whitened voxel by voxel, in its own way
        size, vectors = np.linalg.eigh(inside @ inside.T)
        return (vectors / np.sqrt(size)) @ vectors.T @ rows
    u, sv, _ = np.linalg.svd(inside, full_matrices=False)
    rank = max(int((sv > 1e-10 * sv[0]).sum()), 1)
    return (u[:, :rank] / sv[:rank]).T @ rows


def _test(fit: GLMFit, tests: list[np.ndarray], dof_num: tuple[int, ...]) -> Contrast:
    """Compute the tests block by block."""
    dtype = compute_dtype(fit.coef)  # type: ignore[arg-type]  # an array
    dof, inflation = effective_dof(fit, tests if dof_num else list(tests[0][:, None]))
    info, weights = cast(
        (fit.information, tuple((rows, rows @ fit.basis) for rows in tests)), dtype
    )
    size = fit.basis.shape[0] + 4 * sum(len(rows) for rows in tests)
    size += factor_size(info)
    return _stream(
        partial(_estimated, info, weights),
        (fit.coef, fit.variance[None], fit.ar),
        size * dtype.itemsize,
        dof=dof,
        dof_num=dof_num,
        inflation=inflation,
        compat=fit.compat,
    )


def _stream(
    block: Callable[..., tuple],
    arrays: tuple,
    bytes_each: int,
    *,
    dof: tuple[float, ...],
    dof_num: tuple[int, ...],
    inflation: tuple[float, ...],
    compat: str | None,
) -> Contrast:
    """Effects, variances and all that follows from them, block by block."""
    dtype = compute_dtype(arrays[0])
    tables = tuple(
        tail_table(dtype, dof=d, dof_num=q, inflation=i, compat=compat)
        for d, q, i in zip(dof, dof_num or (None,) * len(dof), inflation, strict=True)
    )
    if not dof_num and len(set(zip(dof, inflation, strict=True))) == 1:
        tables = tables[:1]
    kernel = partial(block, tables, dof_num=dof_num, compat=compat)
    parts = map_targets(kernel, arrays, dtype=dtype, bytes_each=bytes_each)
    names = ("effect", "variance", "stat", "p_value", "z_score", "neg_log10_p")
    kind = "F" if dof_num else "t"
    found = dict(zip(names, parts, strict=True))
    return Contrast(
        dof=dof,
        dof_num=dof_num,
        inflation=inflation,
        kind=kind,
        compat=compat,
        **found,
    )


@partial(jax.jit, static_argnames=("dof_num", "compat"))
def _estimated(
    info: Information,
    weights: tuple[tuple[jax.Array, jax.Array], ...],
    tables: tuple[TailTable, ...],
    coef: jax.Array,
    variance: jax.Array,
    ar: jax.Array,
    *,
    dof_num: tuple[int, ...],
    compat: str | None,
) -> tuple:
    """Test one block of targets."""
    if not dof_num:
        rows, inside = weights[0]
        unit = squares(info, ar, inside)
        return _judged(tables, dot(rows, coef), unit * variance, dof_num, compat)
    effects = []
    for rows, inside in weights:
        effect = dot(rows, coef)
        if ar.shape[0]:
            cov = gram(info, ar, inside)
            effect = whiten_rows(cov, effect, symmetric=compat == "nilearn")
        missing = max(dof_num) - effect.shape[0]
        effects.append(jnp.pad(effect, ((0, missing), (0, 0))))
    effect = jnp.stack(effects)
    variance = jnp.broadcast_to(variance, effect.shape[::2])
    return _judged(tables, effect, variance, dof_num, compat)


@partial(jax.jit, static_argnames=("shape", "dof_num", "compat"))
def _combined(
    tables: tuple[TailTable, ...],
    effect: jax.Array,
    variance: jax.Array,
    *,
    shape: tuple[int, ...],
    dof_num: tuple[int, ...],
    compat: str | None,
) -> tuple:
    """Judge effects and variances that are there already."""
    return _judged(tables, effect.reshape(*shape, -1), variance, dof_num, compat)


def _judged(
    tables: tuple[TailTable, ...],
    effect: jax.Array,
    variance: jax.Array,
    dof_num: tuple[int, ...],
    compat: str | None,
) -> tuple:
    """Effect, variance, statistic, p, z and -log10 p."""
    floor = _TINY_T if compat == "nilearn" and variance.dtype == jnp.float64 else 0
    safe = jnp.maximum(variance, jnp.asarray(floor, variance.dtype))
    if not dof_num:
        stat = effect / jnp.sqrt(safe)
    else:
        size = jnp.asarray(dof_num, effect.dtype)[:, None]
        stat = jnp.sum(effect**2, axis=1) / size / safe
    if len(tables) == 1:
        found = read_tails(stat, tables[0])
    else:
        each = [read_tails(one, table) for one, table in zip(stat, tables, strict=True)]
        found = jax.tree.map(lambda *x: jnp.stack(x), *each)
    return effect, variance, stat, found.p_value, found.z_score, found.neg_log10_p
