"""Sparse models of many targets as scikit-learn estimators."""

import warnings
from abc import ABC, abstractmethod

import jax
import numpy as np
from jax.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning

from .. import linear
from ..core.ridge import CVFit
from ._base import precision
from ._folds import folds_of
from ._linear_model import TargetModel

__all__ = ["LassoCV", "LassoLarsCV"]


class _SparseCV(TargetModel, ABC):
    """What the sparse models share: checks and what is stored."""

    cv: object
    keep_scores: bool

    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> "_SparseCV":
        """Fit every target at once.

        Parameters
        ----------
        X : array (n_samples, n_features)
            Predictors.
        y : array (n_samples, n_targets) or (n_samples,)
            Targets. Those with NaN or infinite samples get NaN coefficients and a
            warning.
        sample_weight : array (n_samples,), optional
            Weights, in the fit and in the errors.

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
            fold_id = folds_of(self.cv, predictors.shape[0])
            found = self._search(predictors, targets, fold_id, sample_weight)
        self._store(jax.tree.map(np.asarray, found))
        self._warn_lost(targets)
        return self

    @abstractmethod
    def _search(
        self, X: ArrayLike, Y: ArrayLike, fold_id: np.ndarray, weight: ArrayLike | None
    ) -> CVFit:
        """Search the penalties and fit."""

    def _store(self, found: CVFit) -> None:
        self.fit_ = found.fit
        self.coef_ = found.fit.coef.T
        self.intercept_ = found.fit.intercept
        self.alpha_ = found.fit.alpha
        self.alphas_ = found.alphas
        known = np.where(np.isnan(found.scores.mean(0)), -np.inf, found.scores.mean(0))
        best = known.max(0)
        self.cv_scores_ = np.where(np.isfinite(best), best, np.nan)
        self.mse_path_ = -found.scores if self.keep_scores else None
        self.n_iter_ = found.fit.n_iter
        self.dual_gap_ = found.fit.gap
        self.converged_ = found.converged
        unfinished = ~found.converged & np.isfinite(found.fit.intercept)
        if unfinished.any():
            warnings.warn(
                f"{unfinished.sum()} of {unfinished.size} targets did not converge; "
                "raise max_iter or tol, take larger alphas or dtype='float64'.",
                ConvergenceWarning,
                stacklevel=3,
            )


class LassoCV(_SparseCV):
    """Lasso or elastic net of every target, penalties chosen by cross-validation.

    Minimises ``|y - Xb - c|^2 / (2 n_samples) + alpha (l1_ratio |b|_1 + (1 - l1_ratio)
    |b|^2 / 2)`` for every target, as scikit-learn's estimator of the same name does
    for one.

    Parameters
    ----------
    alphas : array (n_alphas,), optional
        Grid of penalties. Default: one for each target, from the smallest penalty
        that leaves no feature.
    n_alphas : int
        Length of the grids that are made.
    eps : float
        Ratio of their ends.
    l1_ratio : float
        Share of the absolute values in the penalty.
    cv : int, int array (n_samples,), splitter or list of pairs
        A number of consecutive folds, the fold of each sample, a scikit-learn
        splitter that partitions, or its pairs of training and test samples.
    positive : bool
        Whether to constrain coefficients to be positive.
    fit_intercept : bool
        Whether to fit a constant per target.
    max_iter : int
        Most iterations per penalty.
    tol : float
        Violation of the optimality conditions on the paths of the folds, relative
        to the largest ``|X'y|``; the refit goes on to a thousandth of it.
    keep_scores : bool
        Whether to keep the errors of each fold and penalty.
    batch_size : int, optional
        Targets that are solved at once.
    dtype : {"float32", "float64"}
        Arithmetic.
    show_progress : bool
        Whether to draw a progress bar.

    Attributes
    ----------
    coef_ : array (n_targets, n_features)
        Coefficients.
    intercept_ : array (n_targets,)
        Constants.
    alpha_ : array (n_targets,)
        Penalty of each target.
    alphas_ : array (n_alphas,) or (n_alphas, n_targets)
        Grid, falling.
    cv_scores_ : array (n_targets,)
        Negative mean squared error at the chosen penalty, averaged over folds.
    mse_path_ : array (n_folds, n_alphas, n_targets), or None
        Held-out errors. Only with `keep_scores`.
    n_iter_ : array (n_targets,)
        Iterations of the refit.
    dual_gap_ : array (n_targets,)
        How far the objective is from its minimum at most.
    converged_ : array (n_targets,)
        Whether the paths and the refit converged.
    fit_ : linear.LassoFit
        The record that the kernels take.
    n_features_in_ : int
        Number of features.

    References
    ----------
    .. [1] Friedman, Hastie & Tibshirani, Journal of Statistical Software 33 (2010)
       1-22, doi:10.18637/jss.v033.i01; scikit-learn ``LassoCV``, ``ElasticNetCV``.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((80, 6))
    >>> LassoCV(cv=4).fit(X, X[:, :2] + rng.standard_normal((80, 2))).coef_.shape
    (2, 6)
    """

    def __init__(
        self,
        *,
        alphas: ArrayLike | None = None,
        n_alphas: int = 100,
        eps: float = 1e-3,
        l1_ratio: float = 1.0,
        cv: object = 5,
        positive: bool = False,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float = 3e-5,
        keep_scores: bool = False,
        batch_size: int | None = None,
        dtype: str = "float32",
        show_progress: bool = False,
    ) -> None:
        self.alphas = alphas
        self.n_alphas = n_alphas
        self.eps = eps
        self.l1_ratio = l1_ratio
        self.cv = cv
        self.positive = positive
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.keep_scores = keep_scores
        self.batch_size = batch_size
        self.dtype = dtype
        self.show_progress = show_progress

    def _search(
        self, X: ArrayLike, Y: ArrayLike, fold_id: np.ndarray, weight: ArrayLike | None
    ) -> CVFit:
        options = self._options("cv")
        return linear.lasso_cv(X, Y, fold_id, sample_weight=weight, **options)


class LassoLarsCV(_SparseCV):
    """Lasso of every target along its exact path, stopped by cross-validation.

    The candidates are the penalties at which a fold's path turns. `max_iter` bounds
    the steps of all paths, the final one too, and with it the number of features.

    Parameters
    ----------
    max_iter : int
        Most steps of a path; a step lets one feature enter or leave.
    cv : int, int array (n_samples,), splitter or list of pairs
        As in :class:`LassoCV`.
    fit_intercept : bool
        Whether to fit a constant per target.
    keep_scores : bool
        Whether to keep the errors of each fold and candidate.
    batch_size : int, optional
        Targets that are solved at once.
    dtype : {"float32", "float64"}
        Arithmetic.
    show_progress : bool
        Whether to draw a progress bar.

    Attributes
    ----------
    coef_, intercept_, alpha_, cv_scores_, dual_gap_, converged_, fit_, n_features_in_
        As in :class:`LassoCV`.
    alphas_ : array (n_candidates, n_targets)
        Candidates, NaN where a path has fewer turns.
    mse_path_ : array (n_folds, n_candidates, n_targets), or None
        Held-out errors. Only with `keep_scores`.
    n_iter_ : array (n_targets,)
        Steps of the final path.

    References
    ----------
    .. [1] Efron, Hastie, Johnstone & Tibshirani, Annals of Statistics 32 (2004)
       407-499, doi:10.1214/009053604000000067; scikit-learn ``LassoLarsCV``.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((80, 6))
    >>> y = X[:, :2] + rng.standard_normal((80, 2))
    >>> (LassoLarsCV(max_iter=3).fit(X, y).coef_ != 0).sum(1).max() <= 3
    np.True_
    """

    def __init__(
        self,
        *,
        max_iter: int = 500,
        cv: object = 5,
        fit_intercept: bool = True,
        keep_scores: bool = False,
        batch_size: int | None = None,
        dtype: str = "float32",
        show_progress: bool = False,
    ) -> None:
        self.max_iter = max_iter
        self.cv = cv
        self.fit_intercept = fit_intercept
        self.keep_scores = keep_scores
        self.batch_size = batch_size
        self.dtype = dtype
        self.show_progress = show_progress

    def _search(
        self, X: ArrayLike, Y: ArrayLike, fold_id: np.ndarray, weight: ArrayLike | None
    ) -> CVFit:
        options = self._options("cv")
        return linear.lasso_lars_cv(X, Y, fold_id, sample_weight=weight, **options)
