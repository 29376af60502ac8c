"""Ridge regression by the length of the coefficients, for every target."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check, folds, score
from ..core.batch import Sliceable
from ..core.linalg import dot, factor
from ..core.ridge import CVFit
from ..core.struct import struct
from ._blocks import cast, compute_dtype, map_targets

__all__ = ["FractionalFit", "fractional_ridge", "fractional_ridge_cv"]

_MAX_STEPS = 100
_METRICS = {"r2": score.r2, "correlation": score.correlation}


@struct
class FractionalFit:
    """Coefficients of a given length relative to least squares.

    Attributes
    ----------
    coef : array (n_features, n_targets)
        Estimates.
    fraction : array (n_targets,)
        Length of `coef` over that of the least squares estimate.
    alpha : array (n_targets,)
        Ridge penalty that gives it.
    """

    coef: jax.Array | np.ndarray
    fraction: jax.Array | np.ndarray
    alpha: jax.Array | np.ndarray


@struct
class _Basis:
    """Right and left singular vectors, singular values, and the nuisance's frame."""

    v: jax.Array | np.ndarray
    u: jax.Array | np.ndarray
    s: jax.Array | np.ndarray


def fractional_ridge(
    X: ArrayLike,
    Y: Sliceable | jax.Array,
    fraction: ArrayLike,
    *,
    nuisance: ArrayLike | None = None,
) -> FractionalFit:
    """Shrink each target's estimate to a fraction of its least squares length.

    The penalty solves ``|b(alpha)| = fraction |b(0)|``, by Newton's method on the
    reciprocal length, which is nearly straight in alpha. Memory: the coefficients and
    a block of targets.

    Parameters
    ----------
    X : array (n_times, n_features)
        Predictors, concrete.
    Y : array or sliceable (n_times, n_targets)
        Data.
    fraction : float or array (n_targets,)
        Between 0 (excluded) and 1 (least squares).
    nuisance : array (n_times, n_nuisance), optional
        Constant, drifts, confounds, which are not penalised; no constant is added.

    Returns
    -------
    FractionalFit
        Coefficients, fractions and penalties. NaN where the data are NaN; a target
        that the predictors do not touch has coefficients of zero and penalty zero.

    Raises
    ------
    ValueError
        If shapes disagree or a fraction is not above 0 and at most 1.

    References
    ----------
    .. [1] Rokem & Kay, GigaScience 9 (2020) giaa133, doi:10.1093/gigascience/giaa133;
       their ``fracridge`` interpolates the penalty on a grid, this solves for it.
    """
    X, base = _checked(X, Y, nuisance)
    n_targets = check.shape_of(Y)[1]  # type: ignore[arg-type]
    wanted = np.asarray(fraction, dtype=np.float64)
    if wanted.shape not in ((), (n_targets,)):
        raise ValueError(
            f"fraction has shape {wanted.shape} but must be a number or have shape "
            f"({n_targets},), one value per target."
        )
    _check_fractions("fraction", wanted)
    dtype = compute_dtype(Y)
    basis = _decompose(_free(base, X))
    plan = cast((_frame(base), basis), dtype)
    coef, used, alpha = map_targets(
        partial(_fit_block, plan),
        (Y, np.broadcast_to(wanted, (1, n_targets))),
        dtype=dtype,
        bytes_each=(2 * X.shape[0] + 4 * basis.s.size) * dtype.itemsize,
    )
    return FractionalFit(coef=coef, fraction=used[0], alpha=alpha[0])


