"""Ridge regression with one penalty per band of features and target."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check, search
from ..core.partition import band_numbers
from ..core.progress import track
from ..core.ridge import CVFit
from ..core.threads import ahead
from ._bands import check_gammas, sample_gammas
from ._block import Block, center_block, solve_block
from ._factor import Factors, Whole, fold_factor, products_of, whole
from ._mix import Mixes, mix
from ._records import LinearFit
from ._ridge import fits_dual
from ._ridge_cv import fold_number
from ._rows import Options, Rows, arrange
from ._score import score_block
from ._screen import Data, best_of, screen
from ._targets import checked, over_targets, tile_width

__all__ = ["banded_ridge_cv"]

# Bytes of targets and their products that are kept from one weighting to the next.
_KEPT = 2**28


def banded_ridge_cv(
    X: ArrayLike,
    Y: ArrayLike,
    bands: ArrayLike,
    alphas: ArrayLike,
    fold_id: ArrayLike,
    *,
    key: jax.Array | None = None,
    n_iter: int = 100,
    gammas: ArrayLike | None = None,
    search: str = "random",
    shared: bool = False,
    metric: str = "r2",
    fit_intercept: bool = True,
    sample_weight: ArrayLike | None = None,
    batch_size: int | None = None,
    show_progress: bool = False,
) -> CVFit:
    """Fit ridge regression with one penalty per band of features and target.

    Bands are weighed by a point ``gamma`` of the simplex and share a penalty
    ``alpha``: band ``i`` is penalised by ``alpha / gamma_i``. Every weighting is
    tried on all targets and penalties at once.

    Parameters
    ----------
    X, Y, fold_id, metric, fit_intercept, sample_weight
        As in :func:`ridge_cv`; `fold_id` is an array.
    bands : int array (n_features,)
        Band of each feature, from 0.
    alphas : array (n_alphas,)
        Grid of positive penalty strengths.
    key : array, optional
        Random key; needed unless `gammas` are given.
    n_iter : int
        Number of weightings to try.
    gammas : array (n_iter, n_bands), optional
        Weightings to try instead of random ones, in order.
    search : {"random", "gcv"}
        "random" scores every weighting by folds. "gcv" scores them by generalised
        cross-validation, which needs no folds, draws half of them around those that
        were best for many targets, and compares a tenth of them (at least 16), the
        ones that serve all targets best, by folds.
    shared : bool
        Whether all targets share the weighting with the best mean score; `alpha`
        is each target's own all the same.
    batch_size : int, optional
        Targets that are scored at once. Blocks are kept from one weighting to the
        next with their products, up to 256 MB; the others are made anew each time.
    show_progress : bool
        Whether to draw a progress bar over weightings.

    Returns
    -------
    CVFit
        ``fit.alpha (n_bands, n_targets)`` holds ``alpha / gamma``, infinite for a
        band that is left out. ``alphas (n_compared, n_bands)`` holds the weightings
        that were scored by folds and ``scores (1, n_compared, n_targets)`` their
        mean score at each target's best `alpha`.

    Raises
    ------
    ValueError
        If shapes disagree, an option is unknown, `X` has NaN, a penalty is not
        positive, a weight is negative, a band has no feature, or neither `key` nor
        `gammas` is given.

    References
    ----------
    .. [1] Dupre la Tour, Eickenberg, Nunez-Elizalde & Gallant, NeuroImage 264 (2022)
       119728, doi:10.1016/j.neuroimage.2022.119728; himalaya ``GroupRidgeCV``, which
       scores the same for the same weightings.
    .. [2] Nunez-Elizalde, Huth & Gallant, NeuroImage 197 (2019) 482-492,
       doi:10.1016/j.neuroimage.2019.04.012.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((60, 4))
    >>> key, fold_id = jax.random.key(0), np.arange(60) % 3
    >>> result = banded_ridge_cv(
    ...     x, x[:, :2], [0, 0, 1, 1], [0.1, 10.0], fold_id, key=key, n_iter=5
    ... )
    >>> result.fit.alpha.shape, result.scores.shape
    ((2, 2), (1, 5, 2))
    """
    check.choice("search", search, ("random", "gcv"))
    data = _prepare(
        X, Y, bands, alphas, fold_id, metric, fit_intercept, sample_weight, batch_size
    )
    n_bands = int(data.bands.max()) + 1
    if gammas is not None:
        weights = check_gammas(gammas, n_bands)
    elif key is None:
        raise ValueError("key is None but a search draws weights; give key or gammas.")
    elif n_iter < 1:
        raise ValueError(f"n_iter is {n_iter} but must be 1 or more.")
    else:
        weights = sample_gammas(key, n_iter, n_bands)
    if search == "gcv":
        weights = screen(data, weights, key, show_progress)
    best, alpha = _compare(data, weights, show_progress)
    return _refit(data, weights, best, alpha, shared=shared)


def _prepare(
    X: ArrayLike,
    Y: ArrayLike,
    bands: ArrayLike,
    alphas: ArrayLike,
    fold_id: ArrayLike,
    metric: str,
    fit_intercept: bool,
    sample_weight: ArrayLike | None,
    batch_size: int | None,
) -> Data:
    check.choice("metric", metric, search.METRICS)
    dtype = checked(X, Y)
    n_samples, n_features = check.shape_of(X)
    grid = check.alphas("alphas", alphas)
    if (grid == 0).any():
        raise ValueError("alphas holds 0 but penalties of bands must be positive.")
    if isinstance(fold_id, str):
        raise ValueError(
            f"fold_id is {fold_id!r} but must number the fold of each sample."
        )
    numbers, n_train = fold_number(fold_id, n_samples, metric)
    dual = fits_dual("auto", n_train, n_features)
    rows = arrange(
        X,
        numbers,
        fit_intercept=fit_intercept,
        sample_weight=sample_weight,
        scale=False,
        dtype=dtype,
        together=dual,
    )
    options = Options(
        metric=metric,
        fit_intercept=fit_intercept,
        dual=dual,
        keep_scores=False,
    )
    numbers = band_numbers(bands, n_features)
    products = None if options.dual else products_of(rows, options)
    return Data(rows, products, Y, dtype, numbers, grid, options, batch_size)


def _compare(
    data: Data, gammas: np.ndarray, show: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Best score by folds and its alpha, each (n_gammas, n_targets)."""
    alphas = jnp.asarray(data.grid, data.dtype)
    width = data.batch_size or min(tile_width(small=True), check.shape_of(data.Y)[1])
    centered = _Centered(data)
    mixture = None

    def prepare(gamma: np.ndarray) -> tuple[Rows, jax.Array, Factors, Mixes]:
        nonlocal mixture
        rows, products = data.weighed(gamma)
        inverse = data.grid.size == 1
        factor = fold_factor(rows, products, alphas, data.options, inverse=inverse)
        # The shape of the first mixture serves all: no new compilation.
        mixture = mix(
            factor,
            data.grid,
            dual=data.options.dual,
            relative=data.options.metric == "correlation",
            like=mixture,
        )
        return rows, data.factors(gamma), factor, mixture

    scores, chosen = [], []
    shown = track(gammas, show=show, desc="weights of bands", unit="weights")
    for _, parts in zip(shown, ahead(prepare, gammas), strict=True):

        def score(Y: jax.Array, here: slice, parts=parts) -> tuple:
            rows, factors, *known = parts
            block = centered(Y, here)
            found = score_block(rows, *known, block, alphas, data.options, factors)
            return best_of(found, alphas)

        best = over_targets(score, data.Y, data.dtype, batch_size=width)
        scores.append(np.asarray(best[0]))
        chosen.append(np.asarray(best[1]))
    return np.stack(scores), np.stack(chosen)


