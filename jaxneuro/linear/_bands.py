"""Features in bands: their numbers, delays, and weights on the simplex."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check
from ..core.partition import band_numbers
from ..signal import Lags, lagged

__all__ = ["check_gammas", "delay_bands", "sample_gammas"]

_CONCENTRATION = (0.1, 1.0)


def sample_gammas(key: jax.Array, n_iter: int, n_bands: int) -> np.ndarray:
    """Draw weights of bands: equal ones, then sparse and even ones in turn.

    Parameters
    ----------
    key : array
        Random key.
    n_iter : int
        How many.
    n_bands : int
        Number of bands.

    Returns
    -------
    array (n_iter, n_bands)
        Not negative, each row of sum 1; Dirichlet with concentrations 0.1 and 1.
    """
    keys = jax.random.split(key, len(_CONCENTRATION))
    draws = [
        # In logarithms: the gamma variates of a small shape underflow.
        jax.random.loggamma(k, jnp.full((n_bands,), c), (n_iter, n_bands))
        for k, c in zip(keys, _CONCENTRATION, strict=True)
    ]
    turns = np.stack([np.asarray(draw, np.float64) for draw in draws], axis=1)
    turns = turns.reshape(-1, n_bands)[:n_iter]
    weights = np.exp(turns - turns.max(1, keepdims=True))
    weights[0] = 1
    return weights / weights.sum(1, keepdims=True)


def check_gammas(gammas: ArrayLike, n_bands: int) -> np.ndarray:
    """Check given weights of bands.

    Parameters
    ----------
    gammas : array (n_iter, n_bands)
        Weights.
    n_bands : int
        Number of bands.

    Returns
    -------
    array (n_iter, n_bands)
        In float64.

    Raises
    ------
    ValueError
        If the shape differs, a weight is negative or not finite, or all of a row
        are zero.
    """
    weights = np.asarray(gammas, np.float64)
    if weights.ndim != 2 or weights.shape[1] != n_bands or len(weights) == 0:
        raise ValueError(
            f"gammas has shape {weights.shape} but must be (n_iter, {n_bands}), one "
            "weight per band."
        )
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError("gammas must be finite and not negative.")
    if (weights.sum(1) == 0).any():
        raise ValueError("gammas has a row of zeros; give at least one band a weight.")
    return weights


def delay_bands(
    X: ArrayLike,
    bands: ArrayLike,
    lags: Sequence[Lags] | Lags,
    *,
    run_id: ArrayLike | None = None,
) -> tuple[jax.Array, np.ndarray]:
    """Give each band of features its own window of delays.

    Delayed copies take up the slow response of blood flow. They do not cross the
    border of a run; samples before a run's start are zero.

    Parameters
    ----------
    X : array (n_samples, n_features)
        Predictors.
    bands : int array (n_features,)
        Band of each feature, from 0.
    lags : Lags or sequence of Lags
        Window of all bands, or one per band.
    run_id : int array (n_samples,), optional
        Run of each sample. Default: one run.

    Returns
    -------
    delayed : array (n_samples, n_columns)
        Bands in order; within a band, lags first.
    bands : int array (n_columns,)
        Band of each column.

    Raises
    ------
    ValueError
        If shapes disagree.

    Examples
    --------
    >>> x = np.ones((8, 3))
    >>> wide, band = delay_bands(x, [0, 0, 1], [Lags(0, 2, 1), Lags(1, 1, 1)])
    >>> wide.shape, band.tolist()
    ((8, 7), [0, 0, 0, 0, 0, 0, 1])
    """
    X = check.float_array("X", X, ndim=2)
    numbers = band_numbers(bands, X.shape[1])
    n_bands = int(numbers.max()) + 1
    windows = [lags] * n_bands if isinstance(lags, Lags) else list(lags)
    if len(windows) != n_bands:
        raise ValueError(
            f"lags holds {len(windows)} windows but bands has {n_bands} bands; give "
            "one for all or one per band."
        )
    parts = [
        lagged(X[:, numbers == band], window, trial_id=run_id).reshape(X.shape[0], -1)
        for band, window in enumerate(windows)
    ]
    column = np.repeat(np.arange(n_bands), [part.shape[1] for part in parts])
    return jnp.concatenate(parts, axis=1), column
