import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator

import jaxneuro as jn

LENGTHS = (300, 240, 330)


@pytest.fixture
def trials(rng):
    X = [rng.standard_normal((n, 3)) for n in LENGTHS]
    kernel = rng.standard_normal((3, 2))
    Y = [np.roll(x, 1, axis=0) @ kernel + rng.standard_normal((len(x), 2)) for x in X]
    return X, Y


def explicit(X, lags):
    return np.concatenate(
        [np.asarray(jn.signal.lagged(x, lags)).reshape(len(x), -1) for x in X]
    )


def make(**options):
    return jn.TRF(tmin=0.0, tmax=0.3, sfreq=10, dtype="float64", **options)


PROTOCOL = {
    "check_complex_data",
    "check_dict_unchanged",
    "check_estimator_cloneable",
    "check_estimator_sparse_array",
    "check_estimators_empty_data_messages",
    "check_estimators_nan_inf",
    "check_estimators_pickle",
    "check_estimators_unfitted",
    "check_fit1d",
    "check_get_params_invariance",
    "check_methods_subset_invariance",
    "check_mixin_order",
    "check_n_features_in",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_pipeline_consistency",
    "check_requires_y_none",
    "check_set_params",
    "check_supervised_y_2d",
}


def test_scikit_learn_protocol():
    """The checks that look at the interface, on few shapes."""
    done = set()
    for model, check in estimator_checks_generator(jn.TRF(0, 0, 1.0, dtype="float64")):
        name = getattr(check, "func", check).__name__
        if name in PROTOCOL:
            check(model)
            done.add(name)
    assert done == PROTOCOL


@pytest.mark.slow
def test_scikit_learn_checks():
    check_estimator(jn.TRF(0, 0, 1.0, dtype="float64"))


def test_equals_ridge_on_the_lagged_design(trials, x64):
    X, Y = trials
    model = make(alpha=3.0).fit(X, Y)
    D = explicit(X, model.lags_)
    peer = Ridge(3.0).fit(D, np.concatenate(Y))
    expected = peer.coef_.reshape(2, 4, 3).swapaxes(1, 2)
    assert model.coef_.shape == (2, 3, 4)
    assert_allclose(model.coef_, expected, rtol=1e-9, atol=1e-11)
    assert_allclose(model.intercept_, peer.intercept_, rtol=1e-9, atol=1e-11)
    predicted = model.predict(X)
    assert [len(p) for p in predicted] == list(LENGTHS)
    assert_allclose(np.concatenate(predicted), peer.predict(D), rtol=1e-8, atol=1e-9)
    assert_allclose(model.score(X, Y), peer.score(D, np.concatenate(Y)), rtol=1e-9)


def test_gives_back_what_it_got(trials):
    X, Y = trials
    model = make().fit(X[0], Y[0])
    assert isinstance(model.predict(X[0]), np.ndarray)
    assert isinstance(model.predict(jnp.asarray(X[0])), jax.Array)
    one = make().fit(X[0], Y[0][:, 0])
    assert one.predict(X[0]).shape == (300,)
    assert one.coef_.shape == (1, 3, 4)
    assert_allclose(one.coef_[0], model.coef_[0], rtol=1e-7, atol=1e-10)
    as_jax = make().fit([jnp.asarray(x) for x in X], [jnp.asarray(y) for y in Y])
    assert isinstance(as_jax.predict([jnp.asarray(X[0])])[0], jax.Array)


def test_outputs_of_a_target_share_alpha(trials):
    X, Y = trials
    alphas = np.logspace(-2, 4, 7)
    model = make(alphas=alphas).fit(X, [y[:, None, :] for y in Y])
    assert model.coef_.shape == (1, 2, 3, 4)
    assert model.alpha_.shape == (1,)
    assert model.cv_scores_.shape == (1,)
    assert model.alpha_scores_.shape == (7, 1)
    assert model.predict(X)[1].shape == (240, 1, 2)
    r = model.score_targets(X, [y[:, None, :] for y in Y], metric="correlation")
    flat = np.concatenate([p.ravel() for p in model.predict(X)])
    true = np.concatenate([y.ravel() for y in Y])
    assert_allclose(r, [np.corrcoef(flat, true)[0, 1]], rtol=1e-9)


def test_scores_per_target(trials):
    X, Y = trials
    model = make().fit(X, Y)
    scores = model.score_targets(X, Y, metric=["r2", "correlation"])
    y, p = np.concatenate(Y), np.concatenate(model.predict(X))
    r = [np.corrcoef(y[:, t], p[:, t])[0, 1] for t in range(2)]
    assert_allclose(scores["correlation"], r, rtol=1e-9)
    assert_allclose(model.score(X, Y), scores["r2"].mean(), rtol=1e-12)
    ceiling = np.array([0.9, 0.8])
    share = model.score_targets(X, Y, metric="correlation", ceiling=ceiling)
    assert_allclose(share, r / ceiling, rtol=1e-9)


