"""The convolutional encoder as an estimator."""

import jax
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


def test_scores_of_repeats(fitted, images, responses, rng):
    """The metrics of repeated responses are those of the room of reliability."""
    cube = responses[None, 200:] + 0.1 * rng.standard_normal((4, 40, 2))
    cube[3, :9] = np.nan
    guess = fitted.predict(images[200:])
    single = np.asarray(cube, guess.dtype)
    for metric in ("feve", "average_correlation", "trial_correlation"):
        got = fitted.score_targets(images[200:], cube, metric=metric)
        expected = getattr(jn.reliability, metric)(single, guess)
        np.testing.assert_allclose(got, expected, rtol=1e-5)
    with pytest.raises(ValueError, match="y has shape .40, 2. but must be three"):
        fitted.score_targets(images[200:], responses[200:], metric="feve")
    with pytest.raises(ValueError, match="metric is 'fev'"):
        fitted.score_targets(images[200:], cube, metric="fev")


@pytest.mark.slow
def test_compared_with_simple_models(fitted, images, responses, rng):
    """A rectified sum of pixels: a line, better a line with a bend, no energy."""
    rows = slice(200), slice(200, None)
    parts = [part[at] for at in rows for part in (images, responses)]
    table = fitted.compare(*parts)
    assert list(table) == ["network", "linear", "linear-nonlinear", "gabor energy"]
    np.testing.assert_array_equal(table["network"], fitted.score_targets(*parts[2:]))
    assert (table["linear-nonlinear"] > table["linear"]).all()
    assert (table["linear"] > table["gabor energy"]).all()
    gone = parts[1].copy()
    gone[:195] = np.nan
    with pytest.raises(ValueError, match="y has 5 samples with all responses"):
        fitted.compare(parts[0], gone, *parts[2:])


@pytest.mark.slow
def test_compared_on_lags(rng):
    """Ridge on lags, and the same bent."""
    x = rng.standard_normal((600, 3))
    drive = x[:, :1] + 0.5 * np.roll(x[:, 1:2], 1, axis=0)
    y = np.maximum(drive, 0)
    lags = jn.Lags(0.0, 0.02, sfreq=100)
    model = jn.CNNEncoder((2,), kernel_sizes=3, lags=lags, n_epochs=1)
    trial_id = np.repeat(np.arange(6), 100)
    y[7] = np.nan
    model.fit(x[:400], y[:400], trial_id[:400])
    one, two = trial_id[:400], trial_id[400:]
    parts = x[:400], y[:400], x[400:], y[400:]
    table = model.compare(*parts, trial_id=one, test_trial_id=two)
    assert list(table) == ["network", "linear", "linear-nonlinear"]
    assert 0.7 < table["linear"][0] < table["linear-nonlinear"][0] - 0.05
    assert table["linear-nonlinear"][0] > 0.95


@pytest.mark.slow
def test_front_of_gabor_energy(rng):
    """A complex cell, which few images suffice to predict; the join takes images."""
    contrast, phase = rng.random((2, 300, 1, 1))
    wave = contrast * np.cos(np.pi / 2 * np.arange(16) + 2 * np.pi * phase)
    images = wave + 0.3 * rng.standard_normal((300, 16, 16))
    images, rates = images.astype(np.float32), contrast[:, 0] ** 2
    options = {"front": "gabor", "loss": "gaussian", "output": "identity"}
    model = jn.CNNEncoder((64,), n_epochs=20, learning_rate=1e-3, **options)
    model.fit(images[:250], rates[:250])
    assert model.score_targets(images[250:], rates[250:])[0] > 0.9
    member = jax.tree.map(lambda leaf: leaf[0], model.fit_.variables)
    x = (images[250:252, ..., None] - model.mean_) / np.float32(model.scale_)
    got = model.fit_.apply(member, jax.numpy.asarray(x))
    np.testing.assert_allclose(got, model.predict(images[250:252]), rtol=1e-4)
    with pytest.raises(ValueError, match="front is 'gabors'"):
        jn.CNNEncoder(front="gabors").fit(images, rates)
