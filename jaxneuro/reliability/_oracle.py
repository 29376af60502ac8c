"""Oracles: how well the other repeats of a stimulus predict one of them."""

from functools import partial

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ..core.struct import struct
from ._cube import (
    Repeats,
    cube,
    defined,
    mean_known,
    means,
    pearson,
    ratio,
    root,
    spread,
    sums,
    sums_of,
    variance_known,
)

__all__ = [
    "RandomOracle",
    "draw_repeats",
    "oracle_conservative",
    "oracle_correlation",
    "oracle_random",
    "split_half",
]

_CONSTANT = "which are constant or never repeated"


@struct
class RandomOracle:
    """Oracle from random draws of one repeat per stimulus.

    Attributes
    ----------
    correlation : array (n_targets,)
        Mean over the draws that have one; NaN where none has.
    rank : array (n_targets,)
        Mean rank, 0 the best of a draw; NaN ranks last.
    draws : array (n_draws, n_targets)
        Correlation of each draw, times the share of stimuli with two repeats or more.
    """

    correlation: jax.Array
    rank: jax.Array
    draws: jax.Array


def oracle_correlation(responses: ArrayLike, *, missing: str = "skip") -> jax.Array:
    """Correlate every repeat with the mean of the others.

    One Pearson correlation per target over all pairs of a response and the mean of
    the other responses to the same stimulus. It follows from each stimulus's number
    of repeats, their sum and sum of squares, so no repeat is left out one by one.

    Parameters
    ----------
    responses : array (n_repeats, n_stimuli, n_targets)
        Responses to repeated stimuli; NaN where one is missing. Stimuli with one
        repeat are left out.
    missing : {"skip", "zero"}
        What NaN means: a repeat that was not shown, or one without a spike.

    Returns
    -------
    array (n_targets,)
        NaN where a target is constant or no stimulus has two repeats.

    Raises
    ------
    ValueError
        If `responses` is not three-dimensional or `missing` unknown.

    Warns
    -----
    UserWarning
        Once, with the number of targets that are NaN.

    References
    ----------
    .. [1] Walker et al., Inception loops discover what excites neurons most using deep
       predictive models, Nature Neuroscience 22, 2019, doi:10.1038/s41593-019-0517-x.
       The numbers are those of neuralpredictors' jackknife oracle.

    Examples
    --------
    >>> r = jnp.array([[[0.0], [2.0], [4.0]], [[1.0], [2.0], [3.0]]])
    >>> oracle_correlation(r).round(3).tolist()
    [0.8]
    """
    found = _leave_one_out(sums_of(cube(responses, missing)))
    return defined("oracle", found, _CONSTANT)


@jax.jit
def _leave_one_out(s: Repeats) -> jax.Array:
    n = jnp.broadcast_to(s.n, s.total.shape)
    used = n > 1
    n, total, square = (jnp.where(used, part, 0) for part in (n, s.total, s.square))
    others = jnp.where(used, n - 1, 1)
    # The mean of the others, (total - r) / others, summed over a stimulus's repeats.
    cross = (total**2 - square) / others
    other_square = ((n - 2) * total**2 + square) / others**2
    x = total.sum(axis=0)
    return pearson(
        n.sum(axis=0),
        x,
        x,
        square.sum(axis=0),
        other_square.sum(axis=0),
        cross.sum(axis=0),
    )


def draw_repeats(
    responses: ArrayLike, *, key: jax.Array, n_draws: int, missing: str = "skip"
) -> jax.Array:
    """Draw one repeat at random for every stimulus and target.

    Parameters
    ----------
    responses : array (n_repeats, n_stimuli, n_targets)
        Responses; NaN where one is missing.
    key : jax.Array
        Random key.
    n_draws : int
        Number of draws.
    missing : {"skip", "zero"}
        As in :func:`oracle_correlation`.

    Returns
    -------
    int array (n_draws, n_stimuli, n_targets)
        Index of a repeat that is not missing; 0 where all are.

    Raises
    ------
    ValueError
        If `n_draws` is not positive or `responses` not three-dimensional.
    """
    if n_draws < 1:
        raise ValueError(f"n_draws is {n_draws} but must be at least 1.")
    return _draw(cube(responses, missing), key, n_draws=n_draws)


