"""Lasso by least-angle steps, the penalty chosen by cross-validation."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check
from ..core.ridge import CVFit
from ._lars import Knots, follow
from ._lasso_cv import check_folds
from ._lasso_options import check_max_iter
from ._lasso_system import LassoFit, Part, System, crossed, dual_gap, finish, system
from ._targets import checked, over_targets

__all__ = ["lasso_lars_cv"]

# scikit-learn's: of more candidates every second, third, ... is looked at.
_MOST = 1000
# Bytes that the state of a block may take.
_STATE = 2**26


def lasso_lars_cv(
    X: ArrayLike,
    Y: ArrayLike,
    fold_id: ArrayLike,
    *,
    max_iter: int = 500,
    fit_intercept: bool = True,
    sample_weight: ArrayLike | None = None,
    keep_scores: bool = False,
    batch_size: int | None = None,
    show_progress: bool = False,
) -> CVFit:
    """Fit the lasso along its exact path, stopped by cross-validation.

    The path of every fold is followed for `max_iter` steps; a step lets one feature
    enter or leave. The penalties at which any fold's path turns are the candidates,
    and that with the smallest mean squared error over folds wins, the smaller of
    equals. The path of all samples is followed down to it, but again for no more
    than `max_iter` steps: a small `max_iter` bounds the number of features whatever
    the penalty, as scikit-learn's ``LassoLarsCV`` does.

    Parameters
    ----------
    X, Y, fit_intercept, sample_weight, batch_size, show_progress
        As in :func:`lasso`.
    fold_id : int array (n_samples,)
        Fold that tests each sample, concrete, from 0.
    max_iter : int
        Most steps of a path.
    keep_scores : bool
        Whether to keep the scores of each fold; else only their mean, as one fold.

    Returns
    -------
    CVFit
        With the refit on all samples as a :class:`LassoFit`, whose ``alpha`` is the
        chosen one even where `max_iter` stops the path above it. ``alphas`` has
        shape (n_folds * (max_iter + 1), n_targets): the candidates, NaN where a path
        has fewer turns; scores are negative mean squared errors.

    Raises
    ------
    ValueError
        If shapes disagree, an option is out of its range or folds are not numbered
        from 0.
    TypeError
        If `X` or `Y` does not hold real numbers.

    References
    ----------
    .. [1] Efron, Hastie, Johnstone & Tibshirani, Annals of Statistics 32 (2004)
       407-499, doi:10.1214/009053604000000067; scikit-learn ``LassoLarsCV``. A
       feature that depends linearly on the active ones is left out for good, where
       scikit-learn may take it up again later.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((60, 4))
    >>> y = x[:, :1] + rng.standard_normal((60, 1))
    >>> lasso_lars_cv(x, y, np.arange(60) % 3, max_iter=2).fit.coef.shape
    (4, 1)
    """
    max_iter = check_max_iter(max_iter)
    dtype = checked(X, Y)
    n_samples, n_features = check.shape_of(X)
    numbers = check_folds(fold_id, n_samples)
    s = system(
        X,
        numbers,
        fit_intercept=fit_intercept,
        sample_weight=sample_weight,
        scale=False,
        dtype=dtype,
    )
    n_folds = s.folds.n.size
    n_slots = min(max_iter, n_features, n_samples)

    def block(Y: jax.Array, _: slice) -> tuple:
        return _cv_block(
            s, Y, max_iter=max_iter, n_slots=n_slots, keep_scores=keep_scores
        )

    numbers_per_target = n_slots**2 + 5 * n_folds * (max_iter + 1) + 12 * n_features
    tile = _STATE // (numbers_per_target * dtype.itemsize)
    results = over_targets(
        block,
        Y,
        dtype,
        batch_size=batch_size or int(np.clip(tile, 16, 4096)),
        show_progress=show_progress,
    )
    coef, intercept, alpha, sound, n_iter, gap, scores, alphas, good = results
    fit = LassoFit(
        coef=coef,
        intercept=intercept,
        alpha=alpha,
        converged=sound,
        n_iter=n_iter,
        gap=gap,
    )
    return CVFit(fit=fit, scores=scores, alphas=alphas, converged=good & sound)


@partial(jax.jit, static_argnames=("max_iter", "n_slots", "keep_scores"))
def _cv_block(
    s: System, Y: jax.Array, *, max_iter: int, n_slots: int, keep_scores: bool
) -> tuple:
    c = crossed(s, Y)
    tiny = jnp.finfo(Y.dtype).tiny  # a fold without weight has no error
    go = partial(follow, max_iter=max_iter, n_slots=n_slots)

    def one(fold: tuple[Part, jax.Array, jax.Array]) -> tuple:
        part, train, test = fold
        path = go(part.xx, train, part.n, test=(part.test_xx, test))
        return path.knots, path.at, path.sound

    knots, at, sound = jax.lax.map(one, (s.folds, c.train, c.test))
    base = c.test_yy / jnp.maximum(s.folds.n_test, tiny)[:, None]
    alpha, scores = _search(knots, s.folds, at.max() + 1, base, keep_scores)
    end = go(s.xx, c.xy, s.n, alpha_min=alpha)
    coef, intercept = finish(s, c, end.coef)
    l1 = jnp.broadcast_to((s.n * alpha)[None], coef.shape)
    gap = dual_gap(s.xx, c.xy, c.yy, end.coef, l1, jnp.zeros_like(l1), False)
    scores = jnp.where(jnp.isfinite(scores), scores, jnp.nan)
    alphas = knots.alpha.reshape(-1, Y.shape[1])
    return (
        coef,
        intercept,
        alpha,
        end.sound & c.finite,
        end.n_iter,
        jnp.where(c.finite, gap / s.n, jnp.nan),
        jnp.where(c.finite[None, None], scores, jnp.nan),
        jnp.where(alphas == -jnp.inf, jnp.nan, alphas),
        sound.all(0),
    )


def _search(
    knots: Knots, folds: Part, n_knots: jax.Array, base: jax.Array, keep_scores: bool
) -> tuple[jax.Array, jax.Array]:
    """Mean error at every knot of every fold; the best penalty of each target.

    Knots are looked at in rounds, one of each fold's, as many as the longest path
    has.
    """
    n_folds, most, n_targets = knots.alpha.shape
    tiny = jnp.finfo(base.dtype).tiny
    kept = _thinned(knots.alpha)
    rows = n_folds if keep_scores else 1
    scores = jnp.full((rows, n_folds, most, n_targets), -jnp.inf, base.dtype)

    def round_(k: jax.Array, carry: tuple) -> tuple:
        alpha, best, scores = carry
        candidates = knots.alpha[:, k]
        error = jax.vmap(_error_at, (0, None, 0, None))(
            knots, candidates, folds.n, n_knots
        )
        error = error / jnp.maximum(folds.n_test, tiny)[:, None, None]
        value = jnp.where(kept[:, k], error.mean(0), jnp.inf)  # (n_folds, n_targets)
        held_out = -(error + base[:, None])
        held_out = held_out if keep_scores else held_out.mean(0, keepdims=True)
        held_out = jnp.where(kept[None, :, k], held_out, -jnp.inf)
        scores = scores.at[:, :, k].set(held_out)
        for mine, penalty in zip(value, candidates, strict=True):
            better = (mine < best) | ((mine == best) & (penalty < alpha))
            better &= jnp.isfinite(mine)
            alpha, best = (
                jnp.where(better, penalty, alpha),
                jnp.where(better, mine, best),
            )
        return alpha, best, scores

    start = (knots.alpha[:, 0].max(0), jnp.full(n_targets, jnp.inf, base.dtype), scores)
    alpha, _, scores = jax.lax.fori_loop(0, n_knots, round_, start)
    return alpha, scores.reshape(rows, -1, n_targets)


def _error_at(
    knots: Knots, alpha: jax.Array, n: jax.Array, n_knots: jax.Array
) -> jax.Array:
    """Held-out error of one fold at penalties (n_candidates, n_targets)."""

    def count(k: jax.Array, passed: jax.Array) -> jax.Array:
        return passed + (knots.alpha[k][None] >= alpha).astype(jnp.int32)

    passed = jax.lax.fori_loop(0, n_knots, count, jnp.zeros(alpha.shape, jnp.int32))
    at = jnp.maximum(passed - 1, 0)
    lane = jnp.arange(alpha.shape[1], dtype=jnp.int32)[None]
    far = n * (knots.alpha[at, lane] - jnp.where(alpha == -jnp.inf, 0, alpha))
    error = knots.error[at, lane]
    error += far * (knots.slope[at, lane] + far * knots.curve[at, lane])
    return jnp.where(passed == 0, 0, error)


def _thinned(alpha: jax.Array) -> jax.Array:
    """Which knots are candidates: at most about a thousand penalties per target."""
    known = alpha > -jnp.inf
    n_folds, most, n_targets = alpha.shape
    if n_folds * most < 2 * _MOST:
        return known

    def thin() -> jax.Array:
        flat = jnp.where(known, alpha, jnp.inf).reshape(-1, n_targets)
        order = jnp.argsort(flat, axis=0)
        rising = jnp.take_along_axis(flat, order, axis=0)
        new = jnp.concatenate([jnp.ones_like(known[0, :1]), rising[1:] != rising[:-1]])
        new &= jnp.isfinite(rising)
        rank = jnp.cumsum(new, axis=0, dtype=jnp.int32) - 1
        stride = jnp.maximum(1, new.sum(0, dtype=jnp.int32) // _MOST)
        kept = (rank % stride[None] == 0) & jnp.isfinite(rising)
        back = jnp.argsort(order, axis=0)
        return jnp.take_along_axis(kept, back, axis=0).reshape(known.shape)

    many = known.sum((0, 1)).max() >= 2 * _MOST
    return jax.lax.cond(many, thin, lambda: known)
