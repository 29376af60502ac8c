"""Lasso whose penalty is chosen by cross-validation, for every target at once."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check, folds
from ..core.ridge import CVFit
from ._lasso import solve, strengths
from ._lasso_options import Options, check_options, width
from ._lasso_system import LassoFit, Part, System, crossed, system
from ._prox import walk
from ._targets import checked, over_targets

__all__ = ["check_folds", "lasso_cv"]

# How much nearer to its optimum the refit is brought than the paths of the folds.
_REFIT = 1e-3


def lasso_cv(
    X: ArrayLike,
    Y: ArrayLike,
    fold_id: ArrayLike,
    *,
    alphas: ArrayLike | None = None,
    n_alphas: int = 100,
    eps: float = 1e-3,
    l1_ratio: float = 1.0,
    positive: bool = False,
    fit_intercept: bool = True,
    max_iter: int = 1000,
    tol: float = 3e-5,
    sample_weight: ArrayLike | None = None,
    keep_scores: bool = False,
    batch_size: int | None = None,
    show_progress: bool = False,
) -> CVFit:
    """Fit a lasso, each target's penalty chosen by cross-validation.

    Without `alphas`, every target has a grid of its own, from the smallest penalty
    that leaves no feature down to `eps` times that in equal ratios. The penalty with
    the smallest mean squared error over folds wins, the larger of equals. Held-out
    errors are quadratic forms of the test products: no prediction is formed.

    Parameters
    ----------
    X, Y, l1_ratio, positive, fit_intercept, sample_weight, batch_size, show_progress
        As in :func:`lasso`. Weights count in the fit and in the errors.
    fold_id : int array (n_samples,)
        Fold that tests each sample, concrete, from 0.
    alphas : array (n_alphas,), optional
        Grid of penalties for all targets, in any order.
    n_alphas : int
        Length of the grids that are made.
    eps : float
        Ratio of their ends.
    max_iter : int
        Most iterations per penalty.
    tol : float
        As in :func:`lasso`, for the paths of the folds; the refit goes on to a
        thousandth of it.
    keep_scores : bool
        Whether to keep the scores of each fold; else only their mean, as one fold.

    Returns
    -------
    CVFit
        With the refit on all samples as a :class:`LassoFit`. ``alphas`` falls and
        has shape (n_alphas,), or (n_alphas, n_targets) where it was made; scores are
        negative mean squared errors. ``converged`` asks for the refit and for every
        path.

    Raises
    ------
    ValueError
        If shapes disagree, an option is out of its range or folds are not numbered
        from 0.
    TypeError
        If `X` or `Y` does not hold real numbers.

    References
    ----------
    .. [1] Friedman, Hastie & Tibshirani, Journal of Statistical Software 33 (2010)
       1-22, doi:10.18637/jss.v033.i01; scikit-learn ``LassoCV``, ``ElasticNetCV``.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((60, 4))
    >>> y = x[:, :1] + rng.standard_normal((60, 1))
    >>> result = lasso_cv(x, y, np.arange(60) % 3)
    >>> result.fit.coef.shape, result.scores.shape
    ((4, 1), (1, 100, 1))
    """
    options = check_options(l1_ratio, positive, max_iter, tol)
    dtype = checked(X, Y)
    n_samples, n_features = check.shape_of(X)
    numbers = check_folds(fold_id, n_samples)
    grid = _grid(alphas, n_alphas, eps, dtype)
    s = system(
        X,
        numbers,
        fit_intercept=fit_intercept,
        sample_weight=sample_weight,
        scale=True,
        dtype=dtype,
    )
    made = alphas is None

    def block(Y: jax.Array, _: slice) -> tuple:
        return _cv_block(s, Y, grid, options, made=made, keep_scores=keep_scores)

    results = over_targets(
        block,
        Y,
        dtype,
        batch_size=batch_size or width(n_features, dtype),
        show_progress=show_progress,
    )
    coef, intercept, alpha, solved, n_iter, gap, scores, grids, good = results
    fit = LassoFit(
        coef=coef,
        intercept=intercept,
        alpha=alpha,
        converged=solved,
        n_iter=n_iter,
        gap=gap,
    )
    alphas = grids if made else grid
    return CVFit(fit=fit, scores=scores, alphas=alphas, converged=good & solved)


@partial(jax.jit, static_argnames=("made", "keep_scores"))
def _cv_block(
    s: System,
    Y: jax.Array,
    grid: jax.Array,
    options: Options,
    *,
    made: bool,
    keep_scores: bool,
) -> tuple:
    c = crossed(s, Y)
    tiny = jnp.finfo(Y.dtype).tiny  # a fold without weight has no error
    n_alphas, n_targets = grid.size, Y.shape[1]
    alphas = jnp.broadcast_to(grid[:, None], (n_alphas, n_targets))
    if made:
        pull = c.xy * s.rows.scale[:, None]
        top = (pull if options.positive else jnp.abs(pull)).max(0)
        top = jnp.maximum(top, 0) / (s.n * options.l1_ratio.astype(Y.dtype))
        least = jnp.finfo(Y.dtype).resolution
        alphas = jnp.where(top > least, alphas * top[None], least)

    def one(fold: tuple[Part, jax.Array, jax.Array]) -> tuple:
        part, train, test = fold
        penalty = strengths(alphas, part.n, s, options)
        end = walk(
            part.xx,
            train,
            penalty,
            tol=options.tol,
            max_iter=options.max_iter,
            test=(part.test_xx, test),
        )
        return end.error / jnp.maximum(part.n_test, tiny), end.solved

    error, solved = jax.lax.map(one, (s.folds, c.train, c.test))
    best = jnp.argmin(error.mean(0), axis=0)
    alpha = jnp.take_along_axis(alphas, best[None], axis=0)[0]
    _, fit = solve(s, c, alpha, options.nearer(_REFIT))
    base = c.test_yy / jnp.maximum(s.folds.n_test, tiny)[:, None]
    scores = -(error + base[:, None])
    scores = scores if keep_scores else scores.mean(0, keepdims=True)
    scores = jnp.where(c.finite[None, None], scores, jnp.nan)
    return (
        fit.coef,
        fit.intercept,
        fit.alpha,
        fit.converged,
        fit.n_iter,
        fit.gap,
        scores,
        alphas if made else alphas[:1],
        solved.all(0),
    )


def check_folds(fold_id: ArrayLike, n_samples: int) -> np.ndarray:
    """Check the folds of a search.

    Parameters
    ----------
    fold_id : int array (n_samples,)
        Fold of each sample.
    n_samples : int
        Expected length.

    Returns
    -------
    int array (n_samples,)
        Fold of each sample.

    Raises
    ------
    ValueError
        If the length differs or folds are not numbered from 0.
    """
    numbers = np.asarray(fold_id)
    if numbers.shape != (n_samples,):
        raise ValueError(
            f"fold_id has shape {numbers.shape} but must be ({n_samples},), one fold "
            "number per sample."
        )
    folds.n_folds(numbers)
    return numbers.astype(int)


def _grid(
    alphas: ArrayLike | None, n_alphas: int, eps: float, dtype: np.dtype
) -> jax.Array:
    """Penalties in falling order: as given, or relative to each target's largest."""
    if alphas is not None:
        return jnp.asarray(np.sort(check.alphas("alphas", alphas))[::-1], dtype)
    if check.real_number("n_alphas", n_alphas) < 1 or int(n_alphas) != n_alphas:
        raise ValueError(
            f"n_alphas is {n_alphas!r} but must be a whole number, 1 or more."
        )
    if not 0 < check.real_number("eps", eps) < 1:
        raise ValueError(f"eps is {eps!r} but must lie between 0 and 1.")
    return jnp.asarray(np.geomspace(1.0, eps, int(n_alphas)), dtype)
