"""The convolutional encoder as an estimator."""

import numpy as np
import pytest
from sklearn.base import clone

import jaxneuro as jn


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((240, 10, 9))


@pytest.fixture(scope="module")
def responses(images):
    """Two rectified differences of pixels: a linear-nonlinear cell each."""
    drive = images[:, 3:5, 4] - images[:, 5:7, 4]
    return np.maximum(drive, 0) * 2 + 0.1


@pytest.fixture(scope="module")
def fitted(images, responses):
    model = jn.CNNEncoder(
        (6,), pooling=1, kernel_sizes=3, n_epochs=60, batch_size=32, n_members=2
    )
    return model.fit(images[:200], responses[:200])


def test_predicts_held_out_responses(fitted, images, responses):
    guess = fitted.predict(images[200:])
    assert guess.shape == (40, 2)
    assert isinstance(guess, np.ndarray)
    r = [np.corrcoef(guess[:, i], responses[200:, i])[0, 1] for i in range(2)]
    np.testing.assert_allclose(
        fitted.score_targets(images[200:], responses[200:]), r, rtol=1e-3
    )
    assert min(r) > 0.8
    assert fitted.score(images[200:], responses[200:]) > 0.5
    assert fitted.fit_.train_loss.shape == (2, 60)
    assert fitted.shape_ == (10, 9, 1)
    assert fitted.n_features_in_ == 90


def test_clone_keeps_parameters(fitted):
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    assert not hasattr(copy, "fit_")


def test_spectrogram(rng):
    x = rng.standard_normal((300, 5))
    y = np.exp(0.5 * x[:, 1:3]) + 0
    y[1:] += 0.5 * np.abs(x[:-1, :1])
    lags = jn.Lags(0.0, 0.02, sfreq=100)
    model = jn.CNNEncoder(
        (6,), kernel_sizes=3, lags=lags, n_epochs=120, batch_size=16, loss="gaussian"
    )
    trial_id = np.repeat([0, 1, 2, 3], 75)
    model.fit(x, y, trial_id=trial_id)
    assert model.predict(x, trial_id=trial_id).shape == (300, 2)
    assert model.score_targets(x, y).min() > 0.7


def test_bad_input(fitted, images):
    model = jn.CNNEncoder((2,), n_epochs=1)
    y = np.ones((240, 1))
    with pytest.raises(ValueError, match="X has shape .240, 90. but must be three"):
        model.fit(images.reshape(240, -1), y)
    with pytest.raises(ValueError, match="y has 3 samples but X has 240"):
        model.fit(images, y[:3])
    with pytest.raises(ValueError, match="X has 1 NaN or infinite"):
        model.fit(
            np.where(np.arange(240 * 90).reshape(images.shape), images, np.nan), y
        )
    with pytest.raises(ValueError, match="readout is 'point'"):
        jn.CNNEncoder(readout="point").fit(images, y)
    mixed = np.array([np.ones((2, 2)), np.ones((3, 3))], dtype=object)
    with pytest.raises(TypeError, match="images of mixed sizes"):
        model.fit(mixed, y[:2])
    with pytest.raises(ValueError, match="X holds bytes but the model was fitted with"):
        fitted.predict((images * 255).astype(np.uint8))
    with pytest.raises(ValueError, match="X has stimuli of shape"):
        fitted.predict(images[:, :5])
