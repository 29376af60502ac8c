"""Reference programs' numbers on the speech tutorial (responses are simulated)."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import jaxneuro as jn
from jaxneuro import trf

SFREQ = 100


@pytest.fixture(scope="module")
def _recording_cache():
    return {}


@pytest.fixture
def recording(shared, _recording_cache):
    if not _recording_cache:
        data = np.load(shared / "golden/trf/tutorial_inputs.npz")
        trial_id = np.repeat(np.arange(10), data["trial_length"])
        _recording_cache.update(
            resp=data["resp"], spec=data["spec_32"].astype(float), trial_id=trial_id
        )
    return _recording_cache


@pytest.fixture
def golden(shared):
    return np.load(shared / "golden/trf/peers_tutorial.npz")


def first_samples(recording, n=5200):
    """Cut the training trials to equal length, as MNE needs them."""
    trial_id = recording["trial_id"]
    keep = np.concatenate([np.flatnonzero(trial_id == k)[:n] for k in range(1, 10)])
    return recording["spec"][keep], recording["resp"][keep], trial_id[keep]


def train(recording):
    keep = recording["trial_id"] > 0
    return recording["spec"][keep], recording["resp"][keep], recording["trial_id"][keep]


def reference_order(coef):
    """Move targets first and lags last, as the reference programs have them."""
    return np.moveaxis(np.asarray(coef), (0, 1, 2), (2, 1, 0))


def relative(got, expected):
    return np.abs(got - expected).max() / np.abs(expected).max()


def test_tutorial_reconstruction_correlations(x64, recording):
    spec, resp, trial_id = train(recording)
    lags = jn.Lags(-0.4, 0.0, SFREQ)
    fit = trf.fit(resp, spec, lags, 1.0, trial_id=trial_id)
    test = recording["trial_id"] == 0
    true, predicted = recording["spec"][test], trf.predict(fit, recording["resp"][test])
    joint = np.corrcoef(true.ravel(), np.ravel(predicted))[0, 1]
    assert_allclose(joint, 0.67044, atol=5e-6)
    each = jn.core.score.correlation(true, predicted)
    assert_allclose(each.mean(), 0.5902628601291328, rtol=1e-11)


def test_tutorial_reconstruction_in_float32(recording):
    spec, resp, trial_id = train(recording)
    spec, resp = spec.astype(np.float32), resp.astype(np.float32)
    lags = jn.Lags(-0.4, 0.0, SFREQ)
    fit = trf.fit(resp, spec, lags, 1.0, trial_id=trial_id)
    test = recording["trial_id"] == 0
    true = recording["spec"][test].astype(np.float32)
    predicted = trf.predict(fit, recording["resp"][test].astype(np.float32))
    joint = np.corrcoef(true.ravel(), np.ravel(predicted))[0, 1]
    assert abs(joint - 0.6704443754818779) < 1e-5
    each = np.asarray(jn.core.score.correlation(true, predicted), float)
    assert abs(each.mean() - 0.5902628601291328) < 1e-5


@pytest.mark.parametrize(
    ("name", "window", "penalty", "alpha"),
    [
        ("mne_ridge_coef", (0.0, 0.3), "ridge", 1.0),
        ("mne_lap_time_coef", (0.0, 0.3), "laplacian", 1e3),
        ("mne_lap_feat_coef", (0.0, 0.3), ("ridge", "laplacian"), 1e3),
        ("mne_lap_both_coef", (0.0, 0.3), ("laplacian", "laplacian"), 1e3),
        ("mne_neglag_coef", (-0.1, 0.2), "ridge", 1e3),
    ],
)
def test_mne(x64, recording, golden, name, window, penalty, alpha):
    spec, resp, trial_id = first_samples(recording)
    fit = trf.fit(
        spec,
        resp,
        jn.Lags(*window, SFREQ),
        alpha,
        trial_id=trial_id,
        penalty=penalty,
        pad="mean",
        center="shift",
    )
    # All but the first golden coefficients are stored in float32.
    tolerance = 1e-9 if golden[name].dtype == np.float64 else 1e-7
    assert relative(reference_order(fit.coef), golden[name]) < tolerance
    if name == "mne_ridge_coef":
        assert_allclose(fit.intercept, golden["mne_ridge_intercept"], rtol=1e-9)


def test_dropped_edges(x64, recording, golden):
    spec, resp, trial_id = train(recording)
    fit = trf.fit(
        spec, resp, jn.Lags(0.0, 0.3, SFREQ), 1.0, trial_id=trial_id, pad="drop"
    )
    assert relative(reference_order(fit.coef), golden["own_valid_coef"]) < 1e-7
