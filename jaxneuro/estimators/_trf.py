"""The temporal receptive field as a scikit-learn estimator."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from .. import trf
from ..core import check, score
from ..core.ridge import CVFit
from ..signal import split
from ._base import (
    Data,
    as_trials,
    check_pairs,
    check_trials,
    join,
    precision,
    predictors,
    prepare,
    warn_targets,
)
from ._folds import fold_ids
from ._trf_options import CONVENTIONS, band_of, window

__all__ = ["TRF"]


class TRF(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """Temporal receptive field by ridge regression, forward or backward.

    Predicts ``y(t)`` from ``X(t - lag)`` for all lags between `tmin` and `tmax`.
    Positive lags look into the past of ``X``: an encoding model takes the stimulus
    as ``X`` with ``tmin = 0``; stimulus reconstruction takes the responses as ``X``
    with ``tmax = 0``.

    Parameters
    ----------
    tmin, tmax : float or sequence of float
        First and last lag in seconds, both included. With `bands`, sequences give
        each band of features a window of its own.
    sfreq : float
        Sampling rate of ``X`` and ``y`` in hertz.
    alpha : float or array (n_targets,)
        Penalty of ``|y - Xb|^2 + alpha |b|^2``, where `alphas` is not given. With
        `bands`: one value per band.
    alphas : array (n_alphas,), optional
        Grid from which each target's penalty is chosen by cross-validation.
    cv : {"trials", "gcv"}, int, int array or splitter
        "trials" leaves one trial out at a time; an int makes that many folds, of
        whole trials where there are enough, else of consecutive samples; an array
        numbers the fold of each trial or sample; a scikit-learn splitter that
        partitions splits trials, or samples where there is one trial only; "gcv"
        is generalised cross-validation.
    metric : {"r2", "correlation", "mse"}
        Held-out score by which `alphas` are compared.
    penalty : {"ridge", "laplacian"}, pair of these, or array
        "laplacian" penalises differences between neighbouring lags; a pair names
        the penalty along lags and along features. Arrays as in
        :func:`jaxneuro.trf.fit`.
    pad : {"zero", "mean", "drop"}
        What lies before and after a trial: zeros, the mean of ``X``, or nothing
        (rows with an incomplete window are dropped). Predictions always see zeros.
    convention : {None, "naplib", "mne", "mtrf"}
        Reproduce another program: padding, centring, the scale of `alpha` and the
        rounding of the window. None has the exact unpenalised intercept, the same
        edges in fit and prediction, and a penalty that does not move with the
        number of trials; naplib with scikit-learn's Ridge gives the same numbers.
        MNE pads with the mean in the fit only and centres before lagging; mTRFpy
        multiplies `alpha` by `sfreq` and the number of training trials, rounds the
        window outwards and averages scores over trials.
    bands : sequence of int, optional
        Number of consecutive features in each band. With `alphas`, every band has
        a penalty of its own.
    fit_intercept : bool
        Whether to fit a constant per target.
    dtype : {"float32", "float64"}
        Arithmetic.
    show_progress : bool
        Whether to draw a progress bar.

    Attributes
    ----------
    coef_ : array (n_targets[, n_outputs], n_features, n_lags)
        Coefficients; lags ascend like ``lags_.times``.
    intercept_ : array (n_targets[, n_outputs])
        Constants.
    alpha_ : array (n_targets,) or (n_targets, n_bands)
        Penalty of each target.
    lags_ : Lags
        Lag window.
    alphas_ : array (n_alphas,) or (n_combinations, n_bands)
        Grid. Only with `alphas`.
    alpha_scores_ : array (n_alphas, n_targets)
        Mean held-out score of each penalty. Only with `alphas`.
    cv_scores_ : array (n_targets,)
        Mean held-out score at the chosen penalty. Only with `alphas`.
    fit_ : trf.TRFFit
        The record that the kernels take.
    n_features_in_ : int
        Number of features.

    References
    ----------
    .. [1] Crosse et al., Frontiers in Human Neuroscience 10 (2016) 604,
       doi:10.3389/fnhum.2016.00604.
    .. [2] naplib-python ``TRF``, MNE ``ReceptiveField``, mTRFpy ``TRF``.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> trials = [rng.standard_normal((n, 3)) for n in (300, 250)]
    >>> model = TRF(tmin=0.0, tmax=0.2, sfreq=10).fit(trials, trials)
    >>> model.coef_.shape
    (3, 3, 3)
    """

    def __init__(
        self,
        tmin: float | Sequence[float],
        tmax: float | Sequence[float],
        sfreq: float,
        *,
        alpha: ArrayLike = 1.0,
        alphas: ArrayLike | None = None,
        cv: object = "trials",
        metric: str = "r2",
        penalty: str | Sequence[str] | ArrayLike = "ridge",
        pad: str = "zero",
        convention: str | None = None,
        bands: Sequence[int] | None = None,
        fit_intercept: bool = True,
        dtype: str = "float32",
        show_progress: bool = False,
    ) -> None:
        self.tmin = tmin
        self.tmax = tmax
        self.sfreq = sfreq
        self.alpha = alpha
        self.alphas = alphas
        self.cv = cv
        self.metric = metric
        self.penalty = penalty
        self.pad = pad
        self.convention = convention
        self.bands = bands
        self.fit_intercept = fit_intercept
        self.dtype = dtype
        self.show_progress = show_progress

    def fit(self, X: Data, y: Data, mask: Data | None = None) -> "TRF":
        """Fit every target of every trial at once.

        Parameters
        ----------
        X : array (n_times, n_features) or list of these
            Predictors, one array per trial.
        y : array (n_times, n_targets[, n_outputs]) or list of these
            What to predict. The outputs of a target share their penalty.
        mask : bool array (n_times,) or list of these, optional
            Samples to use; NaN is allowed elsewhere.

        Returns
        -------
        TRF
            This estimator.

        Raises
        ------
        ValueError, TypeError
            If values, shapes or options are wrong; before anything is compiled.
        """
        with precision(self.dtype):
            self.lags_, support = window(
                self.tmin, self.tmax, self.sfreq, self.bands, self.convention
            )
            data = prepare(self, X, y, mask, n_lags=self.lags_.n_lags)
            self._target_shape = data.target_shape
            self._n_targets = data.target_shape[0] if data.target_shape else 1
            n_outputs = data.Y.shape[1] // self._n_targets
            if support is not None:
                support = support[:, self._band_of(data.X)]
            options = {
                "trial_id": data.trial_id,
                "mask": data.mask,
                "fit_intercept": self.fit_intercept,
                "support": support,
                "pad": self.pad,
                **CONVENTIONS[self.convention],
            }
            fit_data = self._fit_one if self.alphas is None else self._fit_grid
            self.fit_: trf.TRFFit = fit_data(data.X, data.Y, n_outputs, options)
            self._store(n_outputs)
        return self

    def predict(self, X: Data) -> ArrayLike | list[ArrayLike]:
        """Predict every trial.

        Parameters
        ----------
        X : array (n_times, n_features) or list of these
            Predictors.

        Returns
        -------
        array (n_times, n_targets[, n_outputs]) or list of these
            A list for a list, JAX arrays for JAX arrays, one axis less where ``y``
            was one-dimensional.

        Raises
        ------
        ValueError, TypeError
            If values or shapes are wrong.
        """
        check_is_fitted(self)
        trials, listed = predictors(self, X)
        check_trials("X", trials)
        with precision(self.dtype):
            x, trial_id = join(trials, self.dtype)
            y = trf.predict(self.fit_, x, trial_id=trial_id)
            y = y.reshape(-1, *self._target_shape)
            if not isinstance(trials[0], jax.Array):
                y = np.asarray(y)
            return split(y, trial_id) if listed else y

    def score(self, X: Data, y: Data) -> float:
        """Mean R2 over targets.

        Parameters
        ----------
        X : array (n_times, n_features) or list of these
            Predictors.
        y : array (n_times, n_targets[, n_outputs]) or list of these
            Measured.

        Returns
        -------
        float
            Targets whose R2 is undefined do not count.
        """
        return float(np.nanmean(np.asarray(self.score_targets(X, y))))

    def score_targets(
        self,
        X: Data,
        y: Data,
        *,
        metric: str | Sequence[str] = "r2",
        ceiling: ArrayLike | None = None,
    ) -> np.ndarray | dict[str, np.ndarray]:
        """Score each target over all trials together.

        Parameters
        ----------
        X : array (n_times, n_features) or list of these
            Predictors.
        y : array (n_times, n_targets[, n_outputs]) or list of these
            Measured. The outputs of a target are scored together, as if they were
            further samples.
        metric : {"r2", "correlation", "mse"} or sequence of these
            Which scores.
        ceiling : float or array (n_targets,), optional
            Best score that the noise allows; scores are given as shares of it.

        Returns
        -------
        array (n_targets,), or dict of these
            A dict by name for a sequence. NaN where undefined.

        Raises
        ------
        ValueError
            If shapes disagree or a metric is unknown.
        """
        names = [metric] if isinstance(metric, str) else list(metric)
        for name in names:
            check.choice("metric", name, tuple(score.METRICS))
        measured, _ = as_trials("y", y)
        predicted, _ = as_trials("y", self.predict(X))
        check_pairs("X", predicted, "y", measured)
        with precision(self.dtype):

            def columns(trials: list) -> jax.Array:
                all_trials = np.concatenate([np.asarray(t, self.dtype) for t in trials])
                table = all_trials.reshape(len(all_trials), self._n_targets, -1)
                return jnp.asarray(table.swapaxes(1, 2).reshape(-1, self._n_targets))

            true, guess = columns(measured), columns(predicted)
            scores = {n: np.asarray(score.METRICS[n](true, guess)) for n in names}
        if ceiling is not None:
            scores = {n: values / np.asarray(ceiling) for n, values in scores.items()}
        return scores[metric] if isinstance(metric, str) else scores

    def _band_of(self, X: jax.Array) -> np.ndarray:
        return band_of(self.bands or (), X.shape[1])

    def _fit_one(
        self, X: jax.Array, y: jax.Array, n_outputs: int, options: dict
    ) -> trf.TRFFit:
        alpha, penalty = np.asarray(self.alpha, dtype=float), self.penalty
        if not np.isfinite(alpha).all() or (alpha < 0).any():
            raise ValueError(
                f"alpha is {self.alpha!r} but must be finite and not negative."
            )
        if self.bands is not None and alpha.ndim:
            weights = alpha[self._band_of(X)]
            penalty = np.broadcast_to(weights, (self.lags_.n_lags, X.shape[1]))
            alpha = np.asarray(1.0)
        elif alpha.ndim:
            alpha = np.repeat(alpha, n_outputs)
        return trf.fit(X, y, self.lags_, alpha, penalty=penalty, **options)

    def _fit_grid(
        self, X: jax.Array, y: jax.Array, n_outputs: int, options: dict
    ) -> trf.TRFFit:
        groups = np.repeat(np.arange(self._n_targets), n_outputs)
        result = self._search(X, y, options | {"alpha_groups": groups})
        scores = np.asarray(jnp.nanmean(result.scores, axis=0))
        scores = scores.reshape(len(scores), self._n_targets, n_outputs).mean(2)
        self.alphas_ = np.asarray(result.alphas)
        self.alpha_scores_ = scores
        best = np.max(np.where(np.isnan(scores), -np.inf, scores), axis=0)
        self.cv_scores_ = np.where(np.isfinite(best), best, np.nan)
        warn_targets(
            ~np.asarray(result.converged),
            "no penalty has a defined score for",
            "the largest was taken",
        )
        return result.fit

    def _search(self, X: jax.Array, y: jax.Array, options: dict) -> CVFit:
        alphas = check.alphas("alphas", np.asarray(self.alphas))
        if isinstance(self.cv, str) and self.cv == "gcv":
            options["penalty"] = self.penalty
            return trf.fit_gcv(X, y, self.lags_, alphas, **options)
        fold_id = fold_ids(self.cv, options["trial_id"])
        options |= {"metric": self.metric, "show_progress": self.show_progress}
        if self.bands is None:
            options["penalty"] = self.penalty
            options["score_by"] = "trial" if self.convention == "mtrf" else "fold"
            return trf.fit_cv(X, y, self.lags_, alphas, fold_id, **options)
        if CONVENTIONS[self.convention]:
            raise ValueError(
                f"convention is {self.convention!r} but penalties per band have none; "
                "leave out convention or bands."
            )
        options["bands"] = self._band_of(X)
        return trf.fit_banded_cv(X, y, self.lags_, alphas, fold_id, **options)

    def _store(self, n_outputs: int) -> None:
        # Host arrays keep float64 when they are pickled or used outside.
        self.fit_ = jax.tree.map(np.asarray, self.fit_)
        coef = np.moveaxis(np.asarray(self.fit_.coef), (0, 1, 2), (2, 1, 0))
        warn_targets(
            np.asarray(~np.isfinite(coef).all((1, 2))),
            "the system is singular for",
            "their coefficients are NaN: raise alpha or take dtype='float64'",
        )
        shape = (self._n_targets,) + (
            (n_outputs,) if len(self._target_shape) > 1 else ()
        )
        self.coef_ = coef.reshape(*shape, *coef.shape[1:])
        self.intercept_ = np.asarray(self.fit_.intercept).reshape(shape)
        alpha = np.asarray(self.fit_.alpha)[..., ::n_outputs]
        self.alpha_ = alpha.T if alpha.ndim == 2 else alpha
