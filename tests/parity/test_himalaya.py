"""The choices and scores of himalaya."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold

from jaxneuro import linear
from jaxneuro.core import folds

himalaya = pytest.importorskip("himalaya.ridge")


def voxels(n, p, t, dtype):
    rng = np.random.default_rng(5)
    X = rng.standard_normal((n, p)) * np.arange(1, p + 1) ** -0.5
    W = rng.standard_normal((p, t)) * rng.random(t)
    Y = X @ W + rng.standard_normal((n, t))
    return X.astype(dtype), Y.astype(dtype)


def test_ten_folds_of_the_tutorial_equal_scikit_learn(dtype):
    X, Y = voxels(300, 100, 40, dtype)
    X = (X > 0).astype(dtype)  # pixels
    result = linear.ridge_cv(X, Y, [100.0], folds.kfold(300, 10), keep_scores=True)
    X, Y = X.astype(float), Y.astype(float)
    for fold, (train, test) in enumerate(KFold(10).split(X)):
        p = Ridge(alpha=100.0).fit(X[train], Y[train]).predict(X[test])
        expected = r2_score(Y[test], p, multioutput="raw_values")
        atol = 1e-9 if dtype == np.float64 else 1e-6
        assert_allclose(result.scores[fold, 0], expected, rtol=0, atol=atol)


def test_picks_the_same_penalty_for_500_voxels(dtype):
    X, Y = voxels(240, 60, 500, dtype)
    alphas = np.logspace(-1, 4, 10).astype(dtype)
    peer = himalaya.RidgeCV(alphas=alphas, cv=KFold(5), fit_intercept=True)
    peer.fit(X, Y)
    # Its score is the negative squared error.
    result = linear.ridge_cv(X, Y, alphas, folds.kfold(240, 5), metric="mse")
    assert_allclose(result.fit.alpha, peer.best_alphas_, rtol=1e-6)
    assert_allclose(result.fit.coef, peer.coef_, rtol=0, atol=2e-5)
    assert_allclose(result.fit.intercept, peer.intercept_, rtol=0, atol=2e-5)


def test_same_weights_of_bands_score_the_same(dtype):
    from himalaya.scoring import r2_score as score

    X, Y = voxels(150, 40, 30, dtype)
    bands = np.repeat([0, 1], [15, 25])
    alphas = np.logspace(-1, 4, 6).astype(dtype)
    gammas = np.array([[0.5, 0.5], [0.8, 0.2], [0.3, 0.7]], dtype)
    deltas, coef, scores, _ = himalaya.solve_group_ridge_random_search(
        [X[:, bands == 0], X[:, bands == 1]],
        Y,
        n_iter=gammas,
        alphas=alphas,
        fit_intercept=True,
        score_func=score,
        cv=KFold(5),
        return_weights=True,
        progress_bar=False,
    )
    result = linear.banded_ridge_cv(
        X, Y, bands, alphas, folds.kfold(150, 5), gammas=gammas
    )
    atol = 1e-9 if dtype == np.float64 else 1e-5
    assert_allclose(result.scores[0], scores, rtol=0, atol=atol)
    assert_allclose(result.fit.alpha, np.exp(-deltas), rtol=1e-4)
    assert_allclose(result.fit.coef, coef, rtol=0, atol=10 * atol)