def fractional_ridge_cv(
    X: ArrayLike,
    Y: Sliceable | jax.Array,
    fractions: ArrayLike,
    fold_id: ArrayLike,
    *,
    nuisance: ArrayLike | None = None,
    metric: str = "r2",
) -> CVFit:
    """Choose each target's fraction by cross-validation, and fit again.

    Nuisance is taken out of predictors and data before they are split: give it a
    block of columns per run, and runs as folds. Memory: the coefficients, the scores
    and a block of targets.

    Parameters
    ----------
    X : array (n_times, n_features)
        Predictors, concrete.
    Y : array or sliceable (n_times, n_targets)
        Data.
    fractions : array (n_fractions,)
        Above 0 and at most 1.
    fold_id : int array (n_times,)
        Fold that tests each sample, from 0, concrete.
    nuisance : array (n_times, n_nuisance), optional
        Constant, drifts, confounds; no constant is added.
    metric : {"r2", "correlation"}
        Score of the held-out prediction.

    Returns
    -------
    CVFit
        ``fit`` is a :class:`FractionalFit`; scores (n_folds, n_fractions, n_targets);
        ``alphas`` holds the fractions.

    Raises
    ------
    ValueError
        If shapes disagree, a fraction is not above 0 and at most 1, or an option is
        unknown.

    References
    ----------
    .. [1] Rokem & Kay, GigaScience 9 (2020) giaa133, doi:10.1093/gigascience/giaa133.
    """
    check.choice("metric", metric, tuple(_METRICS))
    X, base = _checked(X, Y, nuisance)
    grid = np.atleast_1d(np.asarray(fractions, dtype=np.float64))
    check.has_ndim("fractions", grid, 1)
    _check_fractions("fractions", grid)
    check.same_length("X", X, "fold_id", fold_id)
    n_folds, fold = folds.n_folds(fold_id), np.asarray(fold_id)
    free = _free(base, X)
    parts = []
    for k in range(n_folds):
        train, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        parts.append((_decompose(free[train]), free[test], train, test))
    dtype = compute_dtype(Y)
    plan = cast((_frame(base), _decompose(free), tuple(parts), grid), dtype)
    rows = 3 * X.shape[0] + (2 * grid.size + 4) * min(X.shape)
    found = map_targets(
        partial(_cv_block, plan, metric=metric),
        (Y,),
        dtype=dtype,
        bytes_each=rows * dtype.itemsize,
    )
    coef, fraction, alpha, scores, converged = found
    return CVFit(
        fit=FractionalFit(coef=coef, fraction=fraction[0], alpha=alpha[0]),
        scores=scores,
        alphas=jnp.asarray(grid, dtype),
        converged=converged,
    )


def _checked(
    X: ArrayLike, Y: Sliceable | jax.Array, nuisance: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray]:
    check.has_ndim("X", X, 2)
    check.has_ndim("Y", Y, 2)  # type: ignore[arg-type]  # only its shape is read
    check.same_length("X", X, "Y", Y)  # type: ignore[arg-type]
    X = np.asarray(X, dtype=np.float64)
    check.finite("X", X)
    base = np.zeros((len(X), 0)) if nuisance is None else np.asarray(nuisance, float)
    check.has_ndim("nuisance", base, 2)
    check.same_length("X", X, "nuisance", base)
    return X, base


def _check_fractions(name: str, values: np.ndarray) -> None:
    bad = ~((values > 0) & (values <= 1))
    if bad.any():
        raise ValueError(
            f"{name} holds {values[bad].flat[0]:g} but must be above 0 and at most 1."
        )


def _frame(base: np.ndarray) -> np.ndarray:
    return factor(base).q if base.shape[1] else base


def _free(base: np.ndarray, X: np.ndarray) -> np.ndarray:
    q = _frame(base)
    X = X - q @ (q.T @ X)
    return X - q @ (q.T @ X)


def _decompose(X: np.ndarray) -> _Basis:
    """Keep the singular values that rounding has not made."""
    u, s, vt = np.linalg.svd(X, full_matrices=False)
    kept = s > max(X.shape) * np.finfo(np.float64).eps * s.max(initial=0)
    return _Basis(v=vt[kept].T, u=u[:, kept], s=s[kept])


