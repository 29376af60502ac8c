import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jaxneuro as jn
from jaxneuro import dstrf, signal, simulate

KEY = jax.random.key(3)
LAGS = jn.Lags(0.0, 0.2, 100)
MEASURES = ("complexity", "gain_change", "temporal_hold", "shape_change")


@pytest.fixture(scope="module")
def truth():
    return simulate.nonlinear_truth(KEY, n_bands=16, n_targets=12)


@pytest.fixture(scope="module")
def recording():
    return simulate.nonlinear_strf(
        KEY, n_trials=2, n_bands=16, n_targets=12, duration=18, snr=4.0
    )


@pytest.fixture(scope="module")
def exact(truth, recording):
    """Measures of the exact dSTRF, (3 strengths, 4 kinds)."""
    d = dstrf.estimate(simulate.nonlinear_response, truth, recording[0][0], LAGS)
    found = {name: np.asarray(getattr(dstrf, name)(d)) for name in MEASURES}
    return {name: value.reshape(3, 4) for name, value in found.items()}


def test_lists_keys_and_noise(truth, recording, dtype):
    spec, resp = recording
    assert [len(x) for x in spec] == [len(y) for y in resp]
    assert spec[0].shape[1:] + resp[0].shape[1:] == (16, 12)
    assert spec[0].dtype == resp[0].dtype == dtype
    assert min(float(x.min()) for x in spec) >= 0
    again = simulate.nonlinear_strf(KEY, n_trials=2, n_bands=16, n_targets=12)
    assert len(again[0][0]) != len(spec[0])  # another duration
    clean = simulate.nonlinear_response(truth, signal.lagged(spec[0], LAGS))
    noise = np.asarray(resp[0] - clean)
    ratio = np.asarray(clean).var(0) / noise.var(0)
    assert_allclose(ratio, 4, rtol=0.3)


def test_is_the_formula(truth, rng, dtype, tol):
    windows = rng.standard_normal((5, 21, 16)).astype(dtype)
    fields = np.asarray(truth.fields, float)
    u = np.array(
        [np.einsum("blf,plft->bpt", windows[:, k : k + 11], fields) for k in range(11)]
    )
    got = simulate.nonlinear_response(truth, windows)
    for t, (kind, strength, hold) in enumerate(
        zip(truth.kind, truth.strength, truth.hold, strict=True)
    ):
        one = u[:, :, 0, t]
        expected = (
            one[0],
            one[0] / (1 + float(strength) * abs(one[0])),
            one[: int(hold) + 1].max(0),
            np.maximum(one[0], u[0, :, 1, t]),
        )[int(kind)]
        assert_allclose(got[:, t], expected, **tol)


def test_fields_have_unit_norm_and_their_angle(truth, tol):
    one, other = np.asarray(truth.fields)
    assert_allclose((one**2).sum((0, 1)), 1, **tol)
    assert_allclose((other**2).sum((0, 1)), 1, **tol)
    turn = np.where(truth.kind == 3, truth.strength, 0) * np.pi / 2
    assert_allclose((one * other).sum((0, 1)), np.cos(turn), rtol=0, atol=1e-5)


@pytest.mark.slow
def test_every_measure_moves_for_its_cause_alone(exact):
    linear, gain, hold, shape = range(4)
    assert_allclose(exact["complexity"][:, [linear, gain]], 1, rtol=1e-4)
    assert (exact["complexity"][:, [hold, shape]] > 1.2).all()
    others = exact["gain_change"][:, [linear, hold, shape]]
    assert exact["gain_change"][:, gain].min() > 4 * others.max()
    assert_allclose(exact["temporal_hold"][:, [linear, gain, shape]], 0)
    assert_allclose(exact["shape_change"][:, [linear, gain]], 1, rtol=1e-4)
    assert_allclose(exact["shape_change"][:, hold], 1, atol=0.03)


@pytest.mark.slow
def test_measures_rank_the_channels(exact, truth):
    assert (np.diff(exact["gain_change"][:, 1]) > 0).all()
    hold = exact["temporal_hold"][:, 2]
    assert (np.diff(hold) > 0).all()
    # Most pieces are held for less than the longest hold.
    longest = np.asarray(truth.hold).reshape(3, 4)[:, 2]
    assert (hold >= 1).all()
    assert (hold <= longest).all()
    # Two fields of equal norm that are equally often the stronger.
    half = np.asarray(truth.strength).reshape(3, 4)[:, 3] * np.pi / 4
    assert_allclose(exact["shape_change"][:, 3], 1 + np.tan(half), rtol=0.03)


def test_one_target_of_each_number():
    assert simulate.nonlinear_truth(KEY, n_bands=3, n_targets=1).kind.tolist() == [0]
    five = simulate.nonlinear_truth(KEY, n_bands=3, n_targets=7)
    assert_allclose(five.strength, [0, 0.5, 0.5, 1, 0, 1, 1])
    assert five.hold.tolist() == [0, 0, 5, 0, 0, 0, 10]


def test_errors(truth):
    with pytest.raises(ValueError, match="snr is 0 but must be positive"):
        simulate.nonlinear_strf(KEY, snr=0.0)
    with pytest.raises(ValueError, match="sfreq is 40 Hz but must leave 5 samples"):
        simulate.nonlinear_strf(KEY, sfreq=40.0)
    with pytest.raises(ValueError, match=r"must be \(batch, 11 lags or more, 16 band"):
        simulate.nonlinear_response(truth, jnp.zeros((3, 10, 16)))
