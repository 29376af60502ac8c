"""What single lags and single bands of features explain."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check, folds, search
from ..core.moments import Moments
from ..core.partition import VariancePartition, band_numbers, partition, subsets_of
from ..core.progress import track
from ..signal import LaggedSums, Lags, Products, lagged_sums, products
from ._system import fold_scores, system

__all__ = ["VariancePartition", "single_lag", "variance_partition"]


def single_lag(
    X: ArrayLike,
    Y: ArrayLike,
    lags: Lags,
    alphas: ArrayLike,
    fold_id: ArrayLike,
    *,
    trial_id: ArrayLike | None = None,
    metric: str = "r2",
    pad: str = "zero",
) -> jax.Array:
    """Score models that see one lag at a time.

    All of them are blocks on the diagonal of the same moments.

    Parameters
    ----------
    X, Y, lags, trial_id, pad
        As in :func:`fit`.
    alphas : array (n_alphas,)
        Grid; each lag and target takes its best.
    fold_id, metric
        As in :func:`fit_cv`.

    Returns
    -------
    array (n_lags, n_targets)
        Mean held-out score.

    Raises
    ------
    ValueError
        If shapes disagree or an option is unknown.

    References
    ----------
    .. [1] O'Sullivan et al., Cerebral Cortex 25 (2015) 1697-1706,
       doi:10.1093/cercor/bht355; mTRF-Toolbox ``mTRFtrain(..., 'type', 'single')``.
    """
    check.choice("metric", metric, search.METRICS)
    n_folds = folds.n_folds(fold_id)
    sums = lagged_sums(X, Y, lags, trial_id=trial_id, group_id=fold_id, pad=pad)
    alphas = jnp.asarray(alphas, sums.row.dtype)
    total = products(sums)
    scores = jnp.stack(
        [_lag_scores(sums, total, k, alphas, metric=metric) for k in range(n_folds)]
    )
    return scores.mean(0).max(1)


@partial(jax.jit, static_argnames="metric")
def _lag_scores(
    sums: LaggedSums,
    total: Products,
    fold: ArrayLike,
    alphas: jax.Array,
    *,
    metric: str,
) -> jax.Array:
    """Score every lag on one fold: (n_lags, n_alphas, n_targets)."""
    n_lags, n_features = sums.row.shape[1:3]
    test = products(sums, fold)
    train, test = total.minus(test).moments(), test.moments()

    def one(lag: jax.Array) -> jax.Array:
        at = lag * n_features + jnp.arange(n_features)
        return search.cv_scores(
            _block(train, at), _block(test, at), alphas, metric=metric
        )

    return jax.lax.map(one, jnp.arange(n_lags))


def _block(m: Moments, at: jax.Array) -> Moments:
    return Moments(
        n=m.n,
        x_mean=m.x_mean[at],
        y_mean=m.y_mean,
        xx=m.xx[at[:, None], at[None, :]],
        xy=m.xy[at],
        yy=m.yy,
    )


def variance_partition(
    X: ArrayLike,
    Y: ArrayLike,
    lags: Lags,
    alphas: ArrayLike,
    fold_id: ArrayLike,
    *,
    bands: ArrayLike,
    trial_id: ArrayLike | None = None,
    pad: str = "zero",
    show_progress: bool = False,
) -> VariancePartition:
    """Split held-out variance into what bands explain alone and together.

    Every subset of bands is fitted, each target with its own penalty, from one
    pass over the recording.

    Parameters
    ----------
    X, Y, lags, trial_id, pad
        As in :func:`fit`.
    alphas : array (n_alphas,)
        Grid of penalties.
    fold_id, show_progress
        As in :func:`fit_cv`.
    bands : int array (n_features,)
        Band of each feature, from 0. ``2 ** n_bands - 1`` models are fitted.

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
    bands = band_numbers(bands, np.shape(X)[1])
    n_bands, n_folds = int(bands.max()) + 1, folds.n_folds(fold_id)
    sums = lagged_sums(X, Y, lags, trial_id=trial_id, group_id=fold_id, pad=pad)
    alphas = jnp.asarray(alphas, sums.row.dtype)
    total = products(sums)
    subsets = subsets_of(n_bands)
    r2 = []
    for subset in track(subsets, show=show_progress, desc="subsets", unit="model"):
        support = np.broadcast_to(np.isin(bands, subset), (lags.n_lags, bands.size))
        form = system(sums, support=support)
        scores = [
            fold_scores(form, sums, total, jnp.asarray([k]), alphas, metric="r2")
            for k in range(n_folds)
        ]
        r2.append(jnp.stack(scores).mean(0).max(0))
    return partition(jnp.stack(r2), n_bands)
