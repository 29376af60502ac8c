import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import dstrf, signal


def test_formula(rng, dtype, tol):
    sound = rng.standard_normal(4000).astype(dtype)
    sound[2000:] = 0
    options = {"n_bands": 6, "fmax": 4000, "frame_rate": 100, "window": 0.064}
    got = dstrf.spectrogram(sound, 8000, **options)
    power = np.asarray(signal.mel_spectrogram(sound, 8000, **options), float)
    level = 10 * np.log10(np.maximum(power, 1e-30))
    expected = (np.maximum(level, level.max() - 70) - level.max()) / 70 + 1
    assert got.shape == (50, 6)
    assert_allclose(got, expected, **tol)
    assert_allclose(got.max(), 1, **tol)
    assert_allclose(got[-10:], 0, atol=1e-6)
    assert_allclose(dstrf.spectrogram(0 * sound, 8000), 0)


def test_range(dtype):
    with pytest.raises(ValueError, match="dynamic_range is 0 but must be"):
        dstrf.spectrogram(np.ones(400, dtype), 8000, dynamic_range=0)
