"""What bands of features contribute to a score."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check
from ..core.linalg import dot
from ..core.partition import VariancePartition, band_numbers, partition, subsets_of
from ..core.progress import track
from ..core.score import _ratio
from ._records import LinearFit
from ._ridge_cv import ridge_cv

__all__ = ["split_scores", "variance_partition"]


def split_scores(
    fit: LinearFit, X: ArrayLike, Y: ArrayLike, bands: ArrayLike
) -> jax.Array:
    """Split the R2 of a model into the shares of its bands.

    The product measure: band ``i`` with prediction ``p_i`` gets
    ``sum p_i (2 y - p) / sum y^2``, about the mean of the measured samples. What an
    error of the mean costs is spread evenly.

    Parameters
    ----------
    fit : LinearFit
        Fitted model.
    X : array (n_samples, n_features)
        Predictors.
    Y : array (n_samples, n_targets)
        Measured.
    bands : int array (n_features,)
        Band of each feature, from 0, concrete.

    Returns
    -------
    array (n_bands, n_targets)
        Sums over bands to the R2 of the joint prediction; NaN for a target that is
        constant.

    Raises
    ------
    ValueError
        If shapes disagree.

    References
    ----------
    .. [1] Dupre la Tour et al., NeuroImage 264 (2022) 119728,
       doi:10.1016/j.neuroimage.2022.119728; himalaya ``r2_score_split``.
    """
    X = check.float_array("X", X, ndim=2)
    Y = check.float_array("Y", Y, ndim=2)
    check.same_length("X", X, "Y", Y, "samples")
    numbers = band_numbers(bands, X.shape[1])
    n_bands = int(numbers.max()) + 1
    coef = jnp.asarray(fit.coef)
    x_mean, y_mean = X.mean(0), Y.mean(0)
    X, Y = X - x_mean[None], Y - y_mean[None]
    bias = dot(x_mean, coef) + jnp.asarray(fit.intercept) - y_mean
    parts = [dot(X[:, numbers == b], coef[numbers == b]) for b in range(n_bands)]
    rest = 2 * Y - sum(parts)
    power = (Y**2).sum(0)
    lost = X.shape[0] * bias**2 / n_bands
    return jnp.stack([_ratio((part * rest).sum(0) - lost, power) for part in parts])


def variance_partition(
    X: ArrayLike,
    Y: ArrayLike,
    bands: ArrayLike,
    alphas: ArrayLike,
    fold_id: ArrayLike,
    *,
    fit_intercept: bool = True,
    batch_size: int | None = None,
    show_progress: bool = False,
) -> VariancePartition:
    """Split held-out variance into what bands explain alone and together.

    Every subset of bands is fitted, each target with its own penalty.

    Parameters
    ----------
    X, Y, alphas, fold_id, fit_intercept, batch_size
        As in :func:`ridge_cv`.
    bands : int array (n_features,)
        Band of each feature, from 0. ``2 ** n_bands - 1`` models are fitted.
    show_progress : bool
        Whether to draw a progress bar over subsets.

    Returns
    -------
    VariancePartition
        R2 of subsets, unique and common variance.

    Raises
    ------
    ValueError
        If shapes disagree.

    References
    ----------
    .. [1] Lescroart, Stansbury & Gallant, Frontiers in Computational Neuroscience
       9 (2015) 135, doi:10.3389/fncom.2015.00135.
    """
    check.has_ndim("X", X, 2)
    numbers = band_numbers(bands, check.shape_of(X)[1])
    n_bands = int(numbers.max()) + 1
    X = X if hasattr(X, "shape") else np.asarray(X)
    options = {"fit_intercept": fit_intercept, "batch_size": batch_size}
    r2 = []
    subsets = subsets_of(n_bands)
    for subset in track(subsets, show=show_progress, desc="subsets", unit="model"):
        part = X[:, np.isin(numbers, subset)]  # type: ignore[index]  # an array here
        found = ridge_cv(part, Y, alphas, fold_id, **options)
        r2.append(found.scores[0].max(0))
    return partition(jnp.stack(r2), n_bands)
