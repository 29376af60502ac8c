"""How much of the variance of responses a model of the stimulus could explain."""

from functools import partial

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ._cube import (
    Repeats,
    cube,
    defined,
    mean_known,
    means,
    noise,
    ratio,
    root,
    sums,
    variance_known,
)

__all__ = ["explainable_variance", "fev", "noise_ceiling", "snr"]

_CONSTANT = "which are constant or never repeated"


def total_and_noise(s: Repeats) -> tuple[jax.Array, jax.Array]:
    """Variance of all responses, and its part around the stimuli's means."""
    n = s.n.sum(axis=0)
    away = s.total.sum(axis=0)
    total = ratio(s.square.sum(axis=0) - ratio(away**2, n), n - 1)
    return total, mean_known(noise(s))


def signal_variance(s: Repeats) -> jax.Array:
    """Variance of the true means, without bias; negative where noise exceeds it."""
    # Noise left in a mean of n repeats is the noise over n.
    left = ratio(mean_known(noise(s))[None], s.n)
    return variance_known(means(s), ddof=1) - mean_known(left)


def fev(responses: ArrayLike, *, missing: str = "skip") -> jax.Array:
    """Fraction of the variance that is explainable: one minus the noise's share.

    Parameters
    ----------
    responses : array (n_repeats, n_stimuli, n_targets)
        Responses; NaN where one is missing.
    missing : {"skip", "zero"}
        What NaN means: a repeat that was not shown, or one without a spike.

    Returns
    -------
    array (n_targets,)
        At most 1, below 0 where chance makes the noise exceed the total; NaN where a
        target is constant or never repeated.

    Raises
    ------
    ValueError
        If `responses` is not three-dimensional or `missing` unknown.

    References
    ----------
    .. [1] Cadena et al., PLOS Computational Biology 15, 2019,
       doi:10.1371/journal.pcbi.1006897; neuralpredictors' ``fev`` and
       ``explainable_var``, all variances with one degree of freedom less.
    """
    return defined("FEV", _fev(cube(responses, missing)), _CONSTANT)


@jax.jit
def _fev(responses: jax.Array) -> jax.Array:
    total, left = total_and_noise(sums(responses))
    return ratio(total - left, total)


def explainable_variance(
    responses: ArrayLike, *, corrected: bool = True, missing: str = "skip"
) -> jax.Array:
    """Variance of the mean over repeats, relative to that of single repeats.

    The measure of voxelwise encoding. Give each run's z-scored responses.

    Parameters
    ----------
    responses : array (n_repeats, n_stimuli, n_targets)
        Responses; NaN where one is missing. Stimuli may be the volumes of a run that
        was shown several times.
    corrected : bool
        Whether to remove the bias of the noise that is left in the mean,
        ``ev - (1 - ev) / (n_repeats - 1)``.
    missing : {"skip", "zero"}
        As in :func:`fev`.

    Returns
    -------
    array (n_targets,)
        NaN where a target is constant or never repeated.

    Raises
    ------
    ValueError
        If `responses` is not three-dimensional or `missing` unknown.

    References
    ----------
    .. [1] Sahani & Linden, How linear are auditory cortical responses?, NIPS 15, 2003.
    .. [2] Hsu et al., Network 15, 2004, doi:10.1088/0954-898X/15/2/002; the numbers
       are those of voxelwise_tutorials' ``explainable_variance``.
    """
    responses = cube(responses, missing)
    found = _explainable(responses, corrected=bool(corrected))
    return defined("explainable variance", found, _CONSTANT)


@partial(jax.jit, static_argnames="corrected")
def _explainable(responses: jax.Array, *, corrected: bool) -> jax.Array:
    s = sums(responses)
    single = jax.vmap(partial(variance_known, ddof=0))(responses)  # (n_repeats, t)
    share = ratio(variance_known(means(s), ddof=0), mean_known(single))
    n = ratio(jnp.ones((), s.n.dtype), mean_known(ratio(jnp.ones((), s.n.dtype), s.n)))
    if not corrected:
        return jnp.where(n > 1, share, jnp.nan)
    return share - ratio(1 - share, n - 1)


def noise_ceiling(
    responses: ArrayLike, *, average: bool = True, missing: str = "skip"
) -> jax.Array:
    """Largest correlation that a model of the stimulus can reach.

    The root of the share that the variance of the true means has in what is
    predicted. Squared it is the ceiling of R².

    Parameters
    ----------
    responses : array (n_repeats, n_stimuli, n_targets)
        Responses; NaN where one is missing.
    average : bool
        Whether the mean of the repeats is predicted. False: single repeats.
    missing : {"skip", "zero"}
        As in :func:`fev`.

    Returns
    -------
    array (n_targets,)
        From 0, where chance makes the noise exceed the signal, to 1; NaN where a
        target is constant or never repeated.

    Raises
    ------
    ValueError
        If `responses` is not three-dimensional or `missing` unknown.

    References
    ----------
    .. [1] Hsu, Borst & Theunissen, Network 15, 2004, doi:10.1088/0954-898X/15/2/002.
    .. [2] Schoppe et al., Frontiers in Computational Neuroscience 10, 2016,
       doi:10.3389/fncom.2016.00010, whose CC_max is this one for complete data, but
       that the mean of each repeat is no noise there.
    """
    found = _ceiling(cube(responses, missing), average=bool(average))
    return defined("noise ceiling", found, _CONSTANT)


@partial(jax.jit, static_argnames="average")
def _ceiling(responses: jax.Array, *, average: bool) -> jax.Array:
    s = sums(responses)
    signal = signal_variance(s)
    left = mean_known(noise(s))
    whole = variance_known(means(s), ddof=1) if average else signal + left
    ceiling = root(ratio(signal, whole))
    # With chance against it, the total of single repeats may vanish, too.
    undefined = jnp.isnan(signal) | (variance_known(means(s), ddof=1) + left <= 0)
    return jnp.where(undefined, jnp.nan, ceiling)


def snr(
    responses: ArrayLike, *, anscombe: bool = True, missing: str = "skip"
) -> jax.Array:
    """Variance of the stimulus means over the mean variance around them.

    Parameters
    ----------
    responses : array (n_repeats, n_stimuli, n_targets)
        Responses; NaN where one is missing.
    anscombe : bool
        Whether to transform counts first by ``2 sqrt(x + 3/8)``, which makes the
        variance of a Poisson neuron about 1 whatever its rate.
    missing : {"skip", "zero"}
        As in :func:`fev`.

    Returns
    -------
    array (n_targets,)
        NaN where a target has no noise or is never repeated.

    Raises
    ------
    ValueError
        If `responses` is not three-dimensional or `missing` unknown.

    References
    ----------
    .. [1] Pospisil & Bair, PLOS Computational Biology 17, 2021,
       doi:10.1371/journal.pcbi.1009212; neuralpredictors' ``snr``.
    """
    responses = cube(responses, missing)
    return defined("SNR", _snr(responses, anscombe=bool(anscombe)), _CONSTANT)


@partial(jax.jit, static_argnames="anscombe")
def _snr(responses: jax.Array, *, anscombe: bool) -> jax.Array:
    if anscombe:
        low = jnp.maximum(responses + 0.375, 0)  # maximum keeps NaN
        responses = 2 * jnp.where(low == 0, 0, jnp.sqrt(jnp.where(low == 0, 1, low)))
    s = sums(responses)
    return ratio(variance_known(means(s), ddof=0), mean_known(noise(s)))
