"""What single targets and pairs of them are like, and a choice of targets."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ..core import check
from ..core.linalg import dot
from ._cube import cube, defined, means, ratio, root, sums, variance_known

__all__ = [
    "entropy",
    "gini",
    "mean_response",
    "select",
    "target_correlation",
    "variance",
]


def mean_response(responses: ArrayLike, *, missing: str = "skip") -> jax.Array:
    """Average responses over the repeats of each stimulus.

    Parameters
    ----------
    responses : array (n_repeats, n_stimuli, n_targets)
        Responses; NaN where one is missing.
    missing : {"skip", "zero"}
        What NaN means: a repeat that was not shown, or one without a spike.

    Returns
    -------
    array (n_stimuli, n_targets)
        Means; NaN where a stimulus was never shown.

    Raises
    ------
    ValueError
        If `responses` is not three-dimensional or `missing` unknown.
    """
    return _mean_response(cube(responses, missing))


@jax.jit
def _mean_response(responses: jax.Array) -> jax.Array:
    return means(sums(responses))


def variance(responses: ArrayLike, *, missing: str = "skip") -> jax.Array:
    """Variance of the mean responses over stimuli.

    Parameters
    ----------
    responses : array (n_repeats, n_stimuli, n_targets)
        Responses; NaN where one is missing.
    missing : {"skip", "zero"}
        What NaN means: a repeat that was not shown, or one without a spike.

    Returns
    -------
    array (n_targets,)
        With ``n_stimuli - 1`` in the denominator; NaN with one stimulus.

    Raises
    ------
    ValueError
        If `responses` is not three-dimensional or `missing` unknown.
    """
    found = _variance(cube(responses, missing))
    return defined("variance", found, "which have responses to one stimulus")


@jax.jit
def _variance(responses: jax.Array) -> jax.Array:
    return variance_known(means(sums(responses)), ddof=1)


def entropy(responses: ArrayLike, *, missing: str = "skip") -> jax.Array:
    """Entropy of the mean responses over stimuli, each value a class of its own.

    Parameters
    ----------
    responses : array (n_repeats, n_stimuli, n_targets)
        Responses, usually counts; NaN where one is missing.
    missing : {"skip", "zero"}
        As in :func:`variance`.

    Returns
    -------
    array (n_targets,)
        In nats; 0 for a constant target, ``log(n_stimuli)`` where no two stimuli have
        the same mean.

    Raises
    ------
    ValueError
        If `responses` is not three-dimensional or `missing` unknown.
    """
    return _entropy(cube(responses, missing))


@jax.jit
def _entropy(responses: jax.Array) -> jax.Array:
    known = ~jnp.isnan(responses)
    n = known.sum(axis=0, dtype=responses.dtype)
    # Unshifted, so that equal sums of counts give equal means.
    value = ratio(jnp.where(known, responses, 0).sum(axis=0), n)
    value = jnp.sort(value, axis=0)  # NaN last
    seen = ~jnp.isnan(value)
    place = jnp.broadcast_to(jnp.arange(value.shape[0])[:, None], value.shape)
    before = jnp.concatenate([jnp.full_like(value[:1], jnp.nan), value[:-1]])
    after = jnp.concatenate([value[1:], jnp.full_like(value[:1], jnp.nan)])
    first = jax.lax.cummax(jnp.where(value == before, -1, place), axis=0)
    last = jnp.where(value == after, value.shape[0], place)
    last = jax.lax.cummin(last, axis=0, reverse=True)
    size = (last - first + 1).astype(value.dtype)
    total = seen.sum(axis=0, dtype=value.dtype)
    surprise = -jnp.log(size / jnp.maximum(total, 1)[None])
    return ratio(jnp.where(seen, surprise, 0).sum(axis=0), total)


def gini(responses: ArrayLike, *, missing: str = "skip") -> jax.Array:
    """Gini coefficient of all responses: how sparsely a target fires.

    Parameters
    ----------
    responses : array (n_repeats, n_stimuli, n_targets)
        Responses that are not negative; NaN where one is missing.
    missing : {"skip", "zero"}
        As in :func:`variance`.

    Returns
    -------
    array (n_targets,)
        0 for equal responses, near 1 where few hold everything; NaN for a target that
        never responds.

    Raises
    ------
    ValueError
        If `responses` is not three-dimensional or `missing` unknown.

    References
    ----------
    .. [1] Hurley & Rickard, Comparing measures of sparsity, IEEE Transactions on
       Information Theory 55, 2009, doi:10.1109/TIT.2009.2027527.
    """
    found = _gini(cube(responses, missing))
    return defined("Gini coefficient", found, "which never respond")


@jax.jit
def _gini(responses: jax.Array) -> jax.Array:
    value = jnp.sort(responses.reshape(-1, responses.shape[2]), axis=0)
    known = ~jnp.isnan(value)
    n = known.sum(axis=0, keepdims=True, dtype=value.dtype)
    rank = jnp.arange(1, value.shape[0] + 1, dtype=value.dtype)[:, None]
    value = jnp.where(known, value, 0)
    spread = ((2 * rank - n - 1) * value).sum(axis=0)
    return ratio(spread, n[0] * value.sum(axis=0))


def target_correlation(
    responses: ArrayLike, *, kind: str = "signal", missing: str = "skip"
) -> jax.Array:
    """Correlate every target with every other.

    Parameters
    ----------
    responses : array (n_repeats, n_stimuli, n_targets)
        Responses; NaN where one is missing, which must be missing for all targets
        alike.
    kind : {"signal", "noise"}
        Correlations of the mean responses over stimuli, or of the deviations of
        single responses from them.
    missing : {"skip", "zero"}
        As in :func:`variance`.

    Returns
    -------
    array (n_targets, n_targets)
        NaN in rows and columns of targets that do not vary.

    Raises
    ------
    ValueError
        If `responses` is not three-dimensional, or an option unknown.

    References
    ----------
    .. [1] Cohen & Kohn, Measuring and interpreting neuronal correlations, Nature
       Neuroscience 14, 2011, doi:10.1038/nn.2842.
    """
    check.choice("kind", kind, ("signal", "noise"))
    return _target_correlation(cube(responses, missing), kind=kind)


@partial(jax.jit, static_argnames="kind")
def _target_correlation(responses: jax.Array, *, kind: str) -> jax.Array:
    s = sums(responses)
    if kind == "signal":
        x = means(s)
        away = x - jnp.nanmean(x, axis=0, keepdims=True)
        largest = jnp.abs(jnp.where(jnp.isnan(x), 0, x)).max(axis=0)
    else:
        away = responses - means(s)[None]
        # A stimulus shown once has no deviation.
        away = jnp.where(s.n[None] > 1, away, jnp.nan).reshape(-1, responses.shape[2])
        largest = jnp.abs(jnp.where(jnp.isnan(responses), 0, responses)).max(
            axis=(0, 1)
        )
    gone = jnp.isnan(away).any(axis=1, keepdims=True) & ~jnp.isnan(away).all(
        axis=0, keepdims=True
    )
    away = jnp.where(gone | jnp.isnan(away), 0, away)
    norm = root((away**2).sum(axis=0))
    noise = jnp.finfo(away.dtype).eps * largest * away.shape[0]
    scaled = ratio(away, jnp.where(norm > noise, norm, 0)[None])
    return dot(scaled.T, scaled)


def select(criteria: Sequence[ArrayLike], quantiles: Sequence[float]) -> jax.Array:
    """Keep targets that lie above a quantile of each of several criteria.

    Parameters
    ----------
    criteria : sequence of array (n_targets,)
        Measures of which larger is better, such as an oracle and the variance.
    quantiles : sequence of float
        One per criterion, from 0 to 1: 0.6 drops the lower 60 percent of the targets
        that have a value.

    Returns
    -------
    bool array (n_targets,)
        True where every criterion exceeds its quantile, interpolated linearly. A
        target with a NaN is dropped.

    Raises
    ------
    ValueError
        If the lengths disagree or a quantile is not between 0 and 1.

    Examples
    --------
    >>> select([[0.1, 0.5, 0.7], [3.0, 1.0, 2.0]], [0.3, 0.3]).tolist()
    [False, False, True]
    """
    if len(criteria) != len(quantiles) or not len(criteria):
        raise ValueError(
            f"quantiles has {len(quantiles)} entries but criteria has {len(criteria)}; "
            "give one quantile per criterion."
        )
    for quantile in quantiles:
        if not 0 <= check.real_number("quantiles", quantile) <= 1:
            raise ValueError(f"quantiles holds {quantile:g} but must be from 0 to 1.")
    values = [check.float_array("criteria", c, ndim=1) for c in criteria]
    if len({value.size for value in values}) > 1:
        sizes = [value.size for value in values]
        raise ValueError(f"criteria have {sizes} targets; measure the same targets.")
    kept = [_above(v, float(q)) for v, q in zip(values, quantiles, strict=True)]
    return jnp.stack(kept).all(axis=0)


@jax.jit
def _above(value: jax.Array, quantile: float) -> jax.Array:
    return value > jnp.nanquantile(value, jnp.asarray(quantile, value.dtype))
