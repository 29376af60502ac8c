import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import mei, simulate

KEY = jax.random.key(3)
SHAPE, N_TARGETS = (18, 26), 6
TARGETS = np.arange(N_TARGETS)
LEVELS = {"contrast": 0.1, "mean": 0.5}


def network(truth, images):
    """The planted neurons themselves."""
    return simulate.gabor_rates(truth, images)


@pytest.fixture(scope="module")
def truth():
    return simulate.gabor_truth(KEY, SHAPE, N_TARGETS)


@pytest.fixture(scope="module")
def gabors(truth):
    return mei.best_gabor(network, truth, SHAPE, TARGETS, low=0.0, high=1.0, **LEVELS)


def test_best_gabor_is_the_planted_one(truth, gabors):
    assert gabors.images.shape == (N_TARGETS, *SHAPE, 1)
    fit = mei.fit_gabor(gabors.images)
    turned = np.asarray(fit.orientation - truth.orientation + np.pi / 2) % np.pi
    assert np.rad2deg(abs(turned - np.pi / 2)).max() < 6
    assert_allclose(fit.wavelength, truth.wavelength, rtol=0.1)
    pixels = np.asarray(fit.center - truth.center) * SHAPE
    assert abs(pixels).max() < 0.5
    # A simple cell's phase is that of its field.
    first = np.asarray(truth.filters[0]).reshape(-1, N_TARGETS)
    shown = np.asarray(gabors.images).reshape(N_TARGETS, -1)
    for target in TARGETS[~np.asarray(truth.is_complex)]:
        assert np.corrcoef(first[:, target], shown[target])[0, 1] > 0.8


def test_best_gabor_is_matched_and_better_than_the_bank(truth, gabors):
    flat = np.asarray(gabors.images, float).reshape(N_TARGETS, -1)
    assert_allclose(flat.std(1), 0.1, rtol=0.01)
    assert_allclose(flat.mean(1), 0.5, atol=0.001)
    assert flat.min() >= 0
    assert flat.max() <= 1
    found = mei.responses(network, truth, gabors.images, TARGETS)
    assert_allclose(found, gabors.responses[-1], rtol=1e-4)
    assert_allclose(gabors.contrasts[-1], flat.std(1), rtol=1e-4)
    bank = mei.gabor(SHAPE, **vars(mei.gabor_bank(SHAPE)))[..., None]
    bank = mei.match(bank, low=0.0, high=1.0, **LEVELS)
    outputs = np.asarray(network(truth, bank))
    assert (np.nanmax(outputs, axis=0) <= found + 1e-3).all()


def test_fields_images_and_their_order(truth, gabors):
    images, rates = simulate.gabor_neurons(KEY, 40, SHAPE, N_TARGETS)
    best = mei.best_image(network, truth, images, TARGETS, batch_size=16, **LEVELS)
    matched = np.asarray(mei.match(images, **LEVELS))
    expected = np.asarray(network(truth, jnp.asarray(matched)))
    assert_allclose(best.responses[0], expected.max(0), rtol=1e-4)
    assert_allclose(best.images, matched[expected.argmax(0)], atol=1e-5)
    # Simple cells like their filter best of all images of a contrast.
    field = mei.linear_field(network, truth, images, TARGETS, **LEVELS)
    simple = TARGETS[~np.asarray(truth.is_complex)]
    shown = np.asarray(field.images).reshape(N_TARGETS, -1)
    first = np.asarray(truth.filters[0]).reshape(-1, N_TARGETS)
    for target in simple:
        assert np.corrcoef(first[:, target], shown[target])[0, 1] > 0.999
    assert (field.responses[0] >= gabors.responses[-1] - 1e-3)[simple].all()
    assert (gabors.responses[-1] > best.responses[0]).all()
    found = mei.advantage(gabors.responses[-1], best.responses[0], key=KEY)
    assert 1 < float(found.low) < float(found.mean) < float(found.high)
    assert float(found.share) == 1


@pytest.mark.slow
def test_levels_of_their_own(truth):
    images = simulate.gabor_neurons(KEY, 30, SHAPE, N_TARGETS)[0]
    contrast = np.linspace(0.05, 0.15, N_TARGETS)
    best = mei.best_image(network, truth, images, TARGETS, contrast=contrast, mean=0.4)
    assert_allclose(best.contrasts[0], contrast, rtol=1e-3)
    field = mei.linear_field(
        network, truth, images, TARGETS, contrast=contrast, mean=0.4
    )
    assert_allclose(mei.contrast(field.images), contrast, rtol=1e-3)
    assert_allclose(mei.luminance(field.images), 0.4, rtol=1e-4)


def test_members_and_weights(truth):
    both = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), truth)
    images = simulate.gabor_neurons(KEY, N_TARGETS, SHAPE, N_TARGETS)[0]
    alone = mei.responses(network, truth, images, TARGETS, batch_size=4)
    rates = np.asarray(network(truth, images))
    assert_allclose(alone, np.diag(rates), rtol=1e-5)
    together = mei.responses(network, both, images, TARGETS, n_members=2)
    assert_allclose(together, np.stack([alone, alone]), rtol=1e-5)
    weights = np.eye(N_TARGETS, dtype=np.float32) * 2
    assert_allclose(mei.responses(network, truth, images, weights), 2 * alone, 1e-5)


