"""Ridge models of many targets as scikit-learn estimators."""

from collections.abc import Sequence

import jax
import numpy as np
from jax.typing import ArrayLike

from .. import linear
from ._folds import folds_of
from ._linear_model import LinearModel

__all__ = ["BandedRidgeCV", "Ridge", "RidgeCV"]


class Ridge(LinearModel):
    """Ridge regression of every target at given penalties.

    Parameters
    ----------
    alpha : float or array (n_targets,)
        Penalty of ``|y - Xb - c|^2 + alpha |b|^2``.
    fit_intercept : bool
        Whether to fit a constant per target.
    method : {"auto", "primal", "dual", "svd"}
        As in :func:`jaxneuro.linear.ridge`.
    scale : bool
        Whether columns of ``X`` are divided by their standard deviation before the
        penalty applies; coefficients stay in the units of the data.
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
    fit_ : linear.LinearFit
        The record that the kernels take.
    n_features_in_ : int
        Number of features.

    References
    ----------
    .. [1] Hoerl & Kennard, Technometrics 12 (1970) 55-67,
       doi:10.1080/00401706.1970.10488634; scikit-learn ``Ridge``.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((50, 3))
    >>> Ridge(alpha=2.0).fit(X, X[:, :2]).coef_.shape
    (2, 3)
    """

    def __init__(
        self,
        alpha: ArrayLike = 1.0,
        *,
        fit_intercept: bool = True,
        method: str = "auto",
        scale: bool = False,
        batch_size: int | None = None,
        dtype: str = "float32",
        show_progress: bool = False,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.method = method
        self.scale = scale
        self.batch_size = batch_size
        self.dtype = dtype
        self.show_progress = show_progress

    def _fit(
        self, X: np.ndarray, Y: np.ndarray, weight: ArrayLike | None
    ) -> linear.LinearFit:
        return linear.ridge(X, Y, sample_weight=weight, **self._options())


class RidgeCV(LinearModel):
    """Ridge regression, each target's penalty chosen by cross-validation.

    Parameters
    ----------
    alphas : array (n_alphas,)
        Grid of penalties of ``|y - Xb - c|^2 + alpha |b|^2``, in any order.
    cv : int, "loo", "gcv", int array (n_samples,), splitter or list of pairs
        A number of consecutive folds, leave-one-out or generalised cross-validation
        in closed form, the fold of each sample, a scikit-learn splitter that
        partitions, or its pairs of training and test samples.
    metric : {"r2", "correlation", "mse"}
        Held-out score by which `alphas` are compared.
    alpha_groups : int array (n_targets,), optional
        Targets with the same number share their penalty.
    fit_intercept, method, scale, batch_size, dtype, show_progress
        As in :class:`Ridge`; `method` is not "svd".

    Attributes
    ----------
    coef_, intercept_, alpha_, fit_, n_features_in_
        As in :class:`Ridge`.
    alphas_ : array (n_alphas,)
        Grid.
    alpha_scores_ : array (n_alphas, n_targets)
        Mean held-out score of each penalty.
    cv_scores_ : array (n_targets,)
        Mean held-out score at the best penalty.

    References
    ----------
    .. [1] Dupre la Tour et al., NeuroImage 264 (2022) 119728,
       doi:10.1016/j.neuroimage.2022.119728; himalaya ``RidgeCV``.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((50, 3))
    >>> RidgeCV(alphas=[0.1, 10.0], cv=5).fit(X, X[:, :2]).alpha_.shape
    (2,)
    """

    def __init__(
        self,
        alphas: ArrayLike | Sequence[float] = (0.1, 1.0, 10.0),
        *,
        cv: object = 5,
        metric: str = "r2",
        alpha_groups: ArrayLike | None = None,
        fit_intercept: bool = True,
        method: str = "auto",
        scale: bool = False,
        batch_size: int | None = None,
        dtype: str = "float32",
        show_progress: bool = False,
    ) -> None:
        self.alphas = alphas
        self.cv = cv
        self.metric = metric
        self.alpha_groups = alpha_groups
        self.fit_intercept = fit_intercept
        self.method = method
        self.scale = scale
        self.batch_size = batch_size
        self.dtype = dtype
        self.show_progress = show_progress

    def _fit(
        self, X: np.ndarray, Y: np.ndarray, weight: ArrayLike | None
    ) -> linear.LinearFit:
        options = self._options()
        alphas, cv = options.pop("alphas"), options.pop("cv")
        fold_id = cv if isinstance(cv, str) else folds_of(cv, len(X))
        return self._keep_scores(
            linear.ridge_cv(X, Y, alphas, fold_id, sample_weight=weight, **options)
        )


class BandedRidgeCV(LinearModel):
    """Ridge regression with one penalty per band of features and target.

    Parameters
    ----------
    bands : int array (n_features,) or sequence of int, optional
        Band of each feature, from 0. Default: one band.
    alphas : array (n_alphas,)
        Grid of positive penalties, shared by the bands before they are weighed.
    cv : int, int array (n_samples,), splitter or list of pairs
        As in :class:`RidgeCV`.
    n_iter : int
        Number of weightings to try.
    gammas : array (n_iter, n_bands), optional
        Weightings to try instead of random ones.
    search : {"random", "gcv"}
        As in :func:`jaxneuro.linear.banded_ridge_cv`.
    shared : bool
        Whether all targets share one weighting.
    metric : {"r2", "correlation", "mse"}
        Held-out score.
    fit_intercept, batch_size, dtype, show_progress
        As in :class:`Ridge`.
    random_state : int
        Seed of the search.

    Attributes
    ----------
    coef_, intercept_, fit_, n_features_in_
        As in :class:`Ridge`.
    alpha_ : array (n_targets, n_bands)
        Penalty of each band, infinite for a band that is left out.
    alphas_ : array (n_compared, n_bands)
        Weightings that were compared.
    alpha_scores_ : array (n_compared, n_targets)
        Mean held-out score of each weighting.
    cv_scores_ : array (n_targets,)
        Mean held-out score at the best.

    References
    ----------
    .. [1] Dupre la Tour et al., NeuroImage 264 (2022) 119728,
       doi:10.1016/j.neuroimage.2022.119728; himalaya ``GroupRidgeCV``.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((50, 4))
    >>> model = BandedRidgeCV([0, 0, 1, 1], n_iter=4).fit(X, X[:, :2])
    >>> model.alpha_.shape
    (2, 2)
    """

    def __init__(
        self,
        bands: ArrayLike | None = None,
        *,
        alphas: ArrayLike | Sequence[float] = (0.1, 1.0, 10.0),
        cv: object = 5,
        n_iter: int = 100,
        gammas: ArrayLike | None = None,
        search: str = "random",
        shared: bool = False,
        metric: str = "r2",
        fit_intercept: bool = True,
        batch_size: int | None = None,
        random_state: int = 0,
        dtype: str = "float32",
        show_progress: bool = False,
    ) -> None:
        self.bands = bands
        self.alphas = alphas
        self.cv = cv
        self.n_iter = n_iter
        self.gammas = gammas
        self.search = search
        self.shared = shared
        self.metric = metric
        self.fit_intercept = fit_intercept
        self.batch_size = batch_size
        self.random_state = random_state
        self.dtype = dtype
        self.show_progress = show_progress

    def _fit(
        self, X: np.ndarray, Y: np.ndarray, weight: ArrayLike | None
    ) -> linear.LinearFit:
        options = self._options()
        bands, alphas = options.pop("bands"), options.pop("alphas")
        key = jax.random.key(options.pop("random_state"))
        if bands is None:
            # A single band has one weighting only.
            bands, options["n_iter"] = np.zeros(X.shape[1], int), 1
        fold_id = folds_of(options.pop("cv"), len(X))
        return self._keep_scores(
            linear.banded_ridge_cv(
                X, Y, bands, alphas, fold_id, key=key, sample_weight=weight, **options
            )
        )
