"""mTRFpy, MNE and MATLAB's mTRF-Toolbox: stored and live numbers."""

from importlib.metadata import version

import numpy as np
import pytest
import scipy.io
from numpy.testing import assert_allclose

import jaxneuro as jn
from jaxneuro import signal, trf

mtrf = pytest.importorskip("mtrf")

LAMBDAS = np.logspace(-3, 3, 7)
# mTRFpy shuffles trials by random.seed(0); random.shuffle(arange(6)) and cuts three
# folds: (2, 4), (0, 1), (3, 5). Seed 5 gives the same three in another order. Without
# a seed it shuffles anew for every penalty, which no partition reproduces.
FOLD_OF_TRIAL = np.array([1, 1, 0, 2, 0, 2])
RATE = 100


def relative(got, expected):
    got, expected = np.asarray(got), np.asarray(expected)
    return np.abs(got - expected).max() / np.abs(expected).max()


def simulated(rng, lengths=(310, 260, 340, 290), n_features=3, n_targets=4):
    """Ragged trials in float64 with a known relation at lags 0 to 2 and noise."""
    weights = rng.standard_normal((3, n_features, n_targets))
    X = [rng.standard_normal((n, n_features)) + 0.5 for n in lengths]
    Y = []
    for x in X:
        padded = np.pad(x, ((2, 0), (0, 0)))
        clean = sum(padded[2 - k : len(padded) - k] @ weights[k] for k in range(3))
        Y.append(clean + 2 * rng.standard_normal(clean.shape) + 1.0)
    return X, Y


@pytest.fixture
def golden(shared):
    return np.load(shared / "golden/trf/peers_tutorial.npz")


@pytest.fixture
def mini(shared):
    """Six trials of the tutorial, stored in float32."""
    data = np.load(shared / "golden/trf/mini_tutorial.npz")
    return data["spec"].astype(float), data["resp"].astype(float)


@pytest.fixture
def training(shared):
    """Trials 1 to 9 of the tutorial."""
    data = np.load(shared / "golden/trf/tutorial_inputs.npz")
    trial_id = np.repeat(np.arange(10), data["trial_length"])
    keep = trial_id > 0
    return data["spec_32"][keep].astype(float), data["resp"][keep], trial_id[keep]


# Cross-validation of the penalty ------------------------------------------------------


@pytest.mark.slow
def test_cross_validated_penalties_of_the_tutorial(x64, mini, golden):
    spec, resp = mini
    trial_id = np.repeat(np.arange(6), spec.shape[1])
    result = trf.fit_cv(
        spec.reshape(-1, 32),
        resp.reshape(-1, 10),
        jn.Lags(0.0, 0.2, RATE),
        golden["mtrf_cv_lams"],
        FOLD_OF_TRIAL[trial_id],
        trial_id=trial_id,
        metric="correlation",
        score_by="trial",
        penalty_scale="mtrf",
    )
    # The stored metric was made from these signals before they were rounded to
    # float32: that leaves 7e-10.
    scores = np.asarray(result.scores).mean(0)
    assert_allclose(scores, golden["mtrf_cv_metric"], atol=1e-9)
    assert_allclose(result.fit.alpha, golden["mtrf_cv_best"])
    # Stored in float32.
    weights = np.swapaxes(result.fit.coef, 0, 1) * RATE
    assert relative(weights, golden["mtrf_cv_weights"]) < 1e-6


def test_cross_validated_penalties_through_the_estimator(mini, golden):
    spec, resp = mini
    model = jn.TRF(
        0.0,
        0.2,
        RATE,
        alphas=golden["mtrf_cv_lams"],
        cv=FOLD_OF_TRIAL,
        metric="correlation",
        convention="mtrf",
        dtype="float64",
    ).fit(list(spec), list(resp))
    assert_allclose(model.alpha_scores_, golden["mtrf_cv_metric"], atol=1e-9)
    assert_allclose(model.alpha_, golden["mtrf_cv_best"])
    weights = np.moveaxis(model.coef_, 0, 2) * RATE
    assert relative(weights, golden["mtrf_cv_weights"]) < 1e-6


@pytest.mark.parametrize(
    ("n_folds", "seed", "folds"),
    [
        # random.seed(0); random.shuffle of 0 to 3 gives 2, 0, 1, 3.
        (2, 0, [0, 1, 0, 1]),
        (-1, None, [0, 1, 2, 3]),
    ],
)
def test_cross_validation_live(rng, n_folds, seed, folds):
    X, Y = simulated(rng)
    peer = mtrf.TRF()
    metric = peer.train(
        X,
        Y,
        RATE,
        0.0,
        0.06,
        LAMBDAS,
        k=n_folds,
        seed=seed,
        reg_per_y_channel=True,
        verbose=False,
    )
    model = jn.TRF(
        0.0,
        0.06,
        RATE,
        alphas=LAMBDAS,
        cv=np.array(folds),
        metric="correlation",
        convention="mtrf",
        dtype="float64",
    ).fit(X, Y)
    assert_allclose(model.alpha_scores_, metric, atol=1e-10)
    assert_allclose(model.alpha_, peer.regularization)
    assert_allclose(model.coef_, np.moveaxis(peer.weights, 2, 0) / RATE, atol=1e-10)


