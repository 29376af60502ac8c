"""Images that excite neurons with planted receptive fields."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxneuro import mei, nn, simulate

SHAPE, N = (24, 32), 4
PROJECT = mei.constrain(mean=0.5, std=0.05, low=0, high=1)


@pytest.fixture(scope="module")
def truth():
    return simulate.gabor_truth(jax.random.key(3), SHAPE, N)


@pytest.fixture(scope="module")
def found(truth):
    """Optimised images of the exact model, from noise, black and a natural image."""
    noise = 0.5 + 0.05 * jax.random.normal(jax.random.key(1), (1, *SHAPE, 1))
    natural = simulate.gabor_neurons(jax.random.key(8), 1, SHAPE)[0]
    start = jnp.concatenate([noise, 0 * noise, natural])[None]
    return mei.ascend(
        simulate.gabor_rates,
        truth,
        start,
        np.arange(N),
        n_steps=80,
        project=PROJECT,
    )


def likeness(truth, image, neuron):
    """Correlation with the planted field inside two standard deviations.

    A complex cell has any phase: the nearest one counts.
    """
    rows, columns = (np.arange(n) - (n - 1) / 2 for n in SHAPE)
    row, column = np.asarray(truth.center[neuron]) * SHAPE
    away = np.hypot(rows[:, None] - row, columns[None] - column)
    inside = away < 2 * float(truth.sigma[neuron])
    pixels = np.asarray(image)[..., 0][inside]
    fields = np.asarray(truth.filters)[..., neuron][:, inside]
    fields = fields if truth.is_complex[neuron] else fields[:1]
    pixels, fields = pixels - pixels.mean(), fields - fields.mean(1, keepdims=True)
    weights = np.linalg.lstsq(fields.T, pixels)[0]
    assert truth.is_complex[neuron] or weights[0] > 0
    return np.corrcoef(fields.T @ weights, pixels)[0, 1]


def orientation(image):
    """Direction of the mean frequency, weighed by power."""
    image = np.asarray(image)[..., 0]
    power = np.abs(np.fft.fft2(image - image.mean())) ** 2
    rows, columns = (np.fft.fftfreq(n) for n in SHAPE)
    angle = np.arctan2(rows[:, None], columns[None])
    return 0.5 * np.angle((power * np.exp(2j * angle)).sum())


def test_recovers_planted_fields(truth, found):
    for neuron in range(N):
        for image in found.images[neuron]:
            assert likeness(truth, image, neuron) > 0.95
            error = orientation(image) - float(truth.orientation[neuron])
            error = np.degrees((error + np.pi / 2) % np.pi - np.pi / 2)
            assert abs(error) < 5


def test_simple_cells_do_not_depend_on_the_start(truth, found):
    alike = mei.agreement(found.images, found.responses[-1])
    simple = ~np.asarray(truth.is_complex)
    assert (np.asarray(alike.correlations)[simple] > 0.97).all()
    assert (np.asarray(alike.spread)[simple] < 1e-3).all()


def test_contrast_is_the_wanted_one(found):
    np.testing.assert_allclose(found.contrasts[-1], 0.05, rtol=1e-3)
    assert (found.responses[-1] > found.responses[0]).all()


def test_complex_cells_have_many_images(truth):
    start = 0.5 + 0.05 * jax.random.normal(jax.random.key(2), (N, 3, *SHAPE, 1))
    found = mei.ascend(
        simulate.gabor_rates,
        truth,
        start,
        np.arange(N),
        n_steps=80,
        project=PROJECT,
        diversity=0.1,
    )
    alike = mei.agreement(found.images, found.responses[-1])
    invariant = np.asarray(truth.is_complex)
    # Three phases a third of a turn apart have diversity 1.5.
    assert (np.asarray(alike.diversity)[invariant] > 1.3).all()
    assert (np.asarray(alike.spread)[invariant] < 0.05).all()
    assert (np.asarray(alike.diversity)[~invariant] < 0.5).all()


@pytest.mark.slow
def test_least_exciting_is_the_negative(truth, found):
    start = jnp.full((1, *SHAPE, 1), 0.5) + 0.01 * found.images[0, :1]
    least = mei.ascend(
        simulate.gabor_rates,
        truth,
        start,
        [0],
        n_steps=80,
        project=PROJECT,
        objective="inhibit",
    )
    both = np.stack([least.images[0], found.images[0, 0]]).reshape(2, -1)
    assert np.corrcoef(both)[0, 1] < -0.8


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 12])
def test_trained_network_has_the_fields(seed):
    """Complex cells are learned last: with too few steps their images are noise."""
    n_targets, n_images, n_epochs, batch_size = 10, 2000, 35, 32
    key = jax.random.key(seed)
    truth = simulate.gabor_truth(key, SHAPE, n_targets)
    images, rates = simulate.gabor_neurons(key, n_images, SHAPE, n_targets)
    net = nn.Encoder(
        core=nn.ConvCore((12, 12), kernel_sizes=(9, 3), pooling=1),
        readout=nn.FactorizedReadout(n_targets),
        shape=(*SHAPE, 1),
        rngs=seed,
    )
    net.start_at(rates.mean(0))
    apply, variables = nn.functional(net)
    n_steps = n_epochs * (n_images // batch_size)
    fit = nn.train(
        apply,
        variables,
        (images - images.mean()) / images.std(),
        rates,
        key=key,
        n_epochs=n_epochs,
        batch_size=batch_size,
        optimizer=optax.adam(optax.cosine_decay_schedule(1e-2, n_steps)),
    )
    found = mei.ascend(
        *nn.fold(apply, fit.variables),
        0.05 * jax.random.normal(jax.random.key(1), (n_targets, *SHAPE, 1)),
        np.arange(n_targets),
        n_steps=150,
        project=mei.constrain(mean=0.0, std=0.25),
    )
    alike = [likeness(truth, found.images[i], i) for i in range(n_targets)]
    assert min(alike) > 0.8, np.round(alike, 2)