def test_match_holds_mean_contrast_and_range(rng, dtype):
    images = jnp.asarray(rng.random((3, 8, 9, 2)), dtype)
    found = mei.match(images, mean=[0.4, 0.5, 0.6], contrast=0.25, low=0.0, high=1.0)
    assert found.dtype == dtype
    assert_allclose(found.mean((1, 2, 3)), [0.4, 0.5, 0.6], atol=0.003)
    assert_allclose(found.std((1, 2, 3)), 0.25, rtol=0.01)
    assert float(found.min()) >= 0
    free = mei.match(images, mean=0.5, contrast=0.1)
    x = np.asarray(images[1], float)
    assert_allclose(free[1], 0.5 + 0.1 * (x - x.mean()) / x.std(), rtol=1e-3)
    flat = jnp.ones((1, 8, 9, 1), dtype)
    assert np.isnan(mei.match(flat, mean=0.5, contrast=0.1)).all()


def test_advantage_counts_what_has_a_ratio(rng, dtype):
    theirs = jnp.asarray(rng.uniform(1, 2, (3, 40)), dtype)
    ours = theirs * 1.3
    found = mei.advantage(ours, theirs, key=KEY)
    assert_allclose([found.low, found.mean, found.high], 1.3, rtol=1e-4)
    noisy = ours * jnp.asarray(np.exp(0.2 * rng.standard_normal((3, 40))), dtype)
    found = mei.advantage(noisy, theirs, key=KEY, n_draws=500)
    logs = np.log(np.asarray(noisy) / np.asarray(theirs))
    assert_allclose(found.mean, np.exp(logs.mean()), rtol=1e-4)
    spread = float(jnp.log(found.high / found.low)) / 3.92
    # Owen's bootstrap of both axes is a little wide, never narrow.
    narrow = logs.std() / np.sqrt(logs.size)
    assert narrow < spread < 3 * narrow
    dead = noisy.at[:, 0].set(-1)
    found = mei.advantage(dead, theirs, key=KEY, n_draws=50)
    assert np.isnan(found.ratio[0])
    assert int(found.n_targets) == 39


def test_bad_input(truth):
    images = simulate.gabor_neurons(KEY, 3, SHAPE, N_TARGETS)[0]
    options = {"low": 0.0, "high": 1.0, "mean": 0.5}
    with pytest.raises(ValueError, match=r"contrast is 0.6 but images of mean 0.5"):
        mei.match(images, contrast=0.6, **options)
    with pytest.raises(ValueError, match="contrast is 0.6 but images of mean 0.5"):
        mei.best_gabor(network, truth, SHAPE, [0], contrast=0.6, **options)
    with pytest.raises(ValueError, match="contrast is -1 but must be positive"):
        mei.match(images, contrast=-1, mean=0.5)
    with pytest.raises(ValueError, match="mean is 2 but must lie between low and high"):
        mei.match(images, contrast=0.1, mean=2.0, low=0.0, high=1.0)
    with pytest.raises(ValueError, match=r"contrast has shape \(2,\) but must be one"):
        mei.match(images, contrast=[0.1, 0.2], mean=0.5)
    with pytest.raises(ValueError, match="images has 3 entries but targets has 2"):
        mei.responses(network, truth, images, [0, 1])
    with pytest.raises(ValueError, match="images of shape|images has shape"):
        mei.best_gabor(network, truth, (8, 9), [0], contrast=0.1, mean=0.5)
    with pytest.raises(ValueError, match="n_starts is 0"):
        mei.best_gabor(network, truth, SHAPE, [0], n_starts=0, **LEVELS)
    with pytest.raises(ValueError, match=r"mean has shape \(2,\) but must be one"):
        mei.best_gabor(network, truth, SHAPE, [0], contrast=0.1, mean=[0.1, 0.2])
    with pytest.raises(ValueError, match="must hold height and width"):
        mei.best_gabor(network, truth, (8,), [0], **LEVELS)
    with pytest.raises(ValueError, match="batch_size is 0"):
        mei.responses(network, truth, images, [0, 1, 2], batch_size=0)
    flat = jnp.full_like(images, 0.5)
    with pytest.raises(ValueError, match="which none of the 3 images can have"):
        mei.best_image(network, truth, flat, [0], **LEVELS)
    some = images.at[1].set(0.5)
    with pytest.warns(UserWarning, match=r"1 of 3 images cannot .* \(first: \[1\]\)"):
        mei.best_image(network, truth, some, [0], **LEVELS)
    with pytest.raises(ValueError, match="controls has shape"):
        mei.advantage(np.ones(3), np.ones(4), key=KEY)
    with pytest.raises(ValueError, match="n_draws is 0"):
        mei.advantage(np.ones(3), np.ones(3), key=KEY, n_draws=0)


@pytest.mark.slow
def test_a_range_that_forbids_every_gabor_is_told(truth):
    # Small patches on an even ground cannot have half of the largest contrast.
    bank = mei.gabor_bank(SHAPE, wavelengths=(4.0,), grid=(1, 1))
    options = {"contrast": 0.48, "mean": 0.5, "low": 0.0, "high": 1.0}
    with pytest.warns(UserWarning, match="1 of 1 targets have no Gabor function"):
        found = mei.best_gabor(
            network, truth, SHAPE, [0], bank=bank, n_steps=1, **options
        )
    assert np.isnan(found.responses[-1, 0])
    assert not found.converged[0]
