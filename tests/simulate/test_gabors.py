import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import reliability, simulate

KEY = jax.random.key(4)
SHAPE = (16, 22)


@pytest.fixture(scope="module")
def neurons():
    images, rates = simulate.gabor_neurons(KEY, 3000, SHAPE, 6)
    return simulate.gabor_truth(KEY, SHAPE, 6), images, rates


def test_shapes_ranges_and_keys(neurons, dtype):
    truth, images, rates = neurons
    assert images.shape == (3000, *SHAPE, 1)
    assert rates.shape == (3000, 6)
    assert images.dtype == rates.dtype == dtype
    assert images.min() >= 0
    assert images.max() <= 1
    assert rates.min() >= 0.1
    assert truth.is_complex.tolist() == [False, True] * 3
    other = simulate.gabor_neurons(jax.random.key(5), 3, SHAPE, 6)[0]
    assert abs(np.corrcoef(np.ravel(other), np.ravel(images[:3]))[0, 1]) < 0.5
    assert abs(float(images.mean()) - 0.5) < 0.01


def test_images_have_the_spectrum_of_natural_ones(neurons):
    power = (abs(np.fft.fft2(np.asarray(neurons[1])[..., 0])) ** 2).mean(0)
    down, across = np.meshgrid(*(np.fft.fftfreq(n) for n in SHAPE), indexing="ij")
    frequency = np.hypot(down, across).ravel()[1:]
    slope = np.polyfit(np.log(frequency), np.log(power.ravel()[1:]), 1)[0]
    assert slope == pytest.approx(-2, abs=0.15)


def test_fields_are_gabor_functions(neurons, tol):
    truth = neurons[0]
    for t in range(6):
        height, width = SHAPE
        row, column = np.indices(SHAPE, dtype=float)
        row -= (height - 1) / 2 + height * float(truth.center[t, 0])
        column -= (width - 1) / 2 + width * float(truth.center[t, 1])
        angle = float(truth.orientation[t])
        along = np.cos(angle) * column + np.sin(angle) * row
        along = along * 2 * np.pi / float(truth.wavelength[t]) + float(truth.phase[t])
        envelope = np.exp(-(row**2 + column**2) / (2 * float(truth.sigma[t]) ** 2))
        for part, wave in enumerate([np.cos(along), -np.sin(along)]):
            field = envelope * (wave - (envelope * wave).sum() / envelope.sum())
            found = np.asarray(truth.filters[part, :, :, t])
            assert_allclose(
                found / np.linalg.norm(found),
                field / np.linalg.norm(field),
                rtol=1e-3,
                atol=1e-5,
            )
    assert_allclose(truth.filters.sum(axis=(1, 2)), 0, atol=2e-3)


def test_rates_follow_the_drive(neurons, tol):
    truth, images, rates = neurons
    flat = np.asarray(images).reshape(3000, -1) - 0.5
    filters = np.asarray(truth.filters).reshape(2, -1, 6)
    first, second = flat @ filters[0], flat @ filters[1]
    # Clipping takes little of the contrast.
    assert_allclose(first.std(0), 1, atol=0.12)
    simple = np.log1p(np.exp(3 * first)) / 3
    energy = np.log1p(first**2 + second**2)
    drive = np.where(np.arange(6) % 2, energy, simple)
    expected = 0.1 + np.asarray(truth.gain) * drive
    assert_allclose(rates, expected, rtol=1e-3, atol=1e-3)


def test_a_linear_model_finds_simple_cells_only(neurons):
    truth, images, rates = neurons
    flat = np.asarray(images).reshape(3000, -1) - 0.5
    away = np.asarray(rates) - np.asarray(rates).mean(0)
    fit = np.linalg.lstsq(flat, away, rcond=None)[0]
    r = [np.corrcoef(flat @ fit[:, t], away[:, t])[0, 1] for t in range(6)]
    assert min(r[::2]) > 0.85
    assert max(r[1::2]) < 0.6
    field = np.asarray(truth.filters[0]).reshape(-1, 6)
    for t in (0, 2, 4):
        assert np.corrcoef(fit[:, t], field[:, t])[0, 1] > 0.5


def test_best_images_of_neurons(neurons):
    """Of all images of one contrast the field itself drives a simple cell most."""
    truth = neurons[0]
    field = jnp.moveaxis(truth.filters[0], 2, 0)[..., None]
    norm = jnp.sqrt((field**2).sum(axis=(1, 2, 3), keepdims=True))
    best = simulate.gabor_rates(truth, 0.5 + 2 * field / norm)
    rival = jax.random.normal(KEY, (200, *SHAPE, 1))
    rival = rival / jnp.sqrt((rival**2).sum(axis=(1, 2, 3), keepdims=True))
    rates = simulate.gabor_rates(truth, 0.5 + 2 * rival)
    assert (jnp.diag(best)[::2] > rates.max(0)[::2]).all()


def test_counts_have_the_planted_ceiling(neurons):
    _, _, rates = neurons
    counts = simulate.gabor_counts(jax.random.key(6), rates, 8)
    assert counts.shape == (8, 3000, 6)
    assert counts.dtype == rates.dtype
    assert_allclose(counts.mean((0, 1)), rates.mean(0), rtol=0.05)
    ceiling = reliability.noise_ceiling(counts)
    truth = reliability.average_correlation(counts, rates)
    assert_allclose(ceiling, truth, atol=0.03)


def test_errors(neurons):
    truth, images, _ = neurons
    with pytest.raises(ValueError, match=r"shape is \(4, 20\) but must hold height"):
        simulate.gabor_truth(KEY, (4, 20))
    with pytest.raises(ValueError, match="n_targets is 0 but must be at least 1"):
        simulate.gabor_truth(KEY, n_targets=0)
    with pytest.raises(ValueError, match="n_images is 0 but must be at least 1"):
        simulate.gabor_neurons(KEY, 0)
    with pytest.raises(
        ValueError, match=r"receptive fields need \(n_images, 16, 22, 1\)"
    ):
        simulate.gabor_rates(truth, images[:, :8])
    with pytest.raises(ValueError, match="n_repeats is 0 but must be at least 1"):
        simulate.gabor_counts(KEY, images[:, :, 0, 0], 0)
