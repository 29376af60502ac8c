"""Predictions of a temporal response function."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ..core import check
from ..signal._trials import Segments, segments
from ._system import TRFFit

__all__ = ["predict"]

# Rows whose windows are held at once; a block fits the second-level cache.
_ROWS = 512


def predict(
    fit: TRFFit, X: ArrayLike, *, trial_id: ArrayLike | None = None
) -> jax.Array:
    """Predict responses: a convolution along time, summed over features.

    Samples before a trial's start or after its end are zero, as in the fit. The
    working memory is that of 512 windows, whatever the length.

    Parameters
    ----------
    fit : TRFFit
        Fitted model.
    X : array (n_times, n_features)
        Predictors.
    trial_id : int array (n_times,), optional
        Trial of each sample, concrete. Default: one trial.

    Returns
    -------
    array (n_times, n_targets)
        Predictions.

    Raises
    ------
    ValueError
        If `X` has another number of features than the fit.
    """
    X = check.float_array("X", X, ndim=2)
    n_features = fit.coef.shape[1]
    if X.shape[1] != n_features:
        raise ValueError(
            f"X has {X.shape[1]} features but the model was fitted with {n_features}."
        )
    return _predict(fit, X.astype(fit.coef.dtype), segments(trial_id, X.shape[0]))


@jax.jit
def _predict(fit: TRFFit, X: jax.Array, runs: Segments) -> jax.Array:
    n_times = X.shape[0]
    weights = fit.coef.reshape(-1, fit.coef.shape[2])
    lag = jnp.asarray(fit.lags.samples, dtype=jnp.int32)[None]

    def block(item: tuple) -> jax.Array:
        time, start, stop = item
        times = time[:, None] - lag
        inside = (times >= start[:, None]) & (times < stop[:, None])
        rows = jnp.where(inside[..., None], X.at[times].get(mode="clip"), 0)
        rows = rows.reshape(time.size, -1)
        return jnp.matmul(rows, weights, precision="highest")

    time = jnp.arange(n_times, dtype=jnp.int32)
    blocks = _blocks((time, runs.start, runs.stop), min(_ROWS, n_times))
    out = jax.lax.map(block, blocks)
    return out.reshape(-1, weights.shape[1])[:n_times] + fit.intercept[None]


def _blocks(arrays: tuple, size: int) -> tuple:
    extra = -arrays[0].size % size
    return tuple(jnp.pad(array, (0, extra)).reshape(-1, size) for array in arrays)