# One penalty --------------------------------------------------------------------------


@pytest.mark.parametrize("direction", [1, -1])
def test_fit_and_prediction_live(rng, direction):
    X, Y = simulated(rng)
    peer = mtrf.TRF(direction=direction)
    peer.train(X, Y, RATE, -0.02, 0.05, 0.3)
    guess, r = peer.predict(X, Y, average=False)
    window = (-0.02, 0.05) if direction == 1 else (-0.05, 0.02)
    model = jn.TRF(*window, RATE, alpha=0.3, convention="mtrf", dtype="float64")
    source, target = (X, Y) if direction == 1 else (Y, X)
    model.fit(source, target)
    assert_allclose(model.lags_.times, peer.times, atol=1e-12)
    assert_allclose(model.coef_, np.moveaxis(peer.weights, 2, 0) / RATE, atol=1e-11)
    assert_allclose(model.intercept_, peer.bias[0] / RATE, atol=1e-11)
    predicted = model.predict(source)
    for ours, theirs in zip(predicted, guess, strict=True):
        assert_allclose(ours, theirs, atol=1e-10)
    each = [
        np.asarray(jn.core.score.correlation(t, np.asarray(p)))
        for t, p in zip(target, predicted, strict=True)
    ]
    # Scored in the float of this run.
    assert_allclose(np.mean(each, axis=0), r, atol=2e-6)


@pytest.mark.parametrize(
    ("tmax", "n_lags", "n_rounded"),
    [
        (0.07, 9, 8),
        (0.14, 16, 15),
        (0.28, 30, 29),
        (0.29, 30, 30),
        (0.3, 31, 31),
        (0.55, 57, 56),
        (0.57, 58, 58),
        (0.58, 59, 59),
    ],
)
def test_windows_are_rounded_outwards_on_the_float_product(
    rng, tmax, n_lags, n_rounded
):
    X, Y = simulated(rng, lengths=(120, 130), n_features=1, n_targets=1)
    peer = mtrf.TRF()
    peer.train(X, Y, RATE, 0.0, tmax, 1.0)
    assert peer.times.size == n_lags
    model = jn.TRF(0.0, tmax, RATE, convention="mtrf").fit(X, Y)
    assert model.lags_.n_lags == n_lags
    assert jn.Lags(0.0, tmax, RATE).n_lags == n_rounded


def leaky_tikhonov(size):
    """The peer's matrix: differences along columns whatever they stand for.

    Columns run through the features of one lag before the next lag begins, so with
    several features it smooths over neighbouring features, and from the last feature
    of a lag to the first of the next.
    """
    matrix = np.eye(size) - 0.5 * (np.eye(size, k=1) + np.eye(size, k=-1))
    matrix[0, 0] = matrix[-1, -1] = 0.5
    return matrix


@pytest.mark.parametrize(
    # The peer's penalties 1 and 1 / 900, times 100 Hz and nine trials.
    ("name", "alpha", "tolerance"),
    [("mtrf_tik_env_coef", 900.0, 1e-9), ("mtrf_tikhonov_coef", 1.0, 1e-6)],
)
def test_tikhonov_of_the_tutorial(x64, training, golden, name, alpha, tolerance):
    spec, resp, trial_id = training
    X = spec.mean(1, keepdims=True) if "env" in name else spec
    lags = jn.Lags(0.0, 0.3, RATE)
    matrix = leaky_tikhonov(lags.n_lags * X.shape[1])
    fit = trf.fit(X, resp, lags, alpha, trial_id=trial_id, penalty=matrix)
    weights = np.swapaxes(fit.coef, 0, 1) * RATE
    assert relative(weights, golden[name]) < tolerance


def test_tikhonov_of_one_feature_is_half_the_laplacian(rng):
    X, Y = simulated(rng, n_features=1)
    peer = mtrf.TRF(method="tikhonov")
    peer.train(X, Y, RATE, 0.0, 0.08, 2.0)
    model = jn.TRF(
        0.0,
        0.08,
        RATE,
        alpha=2.0 / 2,
        penalty="laplacian",
        convention="mtrf",
        dtype="float64",
    ).fit(X, Y)
    assert_allclose(model.coef_, np.moveaxis(peer.weights, 2, 0) / RATE, atol=1e-11)