@pytest.mark.parametrize(
    ("cv", "n_folds"),
    [
        ("trials", 3),
        (3, 3),
        (2, 2),
        (5, 5),
        (KFold(3, shuffle=True, random_state=0), 3),
        (np.array([0, 1, 1]), 2),
    ],
)
def test_schemes(trials, cv, n_folds):
    X, Y = trials
    model = make(alphas=[0.1, 10.0, 1e3], cv=cv).fit(X, Y)
    assert np.isin(model.alpha_, [0.1, 10.0, 1e3]).all()
    assert model.alpha_scores_.shape == (3, 2)
    assert_allclose(model.cv_scores_, model.alpha_scores_.max(0))
    again = make(alphas=[0.1, 10.0, 1e3], cv=clone(cv, safe=False)).fit(X, Y)
    assert_allclose(again.coef_, model.coef_)


def test_single_recording_takes_splitters_and_folds(trials):
    X, Y = trials[0][0], trials[1][0]
    groups = np.arange(300) // 60
    by_array = make(alphas=[0.1, 1e3], cv=groups).fit(X, Y)
    by_int = make(alphas=[0.1, 1e3], cv=5).fit(X, Y)
    by_splitter = make(alphas=[0.1, 1e3], cv=KFold(5)).fit(X, Y)
    assert_allclose(by_array.cv_scores_, by_int.cv_scores_)
    assert_allclose(by_splitter.cv_scores_, by_int.cv_scores_)
    assert make(alphas=[0.1, 1e3], cv="gcv").fit(X, Y).alpha_.shape == (2,)


def test_model_selection(trials):
    X, Y = trials[0][0], trials[1][0]
    search = GridSearchCV(make(), {"alpha": [0.1, 10.0]}, cv=3).fit(X, Y)
    assert search.best_params_["alpha"] in (0.1, 10.0)
    pipe = make_pipeline(StandardScaler(), make())
    assert cross_val_score(
        pipe, X, Y, cv=GroupKFold(3), groups=np.arange(300) // 50
    ).shape == (3,)
    copy = clone(make(alphas=[1.0], penalty="laplacian"))
    assert copy.penalty == "laplacian"


def test_bands_have_penalties_and_windows_of_their_own(trials, x64):
    X, Y = trials
    model = jn.TRF(
        [0.0, 0.1], [0.3, 0.2], 10, bands=[1, 2], alphas=[0.1, 100.0], dtype="float64"
    ).fit(X, Y)
    assert model.coef_.shape == (2, 3, 4)
    assert (model.coef_[:, 1:, [0, 3]] == 0).all()
    assert (model.coef_[:, 0] != 0).all()
    assert model.alpha_.shape == (2, 2)
    assert model.alphas_.shape == (4, 2)
    fixed = make(bands=[1, 2], alpha=[2.0, 30.0]).fit(X, Y)
    D = explicit(X, fixed.lags_)
    scale = np.sqrt(np.tile([2.0, 30.0, 30.0], 4))
    peer = Ridge(1.0).fit(D / scale, np.concatenate(Y)).coef_ / scale
    assert_allclose(
        fixed.coef_, peer.reshape(2, 4, 3).swapaxes(1, 2), rtol=1e-8, atol=1e-10
    )


def test_masked_samples_may_be_missing(trials):
    X, Y = trials
    mask = [np.ones(len(x), bool) for x in X]
    mask[1][50:70] = False
    broken = [y.copy() for y in Y]
    broken[1][50:70] = np.nan
    model = make(alpha=3.0).fit(X, broken, mask=mask)
    rows = np.concatenate(mask)
    D = explicit(X, model.lags_)
    peer = Ridge(3.0).fit(D[rows], np.concatenate(Y)[rows])
    assert_allclose(
        model.coef_, peer.coef_.reshape(2, 4, 3).swapaxes(1, 2), rtol=1e-5, atol=1e-6
    )


def test_float32_is_the_default(trials):
    X, Y = trials
    model = jn.TRF(0.0, 0.3, 10).fit(X, Y)
    assert model.coef_.dtype == np.float32
    assert_allclose(model.coef_, make().fit(X, Y).coef_, atol=1e-5)


