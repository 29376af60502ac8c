"""Permutation and sign-flip tests with the maximum statistic."""

from functools import partial

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ..core.linalg import dot
from ..core.struct import static, struct
from ._resample import (
    Draws,
    Problem,
    draws,
    observed_t,
    partial_r2,
    problem,
    resampled,
    t_of,
)

__all__ = ["PermutationTest", "permutation_test"]

# Rows of products and targets of a tile, which stays in the cache.
_ROWS, _TILE = 3000, 500


@struct
class PermutationTest:
    """Statistics beside their permutation distribution.

    Attributes
    ----------
    stat : array (n_tested, n_targets)
        t of the data.
    p_value : array (n_tested, n_targets)
        Uncorrected, ``(1 + count of null >= stat) / (1 + n_permutations)`` within
        each target.
    p_corrected : array (n_tested, n_targets)
        The same against the largest null statistic over targets: family-wise error.
    null : array (n_tested, n_permutations)
        Largest statistic over targets of each resampling, in the order drawn.
    dof : int
        Degrees of freedom of `stat`.
    """

    stat: jax.Array
    p_value: jax.Array
    p_corrected: jax.Array
    null: jax.Array
    dof: int = static()  # type: ignore[assignment]  # a dataclass field


def permutation_test(
    maps: ArrayLike,
    tested: ArrayLike,
    *,
    confounds: ArrayLike | None = None,
    key: jax.Array | None = None,
    n_permutations: int = 10_000,
    permutations: ArrayLike | None = None,
    two_sided: bool = True,
    sign_flip: bool | None = None,
    fit_intercept: bool = True,
) -> PermutationTest:
    """Test variates against every map by resampling, corrected by the maximum.

    Freedman and Lane's scheme: maps and variate are freed of the confounds, the
    residuals of the maps are resampled, and the full model is fitted again. Only
    products with the resampled rows are needed, which one product per tile of
    resamplings and targets gives; the maximum and the counts are taken while the tile
    is in the cache. Memory: a second copy of the maps, a few MB of tiles and the
    results; never ``n_permutations x n_targets``.

    Parameters
    ----------
    maps : array (n_samples, n_targets)
        One map per subject, or per image.
    tested : array (n_samples,) or (n_samples, n_tested)
        Variates, each tested on its own. Ones test the mean.
    confounds : array (n_samples, n_confounds), optional
        Covariates of no interest.
    key : jax.Array, optional
        Random key; needed unless `permutations` is given.
    n_permutations : int
        Number of resamplings. All patterns of signs are tried where they are fewer.
    permutations : int array (n_permutations, n_samples), optional
        Orders (shuffles) or signs (flips) to use instead of drawing them.
    two_sided : bool
        Whether the size of t counts, or only large positive t.
    sign_flip : bool, optional
        Flip signs (symmetric errors) instead of shuffling rows (exchangeable errors).
        Default: where `tested` is constant, which shuffles leave alone.
    fit_intercept : bool
        Whether an intercept joins the confounds; not where `tested` is constant.

    Returns
    -------
    PermutationTest
        Statistics, p values and the null of the maximum. NaN for targets that are
        NaN or have no variance, which are counted in a warning.

    Raises
    ------
    ValueError
        If shapes disagree, `tested` is explained by the confounds, there are no
        degrees of freedom, `permutations` holds something else, or neither `key` nor
        `permutations` is given.

    References
    ----------
    .. [1] Freedman & Lane, Journal of Business & Economic Statistics 1 (1983)
       292-298, doi:10.1080/07350015.1983.10509354.
    .. [2] Winkler et al., NeuroImage 92 (2014) 381-397,
       doi:10.1016/j.neuroimage.2014.01.060. Given the same resamplings the null
       equals that of nilearn's ``permuted_ols``. Ties count as exceeding here, with
       an allowance for rounding; a constant among the confounds does not turn
       shuffles into flips.
    """
    p = problem(
        maps, tested, confounds, sign_flip=sign_flip, fit_intercept=fit_intercept
    )
    block = max(_ROWS // (p.rows.shape[1] + 2), 50)
    d = draws(p, key, n_permutations, permutations, block=block)
    p_value, p_corrected, null = _test(p, d, two_sided=two_sided)
    return PermutationTest(
        stat=observed_t(p),
        p_value=p_value,
        p_corrected=p_corrected,
        null=null,
        dof=p.dof,
    )


def exceedance(score: jax.Array) -> jax.Array:
    """Give the value that null statistics reach to count: `score` less its rounding."""
    size = jnp.abs(score)
    # Products of unit vectors err by a few eps, their squares by twice that times b.
    return score - 16 * jnp.finfo(score.dtype).eps * (size + jnp.sqrt(size))


def corrected(bar: jax.Array, null: jax.Array, undefined: jax.Array) -> jax.Array:
    """Give p of each target against the maxima, (n_targets,)."""
    below = jnp.searchsorted(jnp.sort(null), bar, side="left")
    p = (1 + null.size - below).astype(bar.dtype) / (1 + null.size)
    return jnp.where(undefined, jnp.nan, p)


@partial(jax.jit, static_argnames="two_sided")
def _test(
    p: Problem, d: Draws, *, two_sided: bool
) -> tuple[jax.Array, jax.Array, jax.Array]:
    n_targets = p.maps.shape[1]
    tiles = _tiles(p.maps)

    def one(rows: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        score = partial_r2(dot(rows, p.maps)[:, None], two_sided=two_sided)[0]
        bar = exceedance(score)
        padded = jnp.pad(bar, (0, tiles.shape[0] * tiles.shape[2] - n_targets))
        bars = padded.reshape(tiles.shape[0], 1, -1)
        null, counts = _null(rows, p, d, tiles, bars, two_sided=two_sided)
        count = counts.ravel()[:n_targets].astype(bar.dtype)
        p_value = jnp.where(p.undefined, jnp.nan, (1 + count) / (1 + d.total))
        return p_value, corrected(bar, null, p.undefined), t_of(null, p.dof)

    return jax.lax.map(one, p.rows)


def _tiles(maps: jax.Array) -> jax.Array:
    """Cut the targets into tiles, with zeros behind the last: (n, samples, tile)."""
    n_samples, n_targets = maps.shape
    n_tiles = -(-n_targets // _TILE)
    width = -(-n_targets // n_tiles)
    padded = jnp.pad(maps, ((0, 0), (0, n_tiles * width - n_targets)))
    return padded.reshape(n_samples, n_tiles, width).swapaxes(0, 1)


def _null(
    rows: jax.Array,
    p: Problem,
    d: Draws,
    tiles: jax.Array,
    bars: jax.Array,
    *,
    two_sided: bool,
) -> tuple[jax.Array, jax.Array]:
    """Maximum of each resampling, and how often each target's bar was reached."""
    n_samples = rows.shape[1]

    def block_step(counts: jax.Array, block: tuple) -> tuple[jax.Array, jax.Array]:
        index, source = block
        used = index * d.size + jnp.arange(d.size) < d.total
        W = resampled(rows, p, d, source)
        # NaN reaches no bar, so what is drawn beyond the total is not counted.
        W = jnp.where(used[None, :, None], W, jnp.nan).reshape(-1, n_samples)

        def tile_step(best: jax.Array, tile: tuple) -> tuple[jax.Array, jax.Array]:
            Z, bar = tile
            values = dot(W, Z).reshape(rows.shape[0], d.size, -1)
            share = partial_r2(values, two_sided=two_sided)
            best = jnp.maximum(best, share.max(1))
            return best, (share >= bar).sum(0, dtype=jnp.int32)

        start = jnp.full(d.size, -1, rows.dtype)
        best, reached = jax.lax.scan(tile_step, start, (tiles, bars))
        return counts + reached, best

    counts = jnp.zeros((tiles.shape[0], tiles.shape[2]), jnp.int32)
    index = jnp.arange(d.blocks.shape[0])
    counts, best = jax.lax.scan(block_step, counts, (index, d.blocks))
    return best.ravel()[: d.total], counts
