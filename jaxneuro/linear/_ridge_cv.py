"""Ridge regression whose penalty is chosen by cross-validation."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check, folds, search
from ..core.ridge import CVFit
from ..core.threads import side_by_side
from ._block import center_block, solve_block
from ._factor import Whole, fold_factor, products_of, whole
from ._loo import closed_block, closed_scores
from ._mix import mix
from ._records import LinearFit
from ._ridge import METHODS, check_out, fits_dual
from ._rows import Options, Rows, arrange
from ._score import score_block, search_block
from ._targets import Writable, checked, over_targets, tile_width

__all__ = ["fold_number", "ridge_cv"]

_FEW_FEATURES = 256


def ridge_cv(
    X: ArrayLike,
    Y: ArrayLike,
    alphas: ArrayLike,
    fold_id: ArrayLike | str,
    *,
    alpha_groups: ArrayLike | None = None,
    metric: str = "r2",
    fit_intercept: bool = True,
    method: str = "auto",
    sample_weight: ArrayLike | None = None,
    scale: bool = False,
    keep_scores: bool = False,
    batch_size: int | None = None,
    out: Writable | None = None,
    show_progress: bool = False,
) -> CVFit:
    """Fit ridge regression, each target's penalty chosen by cross-validation.

    Every fold is factored once for all targets and penalties. Targets pass through
    in blocks; neither predictions nor anything of size n_samples x n_targets x
    n_alphas is formed. Penalties that shrink almost alike share their products, as
    far as that changes no score by more than about 1e-6 in float32 or 1e-11 in
    float64.

    Parameters
    ----------
    X, Y, fit_intercept, sample_weight, scale, batch_size, out, show_progress
        As in :func:`ridge`. Weights count in the fit and in the scores. With
        `scale`, columns are divided by their deviation over all samples.
    alphas : array (n_alphas,)
        Grid of penalty strengths, in any order.
    fold_id : int array (n_samples,), "gcv" or "loo"
        Fold that tests each sample, concrete, from 0; or generalised
        cross-validation; or leaving each sample out in turn, in closed form. For
        these two a score of R2 compares with the mean of the other samples.
    alpha_groups : int array (n_targets,), optional
        Targets with the same number share their penalty. Default: one each.
    metric : {"r2", "correlation", "mse"}
        Held-out score by which to choose; "mse" is negative.
    method : {"auto", "primal", "dual"}
        Solve through the products of features or of samples. "auto" takes the dual
        where there are more features than training samples.
    keep_scores : bool
        Whether to keep the scores of each fold; else only their mean, as one fold.

    Returns
    -------
    CVFit
        With the refit on all samples as a :class:`LinearFit`.

    Raises
    ------
    ValueError
        If shapes disagree, an option is unknown, `X` has NaN, penalties or weights are
        negative, folds are not numbered from 0, or a fold is too small for the metric.
    TypeError
        If `X` or `Y` does not hold real numbers.

    References
    ----------
    .. [1] Dupre la Tour, Eickenberg, Nunez-Elizalde & Gallant, NeuroImage 264 (2022)
       119728, doi:10.1016/j.neuroimage.2022.119728; himalaya ``RidgeCV``.
    .. [2] Golub, Heath & Wahba, Technometrics 21 (1979) 215-223,
       doi:10.1080/00401706.1979.10489751.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((60, 3))
    >>> result = ridge_cv(x, x[:, :2], [0.1, 10.0], np.arange(60) % 3)
    >>> result.fit.coef.shape, result.scores.shape
    ((3, 2), (1, 2, 2))
    """
    check.choice("metric", metric, search.METRICS)
    check.choice("method", method, METHODS[:-1])
    dtype = checked(X, Y)
    n_samples, n_features = check.shape_of(X)
    n_targets = check.shape_of(Y)[1]
    grid = check.alphas("alphas", alphas)
    check_out(out, n_features, n_targets)
    numbers, n_train = fold_number(fold_id, n_samples, metric)
    dual = fits_dual(method, n_train, n_features)
    rows = arrange(
        X,
        numbers,
        fit_intercept=fit_intercept,
        sample_weight=sample_weight,
        scale=scale,
        dtype=dtype,
        together=dual or isinstance(fold_id, str),
    )
    options = Options(
        metric=metric, fit_intercept=fit_intercept, dual=dual, keep_scores=keep_scores
    )
    small = not isinstance(fold_id, str) or n_features <= _FEW_FEATURES
    batch_size = batch_size or min(tile_width(small=small), n_targets)
    stream = {"batch_size": batch_size, "show_progress": show_progress}
    strengths = jnp.asarray(grid, dtype)
    if isinstance(fold_id, str):
        parts = _closed_form(rows, strengths, fold_id, options)
    else:
        parts = _by_folds(rows, strengths, grid, options)
    if alpha_groups is None:
        coef, intercept, scores, alpha, defined = over_targets(
            lambda block, _: parts.search(block), Y, dtype, out=out, **stream
        )
    else:
        groups = np.asarray(alpha_groups)
        check.same_length("Y", np.zeros(n_targets), "alpha_groups", groups, "targets")
        coef, intercept, scores, alpha, defined = _by_groups(
            parts, rows, Y, strengths, groups, options, dtype, out, stream
        )
    fit = LinearFit(coef=coef, intercept=intercept, alpha=alpha)
    return CVFit(fit=fit, scores=scores, alphas=strengths, converged=defined)


def _by_groups(
    parts: "_Search",
    rows: Rows,
    Y: ArrayLike,
    strengths: jax.Array,
    groups: np.ndarray,
    options: Options,
    dtype: np.dtype,
    out: Writable | None,
    stream: dict[str, Any],
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array, jax.Array]:
    """Score all targets, choose for each group, then read the targets again."""
    (scores,) = over_targets(lambda block, _: (parts.score(block),), Y, dtype, **stream)
    names, member = np.unique(groups, return_inverse=True)
    index, defined = search.choose(
        strengths, scores, groups=member, n_groups=names.size
    )
    alpha = strengths[index]

    def solve(block: jax.Array, here: slice) -> tuple:
        mine = jnp.pad(alpha[here], (0, block.shape[1] - alpha[here].size))
        return solve_block(rows, parts.final, block, mine, options)

    coef, intercept = over_targets(solve, Y, dtype, out=out, **stream)
    return coef, intercept, scores, alpha, defined


class _Search(NamedTuple):
    """How to score blocks of targets, and to fit them with the best penalty."""

    score: Callable[[jax.Array], jax.Array]
    search: Callable[[jax.Array], tuple]
    final: Whole


def _by_folds(
    rows: Rows, strengths: jax.Array, grid: np.ndarray, options: Options
) -> _Search:
    inverse = grid.size == 1 and grid[0] > 0
    products = products_of(rows, options)
    factor = fold_factor(rows, products, strengths, options, inverse=inverse)
    relative = options.metric == "correlation"
    how = "inverse" if inverse else "eigh"
    jobs = (
        lambda: mix(factor, grid, dual=options.dual, relative=relative),
        lambda: whole(rows, strengths, products.total, dual=options.dual, method=how),
    )
    found: list[Any] = side_by_side(lambda job: job(), jobs, like=rows.root)
    mixture, final = found
    known = rows, factor, mixture

    def score(Y: jax.Array) -> jax.Array:
        block = center_block(rows, Y, options)
        return score_block(*known, block, strengths, options)

    def find(Y: jax.Array) -> tuple:
        return search_block(*known, final, Y, strengths, options)

    return _Search(score, find, final)


def _closed_form(
    rows: Rows, strengths: jax.Array, scheme: str, options: Options
) -> _Search:
    if scheme == "gcv" and options.metric == "correlation":
        raise ValueError(
            "metric is 'correlation' but fold_id 'gcv' estimates squared errors only; "
            "take 'r2', 'mse' or fold_id 'loo'."
        )
    final = whole(rows, strengths, dual=options.dual, method="rows")
    options = options._replace(dual=True)  # `final` acts on the targets
    return _Search(
        lambda Y: closed_scores(rows, final, Y, strengths, options, scheme=scheme),
        lambda Y: closed_block(rows, final, Y, strengths, options, scheme=scheme),
        final,
    )


def fold_number(
    fold_id: ArrayLike | str, n_samples: int, metric: str
) -> tuple[np.ndarray, int]:
    """Check a scheme of cross-validation.

    Parameters
    ----------
    fold_id : int array (n_samples,), "gcv" or "loo"
        Scheme.
    n_samples : int
        Expected length.
    metric : str
        Held-out score.

    Returns
    -------
    int array (n_samples,)
        Fold of each sample; all zero for a scheme in closed form.
    n_train : int
        Most samples that a fold is fitted to.

    Raises
    ------
    ValueError
        If the length differs, the name is unknown, folds are not numbered from 0,
        or `metric` is not defined for a fold of one sample.
    """
    if isinstance(fold_id, str):
        check.choice("fold_id", fold_id, ("gcv", "loo"))
        return np.zeros(n_samples, int), n_samples
    numbers = np.asarray(fold_id)
    if numbers.shape != (n_samples,):
        raise ValueError(
            f"fold_id has shape {numbers.shape} but must be ({n_samples},), one fold "
            "number per sample."
        )
    folds.n_folds(numbers)
    size = np.bincount(numbers.astype(int))
    if metric != "mse" and (size == 1).any():
        raise ValueError(
            f"fold_id holds {np.count_nonzero(size == 1)} folds of one sample, whose "
            f"{metric} is not defined; take fold_id 'loo' or metric 'mse'."
        )
    return numbers.astype(int), n_samples - int(size.min())