@partial(jax.jit, static_argnames="n_draws")
def _draw(responses: jax.Array, key: jax.Array, *, n_draws: int) -> jax.Array:
    known = ~jnp.isnan(responses)
    n = known.sum(axis=0)
    order = jnp.argsort(~known, axis=0, stable=True)  # those that exist come first

    def one(key: jax.Array) -> jax.Array:
        place = jax.random.randint(key, n.shape, 0, jnp.maximum(n, 1))
        return jnp.take_along_axis(order, place[None], axis=0)[0]

    return jax.lax.map(one, jax.random.split(key, n_draws))


def oracle_random(
    responses: ArrayLike, draws: ArrayLike, *, missing: str = "skip"
) -> RandomOracle:
    """Correlate one drawn repeat per stimulus with the mean of the others.

    The oracle of trial by trial resampling: a correlation over stimuli, times the
    share of stimuli that could be used. Its mean over many draws approaches what
    :func:`oracle_correlation` has without any chance.

    Parameters
    ----------
    responses : array (n_repeats, n_stimuli, n_targets)
        Responses; NaN where one is missing. Stimuli with one repeat are left out.
    draws : int array (n_draws, n_stimuli, n_targets)
        Repeat that is held against the others; see :func:`draw_repeats`.
    missing : {"skip", "zero"}
        As in :func:`oracle_correlation`. Tables of spikes grouped by presentation
        lose those without a spike, which is ``"skip"`` with NaN for each zero; it
        overrates neurons that fire seldom.

    Returns
    -------
    RandomOracle
        Means over draws, ranks, and each draw.

    Raises
    ------
    ValueError
        If the shapes disagree.
    TypeError
        If `draws` does not hold integers.
    """
    responses = cube(responses, missing)
    draws = jnp.asarray(draws)
    if not jnp.issubdtype(draws.dtype, jnp.integer):
        raise TypeError(f"draws has dtype {draws.dtype} but must hold integers.")
    if draws.ndim != 3 or draws.shape[1:] != responses.shape[1:]:
        raise ValueError(
            f"draws has shape {draws.shape} but must be (n_draws, n_stimuli, "
            f"n_targets) with {responses.shape[1]} stimuli and {responses.shape[2]} "
            "targets."
        )
    result = _random(responses, draws)
    defined("oracle", result.correlation, _CONSTANT)
    return result


@jax.jit
def _random(responses: jax.Array, draws: jax.Array) -> RandomOracle:
    s = sums(responses)
    n_stimuli = responses.shape[1]

    def one(draw: jax.Array) -> jax.Array:
        drawn = jnp.take_along_axis(responses, draw[None], axis=0)[0] - s.shift[None]
        used = (s.n > 1) & ~jnp.isnan(drawn)
        x = jnp.where(used, drawn, 0)
        y = jnp.where(used, (s.total - x) / jnp.where(used, s.n - 1, 1), 0)
        n = used.sum(axis=0, dtype=x.dtype)
        parts = (x, y, x * x, y * y, x * y)
        found = pearson(n, *(part.sum(axis=0) for part in parts))
        return found * (n / n_stimuli)

    found = jax.lax.map(one, draws)
    falling = jnp.argsort(-found, axis=1, stable=True)  # NaN comes last
    rank = jnp.argsort(falling, axis=1).astype(found.dtype)
    return RandomOracle(
        correlation=mean_known(found), rank=rank.mean(axis=0), draws=found
    )


