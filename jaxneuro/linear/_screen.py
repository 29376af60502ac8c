"""Weights of bands by generalised cross-validation, without folds."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..core import search
from ..core.progress import track
from ._factor import Products, Whole, products_of, whole
from ._loo import closed_scores, gcv_of_products, products
from ._rows import Options, Rows, over_folds
from ._targets import over_targets

__all__ = ["Data", "best_of", "screen"]

# Share of the search that explores around what was best so far, and of its weights
# that are then compared by folds.
_EXPLOIT, _KEPT = 0.5, 0.1
_LEAST_KEPT = 16


class Data(NamedTuple):
    """What every step of a search needs."""

    rows: Rows
    products: Products | None  # of the predictors; None in the dual
    Y: Any
    dtype: np.dtype
    bands: np.ndarray
    grid: np.ndarray
    options: Options
    batch_size: int | None

    def factors(self, gamma: np.ndarray) -> jax.Array:
        """Root of each predictor's weight, (n_features,)."""
        return jnp.asarray(np.sqrt(gamma)[self.bands], self.dtype)

    def weighed(self, gamma: np.ndarray) -> tuple[Rows, Products]:
        """Scale the predictors of each band by the root of its weight."""
        factors = self.factors(gamma)
        rows = _weigh(self.rows, factors)
        if self.products is None:
            return rows, products_of(rows, self.options)
        return rows, self.products.weighed(factors)


@jax.jit
def _weigh(rows: Rows, factor: jax.Array) -> Rows:
    return replace(
        rows,
        X=over_folds(lambda X: X * factor[:, None], rows.X),
        mean=rows.mean * factor[None],
        scale=rows.scale / factor,
    )


@jax.jit
def best_of(scores: jax.Array, alphas: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Find the best penalty of each target.

    Parameters
    ----------
    scores : array (1, n_alphas, n_targets)
        Scores.
    alphas : array (n_alphas,)
        Grid.

    Returns
    -------
    score, alpha : array (n_targets,)
        Both at the best.
    """
    index, _ = search.choose(alphas, scores)
    mean = jnp.take_along_axis(scores[0], index[None], axis=0)[0]
    return mean, alphas[index]


@partial(jax.jit, static_argnames="options")
def _by_rows(
    rows: Rows, final: Whole, Y: jax.Array, alphas: jax.Array, options: Options
) -> tuple[jax.Array, jax.Array]:
    scores = closed_scores(rows, final, Y, alphas, options, scheme="gcv")
    return best_of(scores, alphas)


@jax.jit
def _spectrum(xx: jax.Array, factor: jax.Array) -> Whole:
    """Factor the weighed products; the basis acts on the others as they are."""
    gain, basis = jnp.linalg.eigh(xx * jnp.outer(factor, factor))
    return Whole(
        basis=basis.T * factor[None],
        back=None,
        gain=jnp.maximum(gain, 0),
        on_rows=False,
        by_root=False,
    )


@partial(jax.jit, static_argnames="options")
def _by_products(
    rows: Rows,
    final: Whole,
    xy: jax.Array,
    power: jax.Array,
    alphas: jax.Array,
    options: Options,
) -> tuple[jax.Array, jax.Array]:
    return best_of(gcv_of_products(rows, final, xy, power, alphas, options), alphas)


def _scorer(data: Data) -> Callable[[np.ndarray], jax.Array]:
    """Make what scores one weighting on every target by GCV."""
    alphas = jnp.asarray(data.grid, data.dtype)
    options = data.options._replace(metric="r2")
    if options.dual:

        def by_rows(gamma: np.ndarray) -> jax.Array:
            rows, known = data.weighed(gamma)
            final = whole(rows, alphas, known.total, dual=True)
            return over_targets(
                lambda Y, _: _by_rows(rows, final, Y, alphas, options),
                data.Y,
                data.dtype,
                batch_size=data.batch_size,
            )[0]

        return by_rows
    assert data.products is not None
    xx = data.products.total
    # Targets are read once; a weighting only scales their products.
    xy, power = over_targets(
        lambda Y, _: products(data.rows, Y, options),
        data.Y,
        data.dtype,
        batch_size=data.batch_size,
    )

    def by_products(gamma: np.ndarray) -> jax.Array:
        final = _spectrum(xx, data.factors(gamma))

        def score(block: jax.Array, here: slice) -> tuple:
            mine = jnp.pad(power[here], (0, block.shape[1] - power[here].size))
            return _by_products(data.rows, final, block, mine, alphas, options)

        return over_targets(score, xy, data.dtype, batch_size=data.batch_size)[0]

    return by_products


def screen(
    data: Data, gammas: np.ndarray, key: jax.Array | None, show: bool
) -> np.ndarray:
    """Find the weightings that serve all targets best.

    Parameters
    ----------
    data : Data
        The problem.
    gammas : array (n_iter, n_bands)
        Weightings to try.
    key : array, optional
        Random key; with it, the later half is drawn around what was best so far.
    show : bool
        Whether to draw a progress bar.

    Returns
    -------
    array (n_kept, n_bands)
        Weightings, the one that adds most first.
    """
    score_of = _scorer(data)
    tried, scores = [], []
    n_explore = len(gammas)
    rng = None
    if key is not None:
        n_explore -= int(_EXPLOIT * len(gammas))
        seed = jax.random.bits(jax.random.fold_in(key, 1), (4,))
        rng = np.random.default_rng(np.asarray(seed))
    for turn in track(
        range(len(gammas)), show=show, desc="weights by GCV", unit="weights"
    ):
        gamma = gammas[turn]
        if rng is not None and turn >= n_explore:
            gamma = _near(rng, np.stack(tried), np.stack(scores))
        tried.append(gamma)
        scores.append(np.asarray(score_of(gamma)))
    return _cover(np.stack(tried), np.stack(scores))


def _near(
    rng: np.random.Generator, tried: np.ndarray, scores: np.ndarray
) -> np.ndarray:
    """Draw a weighting near one that is best for many targets."""
    winner = np.where(np.isnan(scores), -np.inf, scores).argmax(0)
    start = tried[rng.choice(winner)]
    logs = np.log(np.maximum(start, 1e-6)) + 0.7 * rng.standard_normal(start.size)
    weights = np.exp(logs - logs.max())
    return weights / weights.sum()


def _cover(tried: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Choose, one after the other, the weightings that add most to the best score."""
    n_kept = min(len(tried), max(_LEAST_KEPT, round(_KEPT * len(tried))))
    scores = np.where(np.isfinite(scores), scores, 0)
    best = np.full(scores.shape[1], -np.inf)
    kept: list[int] = []
    for _ in range(n_kept):
        total = np.maximum(scores, best[None]).sum(1)
        total[kept] = -np.inf
        kept.append(int(total.argmax()))
        best = np.maximum(best, scores[kept[-1]])
    return tried[kept]
