"""Targets unlike the others, by an isolation forest."""

import warnings

import numpy as np
from jax.typing import ArrayLike
from sklearn.ensemble import IsolationForest

from ..reliability import mean_response

__all__ = ["outlier_targets"]


def outlier_targets(
    responses: ArrayLike,
    *,
    n_estimators: int = 100,
    contamination: str | float = "auto",
    missing: str = "skip",
    random_state: int = 0,
) -> np.ndarray:
    """Flag targets whose mean responses over stimuli are unlike those of the others.

    An isolation forest sees targets as samples and stimuli as features. It flags, it
    does not drop: targets of high variance and much information stand out as well as
    broken ones.

    Parameters
    ----------
    responses : array (n_repeats, n_stimuli, n_targets)
        Responses; NaN where one is missing.
    n_estimators : int
        Number of trees.
    contamination : {"auto"} or float
        Share of targets to flag. "auto": the original paper's threshold.
    missing : {"skip", "zero"}
        What NaN means: a repeat that was not shown, or one without a spike.
    random_state : int
        Seed.

    Returns
    -------
    bool array (n_targets,)
        True for outliers. A target that lacks the mean of a stimulus which others have
        is one, and is counted in a warning.

    Raises
    ------
    ValueError
        If `responses` is not three-dimensional or `missing` unknown.

    References
    ----------
    .. [1] Liu, Ting & Zhou, Isolation forest, ICDM 2008, doi:10.1109/ICDM.2008.17;
       scikit-learn ``IsolationForest``.

    Examples
    --------
    >>> counts = np.random.default_rng(0).poisson(3.0, (5, 20, 30)).astype(float)
    >>> counts[..., 4] *= 9
    >>> int(np.flatnonzero(outlier_targets(counts, contamination=0.03))[0])
    4
    """
    mean = np.asarray(mean_response(responses, missing=missing))
    mean = mean[np.isfinite(mean).any(axis=1)]
    whole = np.isfinite(mean).all(axis=0)
    flagged = np.asarray(~whole)
    if flagged.any():
        warnings.warn(
            f"{np.count_nonzero(flagged)} of {whole.size} targets lack responses to "
            f"stimuli that others have (first: {np.flatnonzero(flagged)[:5].tolist()}) "
            "and count as outliers.",
            UserWarning,
            stacklevel=2,
        )
    if whole.any():
        forest = IsolationForest(
            n_estimators=n_estimators,
            contamination=contamination,  # type: ignore[arg-type]  # its stub says str
            random_state=random_state,
        )
        flagged[whole] = forest.fit_predict(mean[:, whole].T) < 0
    return flagged
