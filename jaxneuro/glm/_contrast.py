"""Tests of linear combinations of coefficients, many at once."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core.batch import Sliceable
from ._blocks import cast, compute_dtype, map_targets
from ._contrast_rows import f_rows, t_rows
from ._dof import effective_dof
from ._fit import GLMFit, finished, prepared
from ._fit_block import fit_and_reduce, summed
from ._gls import (
    Information,
    factor_size,
    last_coordinates,
    reduce,
    toward,
    turned,
)
from ._plan import Plan, size_each, turned_plan
from ._statistics import (
    Contrast,
    Weights,
    along,
    effects,
    in_batches,
    judge,
    judge_maps,
    judged,
)
from ._tails import TailTable

__all__ = ["f_contrast", "fit_contrasts", "fixed_effects", "t_contrast"]

_TINY_FIXED = 1e-16  # nilearn's floor of a variance


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
    return _test(fit, t_rows(fit, weights), ())


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
    tests = f_rows(fit, weights)
    return _test(fit, tests, tuple(len(rows) for rows in tests))


def fit_contrasts(
    X: ArrayLike,
    Y: Sliceable | jax.Array,
    *,
    t: ArrayLike | None = None,
    F: ArrayLike | Sequence[ArrayLike] | None = None,
    noise_model: str = "ols",
    run_id: ArrayLike | None = None,
    keep: ArrayLike | None = None,
    ar: ArrayLike | None = None,
    compat: str | None = None,
) -> tuple[GLMFit, Contrast | None, Contrast | None]:
    """Fit a general linear model and test contrasts that are known beforehand.

    The numbers are those of :func:`fit`, :func:`t_contrast` and :func:`f_contrast`
    but for rounding. With autoregressive noise of order 2 or more, or gaps, the
    design is factored once for every target instead of three times.

    Parameters
    ----------
    X, Y
        Design and data, as in :func:`fit`.
    t : array (n_contrasts, n_regressors) or (n_regressors,), optional
        As `weights` of :func:`t_contrast`.
    F : array (n_rows, n_regressors), or several of these, optional
        As `weights` of :func:`f_contrast`.
    noise_model, run_id, keep, ar, compat
        As in :func:`fit`.

    Returns
    -------
    fit : GLMFit
        Fitted model.
    t, F : Contrast or None
        Their tests.

    Raises
    ------
    ValueError
        As these functions do.

    Examples
    --------
    >>> from jaxneuro import glm
    >>> rng = np.random.default_rng(0)
    >>> X = np.column_stack([np.sin(np.arange(100.0)), np.ones(100)])
    >>> Y = rng.standard_normal((100, 5))
    >>> fit, t, F = glm.fit_contrasts(X, Y, t=[[1, 0]], F=np.eye(2), noise_model="ar2")
    >>> t.stat.shape, F.dof_num
    ((1, 5), (2,))
    """
    plan, data, dtype = prepared(
        X, Y, noise_model=noise_model, run_id=run_id, keep=keep, ar=ar, compat=compat
    )
    t_tests = [] if t is None else t_rows(plan, t)
    f_tests = [] if F is None else f_rows(plan, F)
    dof_num = tuple(len(rows) for rows in f_tests)
    every = np.concatenate([plan.basis[:0], *t_tests, *f_tests])
    turn, size = last_coordinates(plan.information, every @ plan.basis)
    plan = turned_plan(plan, turn)
    weights = (along(t_tests, plan.basis, size), along(f_tests, plan.basis, size))
    estimates, *maps = map_targets(
        partial(_fit_and_test, *cast((plan, weights), dtype), dof_num=dof_num),
        data,
        dtype=dtype,
        bytes_each=(size_each(plan) + 4 * len(every)) * dtype.itemsize,
        first=summed(plan, dtype),
        alone=in_batches(plan.information, f_tests, compat),
    )
    fit = finished(plan, estimates, noise_model, own=len(data) == 1)
    return (
        fit,
        _from_maps(fit, t_tests, (), *maps[0]) if t_tests else None,
        _from_maps(fit, f_tests, dof_num, *maps[1]) if f_tests else None,
    )


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
    return judge_maps(
        effect,
        variance,
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


def _test(fit: GLMFit, tests: list[np.ndarray], dof_num: tuple[int, ...]) -> Contrast:
    """Compute the tests block by block."""
    dtype = compute_dtype(fit.coef)  # type: ignore[arg-type]  # an array
    turn, size = last_coordinates(fit.information, np.concatenate(tests) @ fit.basis)
    info, weights = cast(
        (turned(fit.information, turn), along(tests, fit.basis @ turn, size)), dtype
    )
    dof, inflation = _precision(fit, tests, dof_num)
    size = fit.basis.shape[0] + 4 * sum(len(rows) for rows in tests)
    size += factor_size(info)
    return judge(
        partial(_test_block, info, weights),
        (fit.coef, fit.variance[None], fit.ar),
        size * dtype.itemsize,
        dof=dof,
        dof_num=dof_num,
        inflation=inflation,
        compat=fit.compat,
        alone=in_batches(info, tests if dof_num else [], fit.compat),
    )


def _from_maps(
    fit: GLMFit,
    tests: list[np.ndarray],
    dof_num: tuple[int, ...],
    effect: jax.Array | np.ndarray,
    variance: jax.Array | np.ndarray,
) -> Contrast:
    """Give the tests whose effects and variances came with the fit."""
    dof, inflation = _precision(fit, tests, dof_num)
    return judge_maps(
        effect,
        variance,
        dof=dof,
        dof_num=dof_num,
        inflation=inflation,
        compat=fit.compat,
    )


def _precision(
    fit: GLMFit, tests: list[np.ndarray], dof_num: tuple[int, ...]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Degrees of freedom and inflation of each contrast."""
    return effective_dof(fit, tests if dof_num else list(tests[0][:, None]))


@partial(jax.jit, static_argnames="dof_num")
def _fit_and_test(
    plan: Plan,
    weights: tuple[Weights, Weights],
    y: jax.Array,
    given: jax.Array | None = None,
    *,
    dof_num: tuple[int, ...],
) -> tuple:
    """Fit one block of targets, with the effects of t and of F and their variances."""
    info = plan.information
    estimates, found = fit_and_reduce(plan, y, given)
    t, f = weights
    if t or f:
        found = toward(info, found, _all_rows(t + f))
    at = len(t[0][0]) if t else 0
    return (
        estimates,
        effects(info, t, estimates, found, (), plan.compat) if t else (),
        effects(info, f, estimates, found, dof_num, plan.compat, at=at) if f else (),
    )


def _all_rows(weights: Weights) -> jax.Array:
    """Rows of all tests along the last coordinates."""
    return jnp.concatenate([inside for _, inside in weights])


@partial(jax.jit, static_argnames=("dof_num", "compat"))
def _test_block(
    info: Information,
    weights: Weights,
    tables: tuple[TailTable, ...],
    coef: jax.Array,
    variance: jax.Array,
    ar: jax.Array,
    *,
    dof_num: tuple[int, ...],
    compat: str | None,
) -> tuple:
    """Test one block of targets."""
    found = toward(info, reduce(info, ar), _all_rows(weights))
    effect, variance = effects(
        info, weights, (coef, variance, ar), found, dof_num, compat
    )
    return judged(tables, effect, variance, dof_num, compat)
