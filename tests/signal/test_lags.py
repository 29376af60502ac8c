"""The lag window, and the lagged array against a loop over samples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from jaxneuro.signal import Lags, lagged

N_TIMES = 12
WINDOWS = [Lags(0, 3, 1), Lags(-2, 1, 1), Lags(-4, -2, 1), Lags(0.5, 2, 2)]


@st.composite
def trials(draw):
    """Membership of a fixed number of samples, trials numbered in any order."""
    edges = draw(st.sets(st.integers(1, N_TIMES - 1), max_size=4))
    lengths = np.diff([0, *sorted(edges), N_TIMES])
    names = draw(st.permutations(range(5)))[: len(lengths)]
    return np.repeat(names, lengths)


def loop(x, lags, trial_id):
    out = np.zeros((len(x), lags.n_lags, x.shape[1]))
    for t in range(len(x)):
        for i, lag in enumerate(lags.samples):
            inside = 0 <= t - lag < len(x) and trial_id[t - lag] == trial_id[t]
            out[t, i] = x[t - lag] if inside else 0
    return out


@given(tmin=st.integers(-50, 50), n=st.integers(0, 60), sfreq=st.integers(1, 500))
@settings(deadline=None)
def test_window_has_both_ends(tmin, n, sfreq):
    lags = Lags(tmin / sfreq, (tmin + n) / sfreq, sfreq)
    assert lags.first == tmin
    assert lags.n_lags == n + 1
    assert_array_equal(lags.samples, np.arange(tmin, tmin + n + 1))
    assert_allclose(lags.times * sfreq, lags.samples, atol=1e-9)


def test_windows_are_values():
    assert Lags(0, 1, 10) == Lags(0.0, 1.0, 10.0)
    assert hash(Lags(0, 1, 10)) == hash(Lags(np.float32(0), 1, 10))
    assert Lags(0, 1, 10) != Lags(0, 1, 20)
    assert Lags(-0.1, -0.1, 10).samples.tolist() == [-1]
    with pytest.raises(AttributeError, match="tmin"):
        Lags(0, 1, 10).tmin = 3  # type: ignore[misc]


@given(trial_id=trials(), lags=st.sampled_from(WINDOWS))
@settings(max_examples=60, deadline=None)
def test_equals_a_loop_and_never_crosses_trials(trial_id, lags):
    # Every value names its sample and feature, so a leak shows.
    x = np.arange(1, 2 * N_TIMES + 1, dtype=np.float32).reshape(N_TIMES, 2)
    got = lagged(x, lags, trial_id=trial_id)
    assert_array_equal(got, loop(x, lags, trial_id))


def test_one_trial_by_default(rng, dtype):
    x = rng.standard_normal((N_TIMES, 3)).astype(dtype)
    got = lagged(x, WINDOWS[1])
    assert got.dtype == dtype
    assert_allclose(got, loop(x, WINDOWS[1], np.zeros(N_TIMES)), rtol=1e-6)


def test_window_longer_than_the_recording(dtype):
    x = np.ones((3, 1), dtype)
    assert_array_equal(lagged(x, Lags(-9, 9, 1)).sum((1, 2)), [3, 3, 3])


def test_missing_samples_stay_where_they_are():
    x = np.ones((6, 1), np.float32)
    x[2] = np.nan
    got = np.isnan(lagged(x, Lags(0, 1, 1), trial_id=np.array([0, 0, 0, 1, 1, 1])))
    assert got[:, :, 0].tolist() == [
        [False, False],
        [False, False],
        [True, False],
        [False, False],
        [False, False],
        [False, False],
    ]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: lagged(np.ones(4), WINDOWS[0]),
            ValueError,
            r"x has shape \(4,\) but must be two-dimensional",
        ),
        (
            lambda: lagged(np.ones((4, 1)), WINDOWS[0], trial_id=np.zeros(3, int)),
            ValueError,
            "trial_id has 3 entries but the data have 4 time points",
        ),
        (
            lambda: jax.jit(lambda t: lagged(np.ones((2, 1)), WINDOWS[0], trial_id=t))(
                jnp.zeros(2, int)
            ),
            TypeError,
            "trial_id is traced by a JAX transformation but must be concrete",
        ),
        (
            lambda: Lags(0.3, 0.1, 10),
            ValueError,
            "tmin is 0.3 s but tmax is 0.1 s; tmin must not be larger",
        ),
        (lambda: Lags(0, 1, -2), ValueError, "sfreq is -2 but must be positive"),
        (lambda: Lags(0, float("inf"), 9), ValueError, "tmax is inf but must be fin"),
        (lambda: Lags(None, 1, 9), TypeError, "tmin is None but must be a real"),  # type: ignore[arg-type]
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()