class _Centered:
    """Blocks of targets and their products with the predictors, kept while they fit."""

    def __init__(self, data: Data) -> None:
        self.data, self.kept, self.room = data, {}, _KEPT

    def __call__(self, Y: jax.Array, here: slice) -> Block:
        if here.start in self.kept:
            return self.kept[here.start]
        block = center_block(self.data.rows, Y, self.data.options)
        self.room -= sum(part.nbytes for part in jax.tree.leaves(block))
        if self.room >= 0:
            self.kept[here.start] = block
        return block


class _Columns:
    """Some targets of a source, read when they are sliced."""

    def __init__(self, source: Any, index: np.ndarray) -> None:
        self.source, self.index = source, index
        self.shape = (source.shape[0], index.size)
        self.dtype = source.dtype

    def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
        return np.asarray(self.source[:, self.index[key[1]]])


def _refit(
    data: Data,
    gammas: np.ndarray,
    scores: np.ndarray,
    alphas: np.ndarray,
    *,
    shared: bool,
) -> CVFit:
    """Solve on all samples, the targets of each weighting together."""
    known = np.where(np.isnan(scores), -np.inf, scores)
    winner = known.argmax(0)
    if shared:
        mean = np.where(np.isfinite(known), known, 0).mean(1)
        winner = np.full_like(winner, mean.argmax())
    n_features, n_targets = data.bands.size, winner.size
    coef = np.zeros((n_features, n_targets), data.dtype)
    intercept = np.zeros(n_targets, data.dtype)
    alpha = alphas[winner, np.arange(n_targets)]
    source = data.Y if hasattr(data.Y, "shape") else np.asarray(data.Y)
    winners = np.unique(winner)

    def prepare(which: int) -> tuple[Rows, Whole]:
        rows, products = data.weighed(gammas[which])
        return rows, whole(rows, data.grid, products.total, dual=data.options.dual)

    for which, (rows, final) in zip(winners, ahead(prepare, winners), strict=True):
        index = np.flatnonzero(winner == which)
        strengths = jnp.asarray(alpha[index])

        def solve(
            block: jax.Array, here: slice, rows=rows, final=final, each=strengths
        ) -> tuple:
            mine = each[here]
            mine = jnp.pad(mine, (0, block.shape[1] - mine.size), constant_values=1)
            return solve_block(rows, final, block, mine, data.options)

        part = over_targets(
            solve,
            _Columns(source, index),  # type: ignore[arg-type]  # it can be sliced
            data.dtype,
            batch_size=data.batch_size or min(tile_width(small=True), n_targets),
        )
        coef[:, index], intercept[index] = np.asarray(part[0]), np.asarray(part[1])
    with np.errstate(divide="ignore"):
        strength = alpha[None] / gammas[winner].T
    fit = LinearFit(
        coef=jnp.asarray(coef),
        intercept=jnp.asarray(intercept),
        alpha=jnp.asarray(strength, data.dtype),
    )
    return CVFit(
        fit=fit,
        scores=jnp.asarray(scores[None]),
        alphas=jnp.asarray(gammas, data.dtype),
        converged=jnp.asarray(np.isfinite(known).any(0)),
    )