# MNE ----------------------------------------------------------------------------------


@pytest.fixture
def receptive_field():
    return pytest.importorskip("mne.decoding")


def epochs(trials):
    """List of (n_times, n_features) to MNE's (n_times, n_epochs, n_features)."""
    return np.stack(trials, axis=1)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("ridge", "ridge"),
        (("laplacian", "ridge"), "laplacian"),
        (("ridge", "laplacian"), ("ridge", "laplacian")),
        (("laplacian", "laplacian"), ("laplacian", "laplacian")),
    ],
)
@pytest.mark.parametrize("window", [(0.0, 0.05), (-0.03, 0.04)])
def test_mne_live(receptive_field, rng, theirs, ours, window):
    X, Y = simulated(rng, lengths=(280,) * 3)
    ridge = receptive_field.TimeDelayingRidge(*window, RATE, 5.0, reg_type=theirs)
    peer = receptive_field.ReceptiveField(*window, RATE, estimator=ridge)
    peer.fit(epochs(X), epochs(Y))
    model = jn.TRF(
        *window, RATE, alpha=5.0, penalty=ours, convention="mne", dtype="float64"
    ).fit(X, Y)
    assert_allclose(model.coef_, peer.coef_, atol=1e-10)
    assert_allclose(model.intercept_, peer.estimator_.intercept_, atol=1e-10)
    predicted = epochs([np.asarray(p) for p in model.predict(X)])
    assert_allclose(predicted, peer.predict(epochs(X)), atol=1e-10)


def test_mne_patterns_of_several_outputs_are_scrambled(receptive_field, x64, rng):
    """Two sources mixed into five channels: patterns must give the mixing back."""
    n_times, lags = 20000, jn.Lags(-0.01, 0.0, RATE)
    sources = rng.standard_normal((n_times, 2))
    mixing = rng.standard_normal((5, 2))
    X = sources @ mixing.T + 0.5 * rng.standard_normal((n_times, 5))
    fit = trf.fit(X, sources, lags, 1.0)
    # Lag 0 is the last.
    ours = np.asarray(trf.patterns(fit, X))[-1]
    assert relative(ours, mixing) < 0.1
    peer = receptive_field.ReceptiveField(
        -0.01, 0.0, RATE, estimator=1.0, patterns=True
    ).fit(X, sources)
    theirs = peer.patterns_[:, :, -1].T
    same = [np.corrcoef(a, b)[0, 1] for a, b in zip(ours.T, mixing.T, strict=True)]
    other = [np.corrcoef(a, b)[0, 1] for a, b in zip(theirs.T, mixing.T, strict=True)]
    assert min(same) > 0.99
    if version("mne").startswith("1.13."):
        assert max(other) < 0.95


def test_mne_pattern_of_one_output_is_ours(receptive_field, x64, rng):
    X = rng.standard_normal((5000, 4)) @ rng.standard_normal((4, 4))
    y = X @ rng.standard_normal((4, 1)) + rng.standard_normal((5000, 1))
    lags = jn.Lags(-0.02, 0.0, RATE)
    fit = trf.fit(X, y, lags, 1.0)
    ours = np.moveaxis(np.asarray(trf.patterns(fit, X)), (0, 1, 2), (2, 1, 0))
    peer = receptive_field.ReceptiveField(
        -0.02, 0.0, RATE, estimator=1.0, patterns=True
    ).fit(X, y)
    theirs = peer.patterns_.reshape(ours.shape)
    # MNE divides by the number of samples where ours divides by the power; the edges
    # differ as well.
    r = np.corrcoef(ours.ravel(), theirs.ravel())[0, 1]
    assert r > 1 - 1e-5


# MATLAB -------------------------------------------------------------------------------


@pytest.fixture
def matlab(shared):
    folder = shared / "data/ref_mtrf_matlab"
    return lambda name: scipy.io.loadmat(folder / name)


def toolbox_fit(X, Y, lags, alpha):
    """Version 1 of the toolbox: a penalised column of ones for each feature.

    The ones are features of which only lag 0 is free. Returns the model, for the
    columns [ones, X].
    """
    design = np.hstack([np.ones_like(X), X])
    support = np.ones((lags.n_lags, design.shape[1]), bool)
    support[lags.samples != 0, : X.shape[1]] = False
    return trf.fit(design, Y, lags, alpha, fit_intercept=False, support=support)