def test_warns_of_what_cannot_be_fitted(trials):
    X, Y = trials
    flat = [np.column_stack([y, np.ones(len(y))]) for y in Y]
    with pytest.warns(UserWarning, match=r"y is constant in 1 of 3 columns \(2\)"):
        make().fit(X, flat)
    with pytest.warns(UserWarning, match="no penalty has a defined score for 1 of 3"):
        make(alphas=[1.0]).fit(X, flat)
    still = [np.column_stack([x, np.zeros(len(x))]) for x in X]
    with pytest.warns(UserWarning, match=r"X is constant in 1 of 4 columns \(3\)"):
        make().fit(still, Y)
    twice = [np.column_stack([x, x[:, :1]]) for x in X]
    with pytest.warns(UserWarning, match="the system is singular for 2 of 2"):
        jn.TRF(0.0, 0.3, 10, alpha=0.0, dtype="float32").fit(twice, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make().fit(X, Y)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": []}, "X is an empty list"),
        ({"y": "short"}, "y has 299 time points in trial 0 but X has 300"),
        ({"y": "fewer"}, "y has 2 trials but X has 3"),
        ({"X": "nan"}, "X has 3 NaN or infinite values in trial 1"),
        ({"y": "inf"}, "y has 1 NaN or infinite values in trial 2"),
        ({"X": "text"}, "X in trial 0 has dtype <U1 but must hold real numbers"),
        ({"X": "complex"}, "X in trial 0 has dtype complex128 but must hold real"),
        ({"X": "wide"}, r"X has shape \(240, 4\) in trial 1 but \(300, 3\) in trial 0"),
        ({"X": "few"}, "trial 0 has 3 samples but the window has 4 lags"),
        ({"mask": [np.ones(300)] * 3}, "mask must be boolean"),
        ({"tmin": 0.5}, "tmin is 0.5 s but tmax is 0.3 s"),
        ({"sfreq": -1.0}, "sfreq is -1 but must be positive"),
        ({"alpha": -1.0}, "alpha is -1.0 but must be finite and not negative"),
        ({"alphas": [1.0, -2.0]}, "alphas holds -2 but penalties must be finite"),
        ({"alphas": []}, r"alphas has shape \(0,\) but must be a non-empty list"),
        ({"alphas": [1.0], "cv": "folds"}, "cv is 'folds' but must be one of 'trials'"),
        ({"alphas": [1.0], "cv": [0, 1]}, "cv has shape .* each of the 3 trials"),
        ({"alphas": [1.0], "cv": 1}, "n_folds is 1 but must be between 2"),
        ({"alphas": [1.0], "metric": "auc"}, "metric is 'auc'"),
        ({"dtype": "float16"}, "dtype is 'float16' but must be one of 'float32'"),
        ({"convention": "eelbrain"}, "convention is 'eelbrain'"),
        ({"bands": [1, 1], "alphas": [1.0]}, r"bands holds \[1, 1\], 2 features"),
        ({"tmin": [0.0, 0.0]}, "tmin has 2 and tmax 1 windows but bands has 0 bands"),
        ({"penalty": "lasso"}, "penalty is 'lasso'"),
        ({"pad": "wrap"}, "pad is 'wrap'"),
    ],
)
def test_bad_input(trials, change, message):
    X, Y = trials
    cases = {
        "short": [Y[0][:-1], *Y[1:]],
        "fewer": Y[:2],
        "nan": [X[0], np.where(np.arange(240)[:, None] * [1, 9, 9] == 9, np.nan, X[1])],
        "inf": [*Y[:2], np.where(np.arange(330)[:, None] * [1, 0] == 7, np.inf, Y[2])],
        "text": [np.full(x.shape, "a") for x in X],
        "complex": [x + 0j for x in X],
        "wide": [X[0], np.ones((240, 4)), X[2]],
        "few": [X[0][:3], *X[1:]],
    }
    cases["nan"].append(X[2])
    x, y = change.pop("X", X), change.pop("y", Y)
    x = cases[x] if isinstance(x, str) else x
    y = cases[y] if isinstance(y, str) else y
    if len(x) and len(x[0]) == 3:
        y = [Y[0][:3], *Y[1:]]
    mask = change.pop("mask", None)
    options = {"tmin": 0.0, "tmax": 0.3, "sfreq": 10, **change}
    with pytest.raises((ValueError, TypeError), match=message):
        jn.TRF(**options).fit(x, y, mask=mask)


def test_one_trial_cannot_be_left_out(trials):
    with pytest.raises(ValueError, match="cv is 'trials' but there is one trial only"):
        make(alphas=[1.0]).fit(trials[0][0], trials[1][0])


def test_penalties_per_band_have_no_convention(trials):
    model = make(alphas=[1.0], bands=[1, 2], convention="mtrf")
    with pytest.raises(ValueError, match="convention is 'mtrf' but penalties per band"):
        model.fit(*trials)


def test_prediction_refuses_other_features(trials):
    model = make().fit(*trials)
    with pytest.raises(ValueError, match="X has 2 features"):
        model.predict([np.ones((50, 2))])
    with pytest.raises(ValueError, match="2 features"):
        model.predict(np.ones((50, 2)))
