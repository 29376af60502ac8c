import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.linear_model import Ridge as Peer
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import jaxneuro as jn

ALPHAS = [0.1, 10.0, 1000.0]


@pytest.fixture
def data(rng):
    X = rng.standard_normal((80, 5)) + 2
    return X, X[:, :3] + rng.standard_normal((80, 3))


def make(**options):
    return jn.RidgeCV(ALPHAS, dtype="float64", **options)


@pytest.mark.slow
@pytest.mark.parametrize("model", [jn.Ridge, jn.RidgeCV, jn.BandedRidgeCV])
def test_scikit_learn_checks(model):
    options = {"n_iter": 3} if model is jn.BandedRidgeCV else {}
    check_estimator(model(dtype="float64", **options))


def test_equals_scikit_learn(data):
    X, Y = data
    model, peer = jn.Ridge(3.0, dtype="float64").fit(X, Y), Peer(3.0).fit(X, Y)
    assert_allclose(model.coef_, peer.coef_, rtol=1e-9)
    assert_allclose(model.intercept_, peer.intercept_, rtol=1e-9)
    assert_allclose(model.predict(X), peer.predict(X), rtol=1e-9)
    assert_allclose(model.score(X, Y), peer.score(X, Y), rtol=1e-9)
    weight = np.linspace(0.1, 2, 80)
    model, peer = model.fit(X, Y, weight), peer.fit(X, Y, weight)
    assert_allclose(model.coef_, peer.coef_, rtol=1e-9)
    assert_allclose(model.score(X, Y, weight), peer.score(X, Y, weight), rtol=1e-9)


@pytest.mark.parametrize("cv", [4, "loo", "gcv", KFold(4), np.arange(80) // 20])
def test_schemes(data, cv):
    X, Y = data
    model = make(cv=cv).fit(X, Y)
    assert model.alpha_scores_.shape == (3, 3)
    assert_allclose(model.cv_scores_, model.alpha_scores_.max(0))
    assert_allclose(model.alpha_, np.array(ALPHAS)[model.alpha_scores_.argmax(0)])
    if not isinstance(cv, str):
        first = make(cv=4).fit(X, Y)
        assert_allclose(model.alpha_scores_, first.alpha_scores_)


def test_gives_back_what_it_got(data):
    X, Y = data
    model = make().fit(X, Y)
    assert isinstance(model.predict(X), np.ndarray)
    assert isinstance(model.predict(jnp.asarray(X)), jax.Array)
    one = make().fit(X, Y[:, 0])
    assert one.predict(X).shape == (80,)
    assert one.coef_.shape == (1, 5)
    scores = model.score_targets(X, Y, metric=["r2", "correlation"])
    p = model.predict(X)
    r = [np.corrcoef(Y[:, t], p[:, t])[0, 1] for t in range(3)]
    assert_allclose(scores["correlation"], r, rtol=1e-9)
    assert jn.Ridge().fit(X, Y).coef_.dtype == np.float32


def test_model_selection(data):
    X, Y = data
    search = GridSearchCV(jn.Ridge(dtype="float64"), {"alpha": ALPHAS}, cv=3).fit(X, Y)
    assert search.best_params_["alpha"] in ALPHAS
    pipe = make_pipeline(StandardScaler(), jn.Ridge(dtype="float64"))
    assert cross_val_score(pipe, X, Y, cv=3).shape == (3,)
    assert clone(make(metric="correlation")).metric == "correlation"


def test_bands(data):
    X, Y = data
    bands = [0, 0, 0, 1, 1]
    model = jn.BandedRidgeCV(bands, alphas=ALPHAS, n_iter=6, dtype="float64").fit(X, Y)
    assert model.alpha_.shape == (3, 2)
    assert model.alphas_.shape == (6, 2)
    assert_allclose(model.cv_scores_, model.alpha_scores_.max(0))
    again = jn.BandedRidgeCV(bands, alphas=ALPHAS, n_iter=6, dtype="float64")
    assert_allclose(again.fit(X, Y).coef_, model.coef_)


def test_memory_maps_stream(data, tmp_path):
    X, Y = data
    np.save(tmp_path / "y.npy", Y)
    mapped = np.load(tmp_path / "y.npy", mmap_mode="r")
    whole, parts = make().fit(X, Y), make(batch_size=2).fit(X, mapped)
    assert_allclose(parts.coef_, whole.coef_, rtol=1e-9)


def test_warns_of_what_cannot_be_fitted(data):
    X, Y = data
    Y = np.column_stack([Y, np.ones(80)])
    Y[3, 1] = np.nan
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = make().fit(np.column_stack([X, np.ones(80)]), Y)
    said = " ".join(str(item.message) for item in caught)
    assert "y is NaN or infinite in 1 of 4 columns (1)" in said
    assert "X is constant in 1 of 6 columns (5)" in said
    assert "no penalty has a defined score for 1 of 4 columns (3)" in said
    assert np.isnan(model.coef_[1]).all()
    assert np.isfinite(model.coef_[[0, 2, 3]]).all()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (jn.Ridge(-1.0), "alpha is -1.0 but must be finite and not negative"),
        (jn.Ridge(dtype="half"), "dtype is 'half' but must be one of 'float32'"),
        (jn.RidgeCV([]), r"alphas has shape \(0,\) but must be a non-empty list"),
        (jn.RidgeCV(cv="kfold"), "fold_id is 'kfold' but must be one of 'gcv'"),
        (jn.RidgeCV(cv=1), "n_folds is 1 but must be between 2"),
        (jn.BandedRidgeCV([0, 1]), r"bands has shape \(2,\) but must be \(5,\)"),
    ],
)
def test_bad_options(data, model, message):
    with pytest.raises(ValueError, match=message):
        model.fit(*data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.ones(3)}, "y has 3 samples but X has 80"),
        ({"y": None}, "requires y to be passed"),
        ({"y": np.full((80, 2), np.nan)}, "y has 160 NaN or infinite values"),
        ({"X": np.full((80, 5), np.nan)}, "NaN"),
        ({"sample_weight": np.zeros(80)}, "sample_weight is zero for all samples"),
        ({"sample_weight": -np.ones(80)}, "sample_weight has 80 negative, NaN or"),
    ],
)
def test_bad_data(data, change, message):
    X, Y = data
    with pytest.raises(ValueError, match=message):
        jn.Ridge().fit(**({"X": X, "y": Y} | change))
