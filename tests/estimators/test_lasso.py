import pickle
import warnings

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import linear_model
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from jaxneuro import linear
from jaxneuro.estimators import LassoCV, LassoLarsCV

BOTH = pytest.mark.parametrize("model", [LassoCV(n_alphas=8), LassoLarsCV(max_iter=4)])


@pytest.fixture
def data(rng):
    X = rng.standard_normal((50, 6)) + 1
    Y = X[:, :2] @ rng.standard_normal((2, 3)) + 0.5 * rng.standard_normal((50, 3))
    return X, Y


@pytest.mark.slow
@BOTH
def test_scikit_learn_checks(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_estimator(clone(model).set_params(dtype="float64", cv=3))


def test_equals_scikit_learn(data):
    X, Y = data
    ours = LassoCV(dtype="float64", tol=1e-7).fit(X, Y)
    lars = LassoLarsCV(max_iter=3, dtype="float64").fit(X, Y)
    for t in range(3):
        theirs = linear_model.LassoCV(cv=5, tol=1e-10, max_iter=10000).fit(X, Y[:, t])
        assert_allclose(ours.alpha_[t], theirs.alpha_, rtol=1e-10)
        assert_allclose(ours.coef_[t], theirs.coef_, rtol=1e-6, atol=1e-7)
        theirs = linear_model.LassoLarsCV(max_iter=3).fit(X, Y[:, t])
        assert_allclose(lars.alpha_[t], theirs.alpha_, rtol=1e-9)
        assert_allclose(lars.coef_[t], theirs.coef_, rtol=1e-9, atol=1e-10)
        assert_allclose(lars.intercept_[t], theirs.intercept_, rtol=1e-9)
        assert lars.n_iter_[t] == theirs.n_iter_


@BOTH
def test_stores_what_the_kernel_found(data, model):
    X, Y = data
    fitted = clone(model).set_params(keep_scores=True, cv=np.arange(50) % 5).fit(X, Y)
    assert fitted.coef_.shape == (3, 6)
    assert fitted.mse_path_.shape[::2] == (5, 3)
    best = np.nanmin(fitted.mse_path_.mean(0), axis=0)
    assert_allclose(fitted.cv_scores_, -best, rtol=1e-5)
    assert fitted.converged_.all()
    again = clone(fitted).fit(X, Y)
    assert_array_equal(again.coef_, fitted.coef_)
    assert pickle.loads(pickle.dumps(fitted)).predict(X).shape == (50, 3)
    expected = linear.predict(fitted.fit_, X.astype(np.float32))
    assert_allclose(fitted.predict(X), expected, rtol=1e-6)
    r2 = fitted.score_targets(X, Y)
    assert_allclose(r2.mean(), fitted.score(X, Y), rtol=1e-5)
    both = fitted.score_targets(X, Y, metric=["r2", "correlation"])
    assert_allclose(both["r2"], r2)


@BOTH
def test_schemes_arrays_and_pipelines(data, model):
    X, Y = data
    same = [clone(model).set_params(cv=5), clone(model).set_params(cv=KFold(5))]
    same.append(clone(model).set_params(cv=list(KFold(5).split(X))))
    coefs = [m.fit(X, Y).coef_ for m in same]
    assert_array_equal(coefs[0], coefs[1])
    assert_array_equal(coefs[0], coefs[2])
    single = clone(model).fit(X, Y[:, 0])
    assert single.predict(X).shape == (50,)
    assert isinstance(single.predict(jnp.asarray(X, jnp.float32)), jnp.ndarray)
    pipe = make_pipeline(StandardScaler(), clone(model)).fit(X, Y)
    assert pipe.score(X, Y) > 0.5


@pytest.mark.slow
def test_grid_search(data):
    X, Y = data
    grid = GridSearchCV(LassoCV(n_alphas=5, cv=3), {"positive": [False, True]}, cv=2)
    assert grid.fit(X, Y).best_score_ > 0.3


def test_warns_with_counts(data):
    X, Y = data
    holes = Y.copy()
    holes[2, 1] = np.nan
    with pytest.warns(
        UserWarning, match=r"y is NaN or infinite in 1 of 3 columns \(1\)"
    ):
        model = LassoCV(n_alphas=8).fit(X, holes)
    assert_array_equal(np.isnan(model.coef_).any(1), [False, True, False])
    assert_array_equal(np.isnan(model.cv_scores_), [False, True, False])
    with pytest.warns(ConvergenceWarning, match="3 of 3 targets did not converge"):
        LassoCV(n_alphas=8, max_iter=1).fit(X, Y)
    flat = X.copy()
    flat[:, 4] = 2
    with pytest.warns(UserWarning, match=r"X is constant in 1 of 6 columns \(4\)"):
        LassoLarsCV(max_iter=4).fit(flat, Y)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": None}, "requires y to be passed"),
        ({"y": np.ones((50, 2, 2))}, "y has shape"),
        ({"y": np.ones(3)}, "y has 3 samples but X has 50"),
        ({"y": np.full((50, 2), np.nan)}, "y has 100 NaN or infinite values"),
        ({"cv": 1}, "cross-validation over groups needs at least 2|n_folds is 1"),
        ({"cv": np.arange(4)}, r"cv has shape \(4,\)"),
        ({"dtype": "float16"}, "dtype is 'float16' but must be one of"),
        ({"alphas": [1.0, -2.0]}, "alphas holds -2"),
        ({"l1_ratio": 0}, "l1_ratio is 0 but must be above 0"),
    ],
)
def test_refuses_bad_input(data, change, message):
    X, Y = data
    y = change.pop("y", Y)
    with pytest.raises(ValueError, match=message):
        LassoCV(**change).fit(X, y)