def _clean(q: jax.Array, y: jax.Array) -> jax.Array:
    # Twice: what rounding leaves of a large mean is small the second time.
    y = y - dot(q, dot(q.T, y))
    return y - dot(q, dot(q.T, y))


@jax.jit
def _fit_block(
    plan: tuple, y: jax.Array, fraction: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    q, basis = plan
    z = dot(basis.u.T, _clean(q, y)) / basis.s[:, None]
    alpha = _penalty(z, basis.s, fraction[0])
    return dot(basis.v, z * _shrink(basis.s, alpha)), fraction, alpha[None]


@partial(jax.jit, static_argnames="metric")
def _cv_block(plan: tuple, y: jax.Array, *, metric: str) -> tuple:
    q, basis, parts, grid = plan
    y = _clean(q, y)
    scores = jnp.stack([_fold_scores(part, y, grid, metric) for part in parts])
    mean = scores.mean(0)
    defined = jnp.isfinite(mean)
    best = jnp.argmax(jnp.where(defined, mean, -jnp.inf), axis=0)
    fraction = grid[best]
    z = dot(basis.u.T, y) / basis.s[:, None]
    alpha = _penalty(z, basis.s, fraction)
    coef = dot(basis.v, z * _shrink(basis.s, alpha))
    return coef, fraction[None], alpha[None], scores, defined.any(0)


def _fold_scores(part: tuple, y: jax.Array, grid: jax.Array, metric: str) -> jax.Array:
    """Scores of one fold, (n_fractions, n_targets)."""
    basis, test, train_rows, test_rows = part
    z = dot(basis.u.T, y[train_rows]) / basis.s[:, None]
    held_out, inside = y[test_rows], dot(test, basis.v)

    def one(fraction: jax.Array) -> jax.Array:
        wanted = jnp.broadcast_to(fraction, z.shape[1:])
        shrunk = z * _shrink(basis.s, _penalty(z, basis.s, wanted))
        return _METRICS[metric](held_out, dot(inside, shrunk))

    return jax.lax.map(one, grid)


def _shrink(s: jax.Array, alpha: jax.Array) -> jax.Array:
    square = (s * s)[:, None]
    return square / (square + alpha[None])


def _penalty(z: jax.Array, s: jax.Array, fraction: jax.Array) -> jax.Array:
    """Penalty that shrinks each column of `z` to a fraction of its length.

    The reciprocal length is concave in the penalty, so that Newton's steps from zero
    rise to the root and never pass it.
    """
    size = jnp.sqrt((z * z).sum(0))
    touched = size > 0
    unit = z / jnp.where(touched, size, 1)[None]
    square, weight = (s * s)[:, None], unit * unit
    eps = jnp.finfo(z.dtype).eps

    def newton(alpha: jax.Array, weight: jax.Array, goal: jax.Array) -> jax.Array:
        share = 1 / (square + alpha[None])
        part = weight * (square * share) ** 2
        length2 = part.sum(0)
        length = jnp.sqrt(length2)
        # d(1 / length) / d alpha is the sum of part * share over length^3.
        step = (goal * length - 1) * length2 / (part * share).sum(0)
        return jnp.where(touched & (goal > 1), step, 0)

    fixed = jax.lax.stop_gradient((weight, 1 / fraction))

    def advance(state: tuple) -> tuple:
        alpha, _, count = state
        moved = jnp.maximum(newton(alpha, *fixed), 0)
        going = (moved > 4 * eps * alpha).any() & (count < _MAX_STEPS)
        return alpha + moved, going, count + 1

    start = jnp.zeros_like(size), jnp.asarray(True), jnp.asarray(0)
    alpha = jax.lax.while_loop(lambda state: state[1], advance, start)[0]
    # One more step carries the derivative that the loop does not.
    alpha = alpha + newton(alpha, weight, 1 / fraction)
    return jnp.where(jnp.isfinite(size), alpha, jnp.nan)
