"""Filters along time against NumPy and SciPy, trial by trial."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.fft
import scipy.ndimage
import scipy.signal
from numpy.testing import assert_allclose

from jaxneuro import signal

LENGTHS = [(37,), (24, 13, 24), (9, 40, 1, 12)]


@pytest.fixture(params=LENGTHS, ids=str)
def lengths(request):
    return request.param


@pytest.fixture
def x(rng, dtype, lengths):
    return rng.normal(3, 2, size=(sum(lengths), 5)).astype(dtype)


def ids(lengths):
    return np.repeat(np.arange(len(lengths)), lengths)


def by_trial(function, x, lengths):
    pieces = np.split(np.asarray(x, np.float64), np.cumsum(lengths)[:-1])
    return np.concatenate([function(piece) for piece in pieces])


def polynomial(x, order):
    time = np.linspace(-1, 1, len(x)) if len(x) > 1 else np.zeros(1)
    basis = np.vander(time, order + 1)
    return x - basis @ np.linalg.lstsq(basis, x, rcond=None)[0]


def smooth(x, sigma):
    kwargs = {"axis": 0, "mode": "constant", "truncate": 4.0}
    sums = scipy.ndimage.gaussian_filter1d(x, sigma, **kwargs)
    return sums / scipy.ndimage.gaussian_filter1d(np.ones_like(x), sigma, **kwargs)


def without_slow(x, cutoff, sfreq):
    n = len(x)
    time = (np.arange(n) + 0.5) / n
    k = np.arange(int(np.floor(2 * n * cutoff / sfreq)) + 1)
    basis = np.cos(np.pi * time[:, None] * k)
    return x - basis @ np.linalg.lstsq(basis, x, rcond=None)[0]


class TestZscore:
    def test_matches_formula(self, x, lengths, tol):
        def scores(piece):
            with np.errstate(invalid="ignore"):
                return (piece - piece.mean(0)) / piece.std(0)

        got = signal.zscore(x, trial_id=ids(lengths))
        assert got.dtype == x.dtype
        assert_allclose(got, by_trial(scores, x, lengths), **tol)

    def test_constant_is_nan(self, dtype):
        # 0.1 has no exact mean in binary, and must not pass for a signal.
        x = np.full((1000, 2), 0.1, dtype=dtype)
        x[:, 1] = np.arange(1000)
        got = np.asarray(signal.zscore(x))
        assert np.isnan(got[:, 0]).all()
        assert np.isfinite(got[:, 1]).all()

    def test_large_offset(self, rng, dtype):
        x = rng.normal(size=(500, 3))
        offset = np.float32(3e4).astype(dtype)
        got = signal.zscore(x.astype(dtype) + offset)
        wanted = (x - x.mean(0)) / x.std(0)
        # The offset leaves 2e-3 of resolution to float32.
        assert_allclose(got, wanted, atol=5e-3)

    def test_gradient_is_finite_at_constants(self):
        x = jnp.ones((4, 1))
        gradient = jax.grad(lambda x: jnp.nansum(signal.zscore(x)))(x)
        assert np.isfinite(gradient).all()


class TestDetrend:
    @pytest.mark.parametrize("order", [0, 1, 3])
    def test_matches_least_squares(self, rng, dtype, tol, order):
        lengths = (24, 13, 30)
        x = rng.normal(3, 2, size=(67, 4)).astype(dtype)
        got = signal.detrend(x, order=order, trial_id=ids(lengths))
        wanted = by_trial(lambda piece: polynomial(piece, order), x, lengths)
        assert got.dtype == x.dtype
        assert_allclose(got, wanted, **tol)

    def test_default_is_linear(self, rng, dtype, tol):
        x = rng.normal(size=(50, 3)).astype(dtype)
        assert_allclose(signal.detrend(x), scipy.signal.detrend(x, axis=0), **tol)

    def test_errors(self):
        with pytest.raises(ValueError, match="order is -1 but must not be negative"):
            signal.detrend(np.zeros((4, 1)), order=-1)
        with pytest.raises(ValueError, match="trial has only 1 time points"):
            signal.detrend(np.zeros((4, 1)), trial_id=[0, 0, 0, 1])


class TestResample:
    @pytest.mark.parametrize("n", [30, 31])
    @pytest.mark.parametrize("n_times", [1, 2, 11, 12, 30, 31, 60, 71])
    def test_matches_scipy(self, rng, dtype, tol, n, n_times):
        x = rng.normal(size=(n, 3)).astype(dtype)
        got = signal.resample(x, n_times)
        assert got.dtype == x.dtype
        assert_allclose(got, scipy.signal.resample(x, n_times), **tol)

    @pytest.mark.parametrize("axis", [0, 1, -1])
    def test_axis(self, rng, dtype, tol, axis):
        x = rng.normal(size=(4, 6, 8)).astype(dtype)
        wanted = scipy.signal.resample(x, 5, axis=axis)
        assert_allclose(signal.resample(x, 5, axis=axis), wanted, **tol)

    def test_integers(self):
        assert signal.resample(np.arange(6), 3).dtype == jnp.zeros(()).dtype

    def test_errors(self):
        with pytest.raises(ValueError, match="n_times is 0 but must be at least 1"):
            signal.resample(np.zeros((4, 1)), 0)
        with pytest.raises(ValueError, match="axis 2 must be one of its axes"):
            signal.resample(np.zeros((4, 1)), 3, axis=2)


class TestGaussianSmooth:
    @pytest.mark.parametrize("sigma", [0.1, 0.7, 3.0, 20.5])
    def test_matches_scipy(self, x, lengths, tol, sigma):
        got = signal.gaussian_smooth(x, sigma, trial_id=ids(lengths))
        assert got.dtype == x.dtype
        wanted = by_trial(lambda piece: smooth(piece, sigma), x, lengths)
        assert_allclose(got, wanted, **tol)

    def test_long_signal(self, rng, dtype, tol):
        x = rng.normal(size=(1000, 2)).astype(dtype)
        wanted = smooth(x.astype(np.float64), 3.0)
        assert_allclose(signal.gaussian_smooth(x, 3.0), wanted, **tol)

    def test_error(self):
        with pytest.raises(ValueError, match="sigma is 0 but must be positive"):
            signal.gaussian_smooth(np.zeros((4, 1)), 0)


class TestHighPass:
    @pytest.mark.parametrize(("cutoff", "sfreq"), [(0.01, 0.5), (0.1, 0.5), (4, 9.0)])
    def test_matches_projection(self, x, lengths, tol, cutoff, sfreq):
        got = signal.high_pass(x, cutoff, sfreq, trial_id=ids(lengths))
        assert got.dtype == x.dtype
        wanted = by_trial(lambda piece: without_slow(piece, cutoff, sfreq), x, lengths)
        assert_allclose(got, wanted, **tol)

    def test_removes_slow_and_keeps_fast(self, dtype):
        time = np.arange(200) * 2.0
        slow = np.cos(np.pi * 2 * (np.arange(200) + 0.5) / 200)
        fast = np.sin(2 * np.pi * 0.1 * time)
        got = signal.high_pass((slow + fast)[:, None].astype(dtype), 1 / 128, 0.5)
        assert_allclose(got[20:-20, 0], fast[20:-20], atol=0.05)

    def test_cutoff_on_a_cosine(self, dtype):
        # 2 * 300 * 0.01 * 0.7 / 0.7 is just below 6 in floating point.
        x = np.cos(np.pi * 6 * (np.arange(300) + 0.5) / 300)[:, None].astype(dtype)
        assert_allclose(signal.high_pass(x, 0.007, 0.7), 0, atol=1e-5)

    def test_error(self):
        with pytest.raises(ValueError, match="cutoff is 128 Hz but signals sampled"):
            signal.high_pass(np.zeros((4, 1)), 128, 0.5)


CALLS = {
    "zscore": signal.zscore,
    "detrend": signal.detrend,
    "gaussian_smooth": lambda x, **kw: signal.gaussian_smooth(x, 2.0, **kw),
    "high_pass": lambda x, **kw: signal.high_pass(x, 0.1, 1.0, **kw),
}


@pytest.mark.parametrize("name", CALLS)
class TestEveryFilter:
    def test_jit_equals_eager(self, rng, dtype, tol, name):
        x = rng.normal(size=(20, 3)).astype(dtype)
        call = lambda x: CALLS[name](x, trial_id=ids((8, 12)))  # noqa: E731
        assert_allclose(jax.jit(call)(x), call(x), **tol)

    def test_half_precision(self, rng, name):
        x = rng.normal(size=(20, 3))
        got = CALLS[name](jnp.asarray(x, jnp.bfloat16))
        assert got.dtype == jnp.bfloat16
        wanted = CALLS[name](jnp.asarray(x, jnp.float32))
        assert_allclose(got.astype(jnp.float32), wanted, atol=0.05)

    def test_shape_errors(self, name):
        with pytest.raises(ValueError, match="x has shape .* must be two-dimensional"):
            CALLS[name](np.zeros(5))
        with pytest.raises(ValueError, match="trial_id has 4 entries"):
            CALLS[name](np.zeros((5, 1)), trial_id=np.zeros(4, int))
