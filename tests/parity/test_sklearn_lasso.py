"""Receptive fields of random binary images beside scikit-learn, voxel by voxel."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LassoCV, LassoLarsCV

from jaxneuro import linear
from jaxneuro.core import folds

N, SIDE, N_VOXELS = 1430, 10, 200
SLOW = partial(pytest.param, marks=pytest.mark.slow)


@pytest.fixture(scope="module")
def voxels():
    """Random black and white pixels; each voxel sums a few of them, in noise."""
    rng = np.random.default_rng(2008)
    images = (rng.random((N, SIDE**2)) < 0.5).astype(np.float64)
    center = rng.uniform(0, SIDE - 1, (2, N_VOXELS))
    width = rng.uniform(0.5, 1.2, N_VOXELS)
    place = np.stack(np.divmod(np.arange(SIDE**2), SIDE))[:, :, None]
    far = ((place - center[:, None]) ** 2).sum(0)
    fields = np.exp(-far / (2 * width**2))
    fields[fields < 0.05] = 0
    noise = 2 * rng.standard_normal((N, N_VOXELS))
    bold = images @ fields + noise
    return images, (bold - bold.mean(0)) / bold.std(0), fields


@pytest.mark.parametrize("n_compared", [40, SLOW(N_VOXELS)])
@pytest.mark.usefixtures("x64")
def test_least_angle_search_is_the_same(voxels, n_compared):
    X, Y, _ = voxels
    result = linear.lasso_lars_cv(X, Y, folds.kfold(N, 5), max_iter=10)
    for t in range(n_compared):
        theirs = LassoLarsCV(max_iter=10).fit(X, Y[:, t])
        assert_allclose(result.fit.alpha[t], theirs.alpha_, rtol=1e-9)
        assert_allclose(result.fit.coef[:, t], theirs.coef_, rtol=1e-9, atol=1e-11)
        assert_allclose(result.fit.intercept[t], theirs.intercept_, rtol=1e-8)
        assert result.fit.n_iter[t] == theirs.n_iter_


@pytest.mark.slow
def test_least_angle_search_in_single_precision(voxels):
    X, Y, _ = voxels
    single = linear.lasso_lars_cv(
        *(a.astype(np.float32) for a in (X, Y)), folds.kfold(N, 5), max_iter=10
    )
    theirs = [LassoLarsCV(max_iter=10).fit(X, y) for y in Y.T[:50]]
    alpha = np.array([model.alpha_ for model in theirs])
    assert_allclose(single.fit.alpha[:50], alpha, rtol=2e-5)
    coef = np.array([model.coef_ for model in theirs]).T
    assert_allclose(single.fit.coef[:, :50], coef, atol=3e-6)


@pytest.mark.parametrize("n_targets", [3, SLOW(12)])
@pytest.mark.usefixtures("x64")
def test_search_is_the_same_and_its_objective_no_worse(voxels, n_targets):
    X, Y, _ = voxels
    Y = Y[:, :n_targets]
    result = linear.lasso_cv(X, Y, folds.kfold(N, 5))
    assert np.asarray(result.converged).all()

    def objective(t, coef, intercept, alpha):
        error = Y[:, t] - X @ coef - intercept
        return error @ error / (2 * N) + alpha * np.abs(coef).sum()

    for t in range(n_targets):
        theirs = LassoCV(cv=5, tol=1e-8, max_iter=10000).fit(X, Y[:, t])
        assert_allclose(result.fit.alpha[t], theirs.alpha_, rtol=1e-9)
        assert_allclose(result.fit.coef[:, t], theirs.coef_, atol=1e-6)
        assert_allclose(-result.scores[0, :, t], theirs.mse_path_.mean(1), rtol=1e-5)
        usual = LassoCV(alphas=[theirs.alpha_], cv=5).fit(X, Y[:, t])
        ours = np.asarray(result.fit.coef[:, t]), float(result.fit.intercept[t])
        least = objective(t, usual.coef_, usual.intercept_, usual.alpha_)
        assert objective(t, *ours, usual.alpha_) <= least * (1 + 1e-12)


@pytest.mark.slow
def test_known_fields_are_found_sparse(voxels):
    X, Y, fields = (a.astype(np.float32) for a in voxels)
    result = linear.lasso_lars_cv(X, Y, folds.kfold(N, 5), max_iter=10)
    coef = np.asarray(result.fit.coef)
    assert ((coef != 0).sum(0) <= 10).all()
    strong = fields.max(0) > 0.9
    peak = np.argmax(np.abs(coef), axis=0)
    assert np.mean(fields[peak, np.arange(N_VOXELS)][strong] > 0.5) > 0.95
    full = np.asarray(linear.lasso_cv(X, Y, folds.kfold(N, 5), n_alphas=30).fit.coef)
    alike = [np.corrcoef(a, b)[0, 1] for a, b in zip(full.T, fields.T, strict=True)]
    assert np.median(alike) > 0.8
    assert_array_equal(np.isfinite(full), True)