@pytest.mark.parametrize("direction", ["fwd", "bwd"])
def test_toolbox_weights_and_constants(x64, matlab, direction):
    data, expected = matlab("gendata.mat"), matlab(f"mtrf_train_{direction}.mat")
    X, Y = data["x"][:, :3], data["y_sim"][:, :3]
    if direction == "bwd":
        X, Y = Y, X
    lags = jn.Lags(-0.0625, 0.0625, 64)
    fit = toolbox_fit(X, Y, lags, 1.0)
    assert_allclose(1e3 * lags.times, expected["t"][0], atol=1e-9)
    coef = np.asarray(fit.coef)
    assert_allclose(np.swapaxes(coef[:, 3:], 0, 1), expected["w"], atol=1e-10)
    assert_allclose(coef[4, :3], expected["i"], atol=1e-10)


def test_toolbox_prediction(x64, matlab):
    data, expected = matlab("gendata.mat"), matlab("mtrf_predict_fwd.mat")
    X, Y = data["x"], data["y_sim"][:, :4]
    # 60 ms are rounded outwards to 62.5 ms.
    fit = toolbox_fit(X[:128], Y[:128], jn.Lags(0.0, 0.0625, 64), 1.0)
    test = slice(128, 256)
    design = np.hstack([np.ones_like(X), X])[test]
    guess = trf.predict(fit, design)
    assert_allclose(guess, expected["rec"], atol=1e-10)
    r = jn.core.score.correlation(Y[test], np.asarray(guess))
    assert_allclose(r, expected["r"][0], atol=1e-10)


def test_toolbox_cross_validation_averages_models(x64, matlab):
    """Version 1 fits each trial alone and tests the mean of the others' models."""
    data, expected = matlab("gendata.mat"), matlab("cross_val_equal_fwd.mat")
    X, Y = data["x"].reshape(4, 128, 5), data["y_sim"][:, :4].reshape(4, 128, 4)
    lags = jn.Lags(-0.0625, 0.0625, 64)
    for column, alpha in enumerate((0.1, 1.0, 10.0)):
        fits = [toolbox_fit(x, y, lags, alpha) for x, y in zip(X, Y, strict=True)]
        coef = np.stack([np.asarray(fit.coef) for fit in fits])
        for trial in range(4):
            mean = np.delete(coef, trial, axis=0).mean(0)
            model = trf.TRFFit(
                coef=mean, intercept=np.zeros(4), alpha=fits[0].alpha, lags=lags
            )
            guess = trf.predict(model, np.hstack([np.ones_like(X[0]), X[trial]]))
            r = jn.core.score.correlation(Y[trial], np.asarray(guess))
            assert_allclose(r, expected["r"][trial, column], atol=1e-10)


# Faults of mTRFpy that are not reproduced ---------------------------------------------

measured = pytest.mark.skipif(
    version("mtrf") != "2.1.2", reason="the fault was seen in mTRFpy 2.1.2"
)


@measured
def test_peer_cannot_drop_edges(rng):
    X, Y = simulated(rng)
    with pytest.raises(AttributeError):
        mtrf.TRF(zeropad=False).train(X, Y, RATE, 0.0, 0.05, 1.0)


def test_edges_can_be_dropped(x64, rng):
    X, Y = simulated(rng)
    rows = [signal.lagged(x, jn.Lags(0.0, 0.05, RATE))[5:] for x in X]
    design = np.concatenate([np.asarray(r).reshape(len(r), -1) for r in rows])
    target = np.concatenate([y[5:] for y in Y])
    A = np.hstack([np.ones((len(design), 1)), design])
    ridge = np.diag(np.r_[0.0, np.ones(design.shape[1])])
    expected = np.linalg.solve(A.T @ A + ridge, A.T @ target)
    model = jn.TRF(0.0, 0.05, RATE, pad="drop", dtype="float64").fit(X, Y)
    got = np.moveaxis(model.coef_, 0, 2).swapaxes(0, 1).reshape(design.shape[1], -1)
    assert_allclose(got, expected[1:], atol=1e-10)
    assert_allclose(model.intercept_, expected[0], atol=1e-10)


@measured
def test_peer_computes_in_the_float_of_the_input(mini):
    """Coefficients of float32 signals: the estimator's dtype decides, not the input."""
    spec, resp = mini
    lam = 1 / 600  # a penalty of 1 on the sum of squares
    narrow = [trial.astype(np.float32) for trial in spec]
    narrow_resp = [trial.astype(np.float32) for trial in resp]
    peers = []
    for cast in (np.float32, np.float64):
        peer = mtrf.TRF()
        X, Y = [x.astype(cast) for x in narrow], [y.astype(cast) for y in narrow_resp]
        peer.train(X, Y, RATE, 0.0, 0.15, lam)
        peers.append(np.moveaxis(peer.weights, 2, 0) / RATE)
    assert relative(peers[0], peers[1]) > 1e-5
    model = jn.TRF(0.0, 0.15, RATE, alpha=lam, convention="mtrf", dtype="float64")
    assert relative(model.fit(narrow, narrow_resp).coef_, peers[1]) < 1e-10
