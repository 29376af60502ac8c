"""Simple models beside a network, so that a user sees what the network adds."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from .. import linear, reliability, trf
from ..core import check, folds, score
from ..signal import Lags, gabor_energy
from ._base import precision

__all__ = ["baselines", "measure"]

_N_FOLDS = 5
_ALPHAS = np.logspace(-3, 3, 13)  # per feature of unit variance
_N_BINS = 20


_REPEATED = {
    "feve": reliability.feve,
    "average_correlation": reliability.average_correlation,
    "trial_correlation": reliability.trial_correlation,
}


def measure(metric: str, y: ArrayLike, guess: np.ndarray) -> np.ndarray:
    """Score a prediction.

    Parameters
    ----------
    metric : str
        A metric of the core, or one of repeats.
    y : array (n_samples, n_targets) or (n_repeats, n_samples, n_targets)
        Responses; repeats for the latter.
    guess : array (n_samples, n_targets)
        Prediction.

    Returns
    -------
    array (n_targets,)
        Score.

    Raises
    ------
    ValueError
        If the metric is unknown or shapes disagree.
    """
    check.choice("metric", metric, (*score.METRICS, *_REPEATED))
    with precision(guess.dtype.name):
        if metric in _REPEATED:
            check.has_ndim("y", y, 3)
            return np.asarray(_REPEATED[metric](np.asarray(y, guess.dtype), guess))
        measured = np.asarray(y, guess.dtype).reshape(guess.shape)
        return np.asarray(score.METRICS[metric](measured, guess))


def baselines(
    stimuli: np.ndarray,
    y: np.ndarray,
    test: np.ndarray,
    *,
    lags: Lags | None = None,
    trial_id: ArrayLike | None = None,
    test_trial_id: ArrayLike | None = None,
) -> dict[str, np.ndarray]:
    """Predict by a linear model, one with a nonlinearity, and Gabor energy.

    Parameters
    ----------
    stimuli : array (n_samples, height, width, channels) or (n_times, n_features)
        To fit, standardised.
    y : array (n_samples, n_targets)
        Responses; samples with a NaN are left out.
    test : array (n_test, ...)
        To predict.
    lags, trial_id, test_trial_id
        Of a spectrogram.

    Returns
    -------
    dict of array (n_test, n_targets)
        "linear" is ridge on pixels or lags, each target's penalty by cross-validation;
        "linear-nonlinear" bends it by a curve through means of equally filled bins;
        "gabor energy", of images, is ridge on energy and on mean colours.

    Raises
    ------
    ValueError
        If too few samples have all responses.
    """
    complete = np.asarray(np.isfinite(y).all(axis=1))
    if complete.sum() < 2 * _N_FOLDS:
        raise ValueError(
            f"y has {complete.sum()} samples with all responses, but comparing with "
            f"simple models needs at least {2 * _N_FOLDS}."
        )
    if lags is not None:
        held_out, guess = _lagged(
            stimuli, y, test, complete, lags, trial_id, test_trial_id
        )
        return {"linear": guess, "linear-nonlinear": _bent(held_out, y, guess)}
    stimuli, y = stimuli[complete], y[complete]
    held_out, guess = _ridge(_flat(stimuli), _flat(test), y)
    energy = _ridge(_energy(stimuli), _energy(test), y)[1]
    return {
        "linear": guess,
        "linear-nonlinear": _bent(held_out, y, guess),
        "gabor energy": energy,
    }


def _ridge(
    X: np.ndarray, test: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Predictions of samples that a fold held out, and of the test samples."""
    mean, scale = X.mean(axis=0), X.std(axis=0)
    scale = np.where(scale > 1e-6 * max(scale.max(), 1e-30), scale, np.inf)
    X, test = (X - mean) / scale, (test - mean) / scale
    fold = np.asarray(folds.kfold(len(X), _N_FOLDS))
    alphas = X.shape[1] * _ALPHAS
    found = linear.ridge_cv(X, y, alphas, fold, metric="correlation")
    held_out = np.empty_like(y)
    for one in range(_N_FOLDS):
        seen = fold != one
        part = linear.ridge(X[seen], y[seen], found.fit.alpha)
        held_out[~seen] = linear.predict(part, X[~seen])
    return held_out, np.asarray(linear.predict(found.fit, test))


def _flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1)


def _lagged(
    X: np.ndarray,
    y: np.ndarray,
    test: np.ndarray,
    complete: np.ndarray,
    lags: Lags,
    trial_id: ArrayLike | None,
    test_trial_id: ArrayLike | None,
) -> tuple[np.ndarray, np.ndarray]:
    """As `_ridge`, on lags; NaN where no fold predicts."""
    trial = np.zeros(len(X), int) if trial_id is None else np.asarray(trial_id)
    numbers = np.unique(trial, return_inverse=True)[1]
    many = numbers.max() + 1 >= _N_FOLDS
    fold = numbers % _N_FOLDS if many else np.arange(len(X)) * _N_FOLDS // len(X)
    # A trial that folds cut becomes several.
    piece = np.unique(np.stack([numbers, fold]), axis=1, return_inverse=True)[1]
    piece = piece.reshape(-1)
    alphas = X.var() * len(X) * _ALPHAS
    options = {"metric": "correlation", "trial_id": piece, "mask": complete}
    found = trf.fit_cv(X, y, lags, alphas, fold, **options)
    held_out = np.empty_like(y)
    for one in range(_N_FOLDS):
        seen, alpha = fold != one, found.fit.alpha
        mask = complete & seen
        part = trf.fit(X, y, lags, alpha, trial_id=piece, mask=mask)
        guess = np.asarray(trf.predict(part, X, trial_id=piece))
        held_out[~seen] = guess[~seen]
    guess = trf.predict(found.fit, test, trial_id=test_trial_id)
    return held_out, np.asarray(guess)


def _bent(drive: np.ndarray, y: np.ndarray, guess: np.ndarray) -> np.ndarray:
    """Predict by the mean response to a drive like that, target by target."""
    known = np.isfinite(drive).all(axis=1) & np.isfinite(y).all(axis=1)
    drive, y = drive[known], y[known]
    order = np.argsort(drive, axis=0, kind="stable")
    bins = np.array_split(np.arange(len(y)), min(_N_BINS, len(y) // 5))
    at, mean = (
        np.stack([np.take_along_axis(a, order, 0)[rows].mean(axis=0) for rows in bins])
        for a in (drive, y)
    )
    curve = jax.vmap(jnp.interp, (1, 1, 1), 1)
    return np.asarray(curve(*(jnp.asarray(a) for a in (guess, at, mean))))


def _energy(images: np.ndarray) -> np.ndarray:
    """Gabor energy of gray images, and the mean of each channel on the same grid."""
    height, width = images.shape[1:3]
    grid = min(7, height), min(7, width)
    n_scales = int(np.clip(np.log2(min(height, width) / 4), 1, 4))
    energy = gabor_energy(images.mean(axis=3), n_scales=n_scales, grid=grid)
    cells = [
        np.array_split(np.arange(n), k)
        for n, k in zip((height, width), grid, strict=True)
    ]
    means = [
        images[:, rows][:, :, columns].mean(axis=(1, 2))
        for rows in cells[0]
        for columns in cells[1]
    ]
    return np.concatenate([np.asarray(energy), *means], axis=1)
