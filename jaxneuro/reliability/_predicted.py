"""Scores of predictions against repeated responses."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check
from ._cube import cube, defined, mean_known, means, ratio, root, sums, variance_known
from ._variance import signal_variance, total_and_noise

__all__ = [
    "average_correlation",
    "feve",
    "normalized_correlation",
    "trial_correlation",
]


def feve(
    responses: ArrayLike, prediction: ArrayLike, *, missing: str = "skip"
) -> jax.Array:
    """Fraction of the explainable variance that a prediction explains.

    ``1 - (mean squared error - noise) / (total variance - noise)``, where the error is
    that of single repeats. Targets with little to explain get wild values: keep those
    with ``fev(responses) >= 0.15``.

    Parameters
    ----------
    responses : array (n_repeats, n_stimuli, n_targets)
        Responses; NaN where one is missing.
    prediction : array (n_stimuli, n_targets) or (n_repeats, n_stimuli, n_targets)
        Predictions, one per stimulus or, where repeats differ in what else is known
        such as behaviour, one per response.
    missing : {"skip", "zero"}
        What NaN means: a repeat that was not shown, or one without a spike.

    Returns
    -------
    array (n_targets,)
        1 for the true means, 0 for the overall mean; NaN where nothing is explainable.

    Raises
    ------
    ValueError
        If the shapes disagree.

    References
    ----------
    .. [1] Cadena et al., PLOS Computational Biology 15, 2019,
       doi:10.1371/journal.pcbi.1006897; neuralpredictors' ``fev``.
    """
    responses, prediction = _pair(responses, prediction, missing)
    why = "whose noise is all there is"
    return defined("FEVE", _feve(responses, prediction), why)


@jax.jit
def _feve(responses: jax.Array, prediction: jax.Array) -> jax.Array:
    total, left = total_and_noise(sums(responses))
    known = ~jnp.isnan(responses)
    square = jnp.where(known, responses - prediction, 0) ** 2
    error = ratio(square.sum(axis=(0, 1)), known.sum(axis=(0, 1), dtype=square.dtype))
    return 1 - ratio(error - left, total - left)


def normalized_correlation(
    responses: ArrayLike, prediction: ArrayLike, *, missing: str = "skip"
) -> jax.Array:
    """Correlation with the mean response, relative to its ceiling.

    The covariance of prediction and mean response over the root of the prediction's
    variance times that of the true means: equal to :func:`average_correlation` over
    :func:`noise_ceiling`.

    Parameters
    ----------
    responses : array (n_repeats, n_stimuli, n_targets)
        Responses; NaN where one is missing.
    prediction : array (n_stimuli, n_targets)
        Predictions.
    missing : {"skip", "zero"}
        As in :func:`feve`.

    Returns
    -------
    array (n_targets,)
        May exceed 1 by chance; NaN where the signal is not larger than chance or the
        prediction is constant.

    Raises
    ------
    ValueError
        If the shapes disagree.

    References
    ----------
    .. [1] Schoppe et al., Frontiers in Computational Neuroscience 10, 2016,
       doi:10.3389/fncom.2016.00010 (CC_norm).
    """
    responses, prediction = _pair(responses, prediction, missing)
    if prediction.shape[0] != 1:
        raise ValueError(
            "prediction has one value per repeat but the mean response has one per "
            "stimulus; average over repeats."
        )
    why = "without signal or prediction"
    return defined("correlation", _normalized(responses, prediction[0]), why)


@jax.jit
def _normalized(responses: jax.Array, prediction: jax.Array) -> jax.Array:
    s = sums(responses)
    y = means(s)
    x = jnp.where(jnp.isnan(y), jnp.nan, prediction)
    scale = root(variance_known(x, ddof=1)) * root(signal_variance(s))
    return ratio(_covariance(x, y), scale)


def average_correlation(
    responses: ArrayLike, prediction: ArrayLike, *, missing: str = "skip"
) -> jax.Array:
    """Correlate predictions with the mean response to each stimulus.

    Parameters
    ----------
    responses : array (n_repeats, n_stimuli, n_targets)
        Responses; NaN where one is missing.
    prediction : array (n_stimuli, n_targets) or (n_repeats, n_stimuli, n_targets)
        Predictions; those of single repeats are averaged as the responses are.
    missing : {"skip", "zero"}
        As in :func:`feve`.

    Returns
    -------
    array (n_targets,)
        NaN where either is constant.

    Raises
    ------
    ValueError
        If the shapes disagree.
    """
    responses, prediction = _pair(responses, prediction, missing)
    why = "which are constant"
    return defined("correlation", _average(responses, prediction), why)


@jax.jit
def _average(responses: jax.Array, prediction: jax.Array) -> jax.Array:
    known = jnp.where(jnp.isnan(responses), jnp.nan, prediction)
    return _correlation(means(sums(responses)), mean_known(known))


def trial_correlation(
    responses: ArrayLike, prediction: ArrayLike, *, missing: str = "skip"
) -> jax.Array:
    """Correlate predictions with single responses, over all repeats of all stimuli.

    Parameters
    ----------
    responses : array (n_repeats, n_stimuli, n_targets)
        Responses; NaN where one is missing.
    prediction : array (n_stimuli, n_targets) or (n_repeats, n_stimuli, n_targets)
        Predictions.
    missing : {"skip", "zero"}
        As in :func:`feve`.

    Returns
    -------
    array (n_targets,)
        NaN where either is constant.

    Raises
    ------
    ValueError
        If the shapes disagree.
    """
    responses, prediction = _pair(responses, prediction, missing)
    why = "which are constant"
    return defined("correlation", _trials(responses, prediction), why)


@jax.jit
def _trials(responses: jax.Array, prediction: jax.Array) -> jax.Array:
    n_targets = responses.shape[2]
    predicted = jnp.broadcast_to(prediction, responses.shape)
    y = responses.reshape(-1, n_targets)
    return _correlation(y, predicted.reshape(-1, n_targets))


def _covariance(x: jax.Array, y: jax.Array) -> jax.Array:
    """Covariance over what is known of both."""
    both = ~(jnp.isnan(x) | jnp.isnan(y))
    n = both.sum(axis=0, dtype=x.dtype)
    away = [
        jnp.where(both, part - mean_known(jnp.where(both, part, jnp.nan))[None], 0)
        for part in (x, y)
    ]
    return ratio((away[0] * away[1]).sum(axis=0), n - 1)


def _correlation(x: jax.Array, y: jax.Array) -> jax.Array:
    gone = jnp.isnan(x) | jnp.isnan(y)
    x, y = jnp.where(gone, jnp.nan, x), jnp.where(gone, jnp.nan, y)
    scale = [root(variance_known(part, ddof=1)) for part in (x, y)]
    return ratio(_covariance(x, y), scale[0] * scale[1])


def _pair(
    responses: ArrayLike, prediction: ArrayLike, missing: str
) -> tuple[jax.Array | np.ndarray, jax.Array]:
    """Responses and predictions (n_repeats or 1, n_stimuli, n_targets)."""
    responses = cube(responses, missing)
    prediction = check.float_array("prediction", prediction)
    check.has_ndim("prediction", prediction, 2, 3)
    if prediction.ndim == 2:
        prediction = prediction[None]
    whole = prediction.shape == responses.shape
    if not whole and prediction.shape != (1, *responses.shape[1:]):
        raise ValueError(
            f"prediction has shape {prediction.shape[-2:]} but responses has "
            f"{responses.shape[1]} stimuli and {responses.shape[2]} targets, in "
            f"{responses.shape[0]} repeats."
        )
    return responses, prediction.astype(responses.dtype)