def oracle_conservative(responses: ArrayLike, *, missing: str = "skip") -> jax.Array:
    """Correlation of a single repeat with the true mean, from variances.

    The root of the share that the variance of the stimulus means has in the total.
    The means still hold noise, so it lies above the mean correlation of repeats.

    Parameters
    ----------
    responses : array (n_repeats, n_stimuli, n_targets)
        Responses; NaN where one is missing.
    missing : {"skip", "zero"}
        As in :func:`oracle_correlation`.

    Returns
    -------
    array (n_targets,)
        Between 0 and 1; NaN where a target's means do not vary.

    Raises
    ------
    ValueError
        If `responses` is not three-dimensional or `missing` unknown.

    References
    ----------
    .. [1] neuralpredictors, ``oracle_corr_conservative``.
    """
    return defined("oracle", _conservative(cube(responses, missing)), _CONSTANT)


@jax.jit
def _conservative(responses: jax.Array) -> jax.Array:
    s = sums(responses)
    within = mean_known(ratio(spread(s.n, s.total, s.square), s.n))
    between = variance_known(means(s), ddof=0)
    return ratio(between, root(between * (between + within)))


def split_half(
    responses: ArrayLike,
    *,
    key: jax.Array,
    n_splits: int = 100,
    corrected: bool = True,
    missing: str = "skip",
) -> jax.Array:
    """Correlate the means of two random halves of the repeats.

    Parameters
    ----------
    responses : array (n_repeats, n_stimuli, n_targets)
        Responses; NaN where one is missing. Stimuli with one repeat are left out.
    key : jax.Array
        Random key.
    n_splits : int
        Number of random splits; the correlation is their mean. Each stimulus is split
        by itself, alike for all targets.
    corrected : bool
        Whether to correct by Spearman and Brown's formula, ``2 r / (1 + r)``, to the
        reliability of the mean of all repeats.
    missing : {"skip", "zero"}
        As in :func:`oracle_correlation`.

    Returns
    -------
    array (n_targets,)
        NaN where a half is constant.

    Raises
    ------
    ValueError
        If `responses` is not three-dimensional or has one repeat, or `n_splits` is not
        positive.

    References
    ----------
    .. [1] Spearman, British Journal of Psychology 3, 1910,
       doi:10.1111/j.2044-8295.1910.tb00206.x.
    """
    if n_splits < 1:
        raise ValueError(f"n_splits is {n_splits} but must be at least 1.")
    responses = cube(responses, missing)
    if responses.shape[0] < 2:
        raise ValueError("responses has 1 repeat but two halves need at least 2.")
    found = _split_half(responses, key, n_splits=n_splits, corrected=bool(corrected))
    return defined("split-half correlation", found, _CONSTANT)


@partial(jax.jit, static_argnames=("n_splits", "corrected"))
def _split_half(
    responses: jax.Array, key: jax.Array, *, n_splits: int, corrected: bool
) -> jax.Array:
    known = ~jnp.isnan(responses)
    s = sums(responses)
    moved = jnp.where(known, responses - s.shift[None, None], 0)

    def one(key: jax.Array) -> jax.Array:
        order = jax.random.permutation(
            key,
            jnp.broadcast_to(
                jnp.arange(responses.shape[0])[:, None], responses.shape[:2]
            ),
            axis=0,
            independent=True,
        )
        shuffled = jnp.take_along_axis(known, order[:, :, None], axis=0)
        values = jnp.take_along_axis(moved, order[:, :, None], axis=0)
        # Those that exist go to the halves in turn, whatever is missing.
        first = shuffled & (shuffled.cumsum(axis=0) % 2 == 1)
        n = first.sum(axis=0, dtype=moved.dtype)
        total = jnp.where(first, values, 0).sum(axis=0)
        used = s.n > 1
        a = jnp.where(used, total / jnp.maximum(n, 1), 0)
        b = jnp.where(used, (s.total - total) / jnp.maximum(s.n - n, 1), 0)
        count = used.sum(axis=0, dtype=moved.dtype)
        parts = (a, b, a * a, b * b, a * b)
        return pearson(count, *(part.sum(axis=0) for part in parts))

    found = jax.lax.map(one, jax.random.split(key, n_splits))
    found = found.mean(axis=0)
    return 2 * found / (1 + found) if corrected else found
