"""What the linear estimators share: checks, what is stored, prediction."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import linear
from ..core import check, score
from ..core.ridge import CVFit
from ._base import as_array, precision, warn_targets

__all__ = ["LinearModel", "TargetModel"]


class TargetModel(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """What linear models of many targets share: prediction and scores."""

    dtype: str
    fit_: linear.LinearFit | linear.LassoFit
    _one_dimensional: bool

    def _options(self, *without: str) -> dict[str, Any]:
        """Parameters that the kernel takes by the same name."""
        skip = {"dtype", *without}
        options = self.get_params(deep=False)
        return {name: value for name, value in options.items() if name not in skip}

    def _data(self, X: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Check a recording, and take it as tables in the arithmetic's float."""
        if y is None:
            raise ValueError(
                "the estimator requires y to be passed, but the target y is None; "
                "give what X should predict."
            )
        vars(self).pop("fit_", None)
        table = validate_data(
            self,
            X,  # type: ignore[arg-type]  # its own default is a str
            ensure_min_samples=2,
            dtype=[np.float64, np.float32],
        )
        predictors = np.asarray(table)
        targets = y if isinstance(y, np.memmap) else np.asarray(as_array("y", y))
        check.has_ndim("y", targets, 1, 2)
        check.same_length("X", predictors, "y", targets, "samples")
        check.float_array("y", np.zeros(0, targets.dtype))
        self._one_dimensional = targets.ndim == 1
        targets = targets.reshape(len(targets), -1)
        warn_targets(np.ptp(predictors, 0) == 0, "X is constant in", "they get zeros")
        if isinstance(targets, np.memmap):
            return predictors.astype(self.dtype), targets
        with np.errstate(over="ignore", invalid="ignore"):
            missing = ~np.isfinite(targets.sum(0))
        if missing.all():
            check.finite("y", targets)
        warn_targets(missing, "y is NaN or infinite in", "their results are NaN")
        targets = targets.astype(self.dtype, copy=False)
        return predictors.astype(self.dtype, copy=False), targets

    def _warn_lost(self, targets: np.ndarray) -> None:
        if isinstance(targets, np.memmap):  # all else was looked through before
            lost = ~np.isfinite(np.asarray(self.fit_.intercept))
            warn_targets(lost, "y is NaN or infinite in", "their results are NaN")

    def predict(self, X: ArrayLike) -> ArrayLike:
        """Predict every target.

        Parameters
        ----------
        X : array (n_samples, n_features)
            Predictors.

        Returns
        -------
        array (n_samples, n_targets)
            One axis less where ``y`` was one-dimensional; JAX arrays for JAX arrays.

        Raises
        ------
        ValueError
            If `X` has another number of features than in the fit.
        """
        check_is_fitted(self, "fit_")
        device = isinstance(X, jax.Array)
        checked = validate_data(
            self,
            X,  # type: ignore[arg-type]  # its own default is a str
            reset=False,
            dtype=[np.float64, np.float32],
        )
        with precision(self.dtype):
            predicted = linear.predict(self.fit_, np.asarray(checked, self.dtype))
        if self._one_dimensional:
            predicted = predicted[:, 0]
        return predicted if device else np.asarray(predicted)

    def score_targets(
        self, X: ArrayLike, y: ArrayLike, metric: str | Sequence[str] = "r2"
    ) -> np.ndarray | dict[str, np.ndarray]:
        """Score the predictions of every target.

        Parameters
        ----------
        X : array (n_samples, n_features)
            Predictors.
        y : array (n_samples, n_targets) or (n_samples,)
            Measured.
        metric : {"r2", "correlation", "mse"} or sequence of these
            Which scores.

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
        predicted = np.asarray(self.predict(X))
        measured = np.asarray(y, self.dtype)
        check.same_length("X", predicted, "y", measured, "samples")
        n = len(predicted)
        pair = measured.reshape(n, -1), predicted.reshape(n, -1)
        with precision(self.dtype):
            scores = {name: np.asarray(score.METRICS[name](*pair)) for name in names}
        return scores[metric] if isinstance(metric, str) else scores


class LinearModel(TargetModel, ABC):
    """What the ridge models share: checks, what is stored, the score."""

    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> "LinearModel":
        """Fit every target at once.

        Parameters
        ----------
        X : array (n_samples, n_features)
            Predictors.
        y : array (n_samples, n_targets) or (n_samples,)
            Targets; a memory map is read in blocks. Those with NaN or infinite
            samples get NaN coefficients and a warning.
        sample_weight : array (n_samples,), optional
            Weights, in the fit and in the scores.

        Returns
        -------
        estimator
            This estimator.

        Raises
        ------
        ValueError, TypeError
            If values, shapes or options are wrong; before anything is compiled.
        """
        with precision(self.dtype):
            predictors, targets = self._data(X, y)
            if sample_weight is not None:
                sample_weight = np.asarray(sample_weight, self.dtype)
            fit = self._fit(predictors, targets, sample_weight)
        # Host arrays keep float64 when they are pickled or used outside.
        self.fit_: linear.LinearFit = jax.tree.map(np.asarray, fit)
        self.coef_ = np.asarray(self.fit_.coef).T
        self.intercept_ = np.asarray(self.fit_.intercept)
        self.alpha_ = np.asarray(self.fit_.alpha).T
        self._warn_lost(targets)
        return self

    @abstractmethod
    def _fit(
        self, X: np.ndarray, Y: np.ndarray, weight: ArrayLike | None
    ) -> linear.LinearFit:
        """Fit, and keep what a search found."""

    def _keep_scores(self, found: CVFit) -> linear.LinearFit:
        self.alphas_ = np.asarray(found.alphas)
        self.alpha_scores_ = np.asarray(found.scores).mean(0)
        known = np.where(np.isnan(self.alpha_scores_), -np.inf, self.alpha_scores_)
        best = known.max(0)
        self.cv_scores_ = np.where(np.isfinite(best), best, np.nan)
        constant = ~np.asarray(found.converged) & np.isfinite(found.fit.intercept)
        warn_targets(
            constant, "no penalty has a defined score for", "the largest was taken"
        )
        return found.fit

    def score(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Mean R2 over targets.

        Parameters
        ----------
        X : array (n_samples, n_features)
            Predictors.
        y : array (n_samples, n_targets) or (n_samples,)
            Measured.
        sample_weight : array (n_samples,), optional
            Weights; with them, scikit-learn's ``r2_score`` is given.

        Returns
        -------
        float
            Targets whose R2 is undefined do not count.
        """
        if sample_weight is not None:
            return float(super().score(X, y, sample_weight))  # type: ignore[arg-type]  # its own stub wants NumPy arrays
        return float(np.nanmean(np.asarray(self.score_targets(X, y))))
