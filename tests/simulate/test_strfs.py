import jax
import numpy as np
import pytest

from jaxneuro import simulate
from jaxneuro.signal import Lags, lagged

SMALL = {"n_trials": 4, "n_channels": 5, "n_bands": 8, "sfreq": 50.0, "duration": 25.0}


@pytest.fixture
def key():
    return jax.random.key(7)


def columns(trials, lags):
    """Lagged design of all trials, in float64: (n_times, n_lags * n_features)."""
    stacked = [np.asarray(lagged(x, lags), dtype=np.float64) for x in trials]
    return np.concatenate([x.reshape(len(x), -1) for x in stacked])


def ridge(X, Y, alpha):
    Xc, Yc = X - X.mean(0), Y - Y.mean(0)
    return np.linalg.solve(Xc.T @ Xc + alpha * np.eye(X.shape[1]), Xc.T @ Yc)


def correlation(a, b):
    a, b = a - a.mean(0), b - b.mean(0)
    return (a * b).sum(0) / np.sqrt((a**2).sum(0) * (b**2).sum(0))


class TestStrfs:
    @pytest.mark.parametrize("sizes", [(5, 8, 16), (1, 3, 31), (12, 1, 2)])
    def test_shape_and_norm(self, key, sizes, dtype):
        n_channels, n_bands, n_lags = sizes
        fields = simulate.strfs(key, n_channels, n_bands, n_lags)
        assert fields.shape == (n_lags, n_bands, n_channels)
        assert fields.dtype == dtype
        norm = np.linalg.norm(np.asarray(fields).reshape(-1, n_channels), axis=0)
        np.testing.assert_allclose(norm, 1.0, rtol=1e-5)

    def test_one_lag_has_no_response(self, key):
        """Nothing arrives at lag 0: the field is zero, not nan."""
        np.testing.assert_array_equal(simulate.strfs(key, 2, 3, 1), 0.0)

    def test_courses(self, key):
        """A peak 20 to 80 ms after the sound, then a weaker one of other sign."""
        fields = np.asarray(simulate.strfs(key, 20, 16, 301, sfreq=1000.0))
        for field in np.moveaxis(fields, 2, 0):
            lag, band = np.unravel_index(np.abs(field).argmax(), field.shape)
            course = field[:, band] * np.sign(field[lag, band])
            assert 15 <= lag <= 80
            assert -1 < course.min() / course.max() < -0.1
            assert course.argmin() > lag

    def test_centres_cover_the_bands(self, key):
        fields = np.asarray(simulate.strfs(key, 8, 64, 31))
        best = np.abs(fields).max(axis=0).argmax(axis=0)
        assert (np.diff(best) > 0).all()
        np.testing.assert_array_equal(best // 8, np.arange(8))

    def test_sampling_rate_does_not_change_the_fields(self, key):
        slow = np.asarray(simulate.strfs(key, 3, 8, 31, sfreq=100.0))
        fast = np.asarray(simulate.strfs(key, 3, 8, 61, sfreq=200.0))[::2]
        slow, fast = slow.reshape(-1, 3), fast.reshape(-1, 3)
        np.testing.assert_allclose(correlation(slow, fast), 1.0, atol=1e-5)


class TestReconstruction:
    def test_shapes(self, key, dtype):
        resp, spec = simulate.reconstruction(key, **SMALL)
        assert len(resp) == len(spec) == 4
        lengths = [len(trial) for trial in resp]
        assert len(set(lengths)) > 1
        assert all(0.8 * 1250 <= n <= 1.2 * 1250 for n in lengths)
        for x, y in zip(resp, spec, strict=True):
            assert x.shape == (len(y), 5)
            assert y.shape == (len(y), 8)
            assert x.dtype == y.dtype == dtype
            assert (np.asarray(y) >= 0).all()

    def test_equal_keys_equal_data(self, key):
        first, second = (simulate.reconstruction(key, **SMALL) for _ in range(2))
        other, _ = simulate.reconstruction(jax.random.key(8), **SMALL)
        for a, b in zip(first[0] + first[1], second[0] + second[1], strict=True):
            np.testing.assert_array_equal(a, b)
        assert np.asarray(first[0][0])[0, 0] != np.asarray(other[0])[0, 0]

    def test_responses_are_fields_plus_noise(self, key):
        """Without noise, the planted fields explain all: mean and scale apart."""
        resp, spec = simulate.reconstruction(key, snr=1e8, **SMALL)
        fields = np.asarray(simulate.strfs(key, 5, 8, 16, sfreq=50.0))
        X = columns(spec, Lags(0.0, 0.3, sfreq=50))
        expected = X @ fields.reshape(-1, 5).astype(np.float64)
        r = correlation(np.concatenate(resp).astype(np.float64), expected)
        np.testing.assert_allclose(r, 1.0, atol=1e-6)

    @pytest.mark.parametrize("snr", [0.25, 1.0, 4.0])
    def test_signal_to_noise(self, key, snr):
        resp, spec = simulate.reconstruction(key, snr=snr, **SMALL)
        fields = np.asarray(simulate.strfs(key, 5, 8, 16, sfreq=50.0))
        signal = columns(spec, Lags(0.0, 0.3, sfreq=50)) @ fields.reshape(-1, 5)
        Y = np.concatenate(resp).astype(np.float64)
        # 5000 samples: the squared correlation is known to about a hundredth.
        expected = snr / (1 + snr)
        np.testing.assert_allclose(correlation(Y, signal) ** 2, expected, atol=0.04)
        np.testing.assert_allclose(Y.std(0), 1.0, atol=0.1)

    def test_sounds_are_slow_and_smooth_over_bands(self, key):
        _, spec = simulate.reconstruction(key, n_trials=3, n_bands=32)
        spec = np.concatenate(spec)
        next_band = correlation(spec[:, :-1], spec[:, 1:]).mean()
        far_band = correlation(spec[:, :-16], spec[:, 16:]).mean()
        next_sample = correlation(spec[:-1], spec[1:]).mean()
        second_later = correlation(spec[:-100], spec[100:]).mean()
        assert next_band > 0.7
        assert far_band < 0.5
        assert next_sample > 0.7
        assert abs(second_later) < 0.1

    def test_encoding_recovers_the_fields(self, key):
        resp, spec = simulate.reconstruction(key, **SMALL)
        X = columns(spec, Lags(0.0, 0.3, sfreq=50))
        coef = ridge(X, np.concatenate(resp).astype(np.float64), alpha=1e3)
        fields = np.asarray(simulate.strfs(key, 5, 8, 16, sfreq=50.0))
        assert (correlation(coef, fields.reshape(-1, 5)) > 0.85).all()

    def test_decoding_reconstructs_the_sounds(self, key):
        resp, spec = simulate.reconstruction(key, **SMALL)
        lags = Lags(-0.4, 0.0, sfreq=50)
        Y = np.concatenate(spec[1:]).astype(np.float64)
        coef = ridge(columns(resp[1:], lags), Y, alpha=100.0)
        held_out = columns(resp[:1], lags) @ coef
        assert correlation(held_out, np.asarray(spec[0])).mean() > 0.6

    @pytest.mark.parametrize("name", ["n_trials", "sfreq", "duration", "snr"])
    def test_positive(self, key, name):
        with pytest.raises(ValueError, match=f"{name} is 0 but must be positive"):
            simulate.reconstruction(key, **{**SMALL, name: 0})

    @pytest.mark.parametrize("name", ["n_channels", "n_bands"])
    def test_positive_sizes_of_fields(self, key, name):
        with pytest.raises(ValueError, match=f"{name} is -1 but must be positive"):
            simulate.reconstruction(key, **{**SMALL, name: -1})

    def test_numbers(self, key):
        with pytest.raises(TypeError, match="duration is 'long' but must be a real"):
            simulate.reconstruction(key, duration="long")
