import json

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import mei

# Of the closed form against sampled waves turned by splines, as its docstring states.
ERRORS = [1e-7, 0.078, 1e-7, 1.2e-3, 1.2e-3, 1.3e-3]


def stored_gabors(shared):
    stored = np.load(shared / "golden/mei/gabor.npz")
    params = json.loads(str(stored["params"]))
    return params, [stored[f"g{index}"] for index in range(6)], stored


def test_presented_gabors_equal_those_of_the_notebook(shared, x64):
    params, images, stored = stored_gabors(shared)
    for one, image, error in zip(params, images, ERRORS, strict=True):
        gabors = mei.presented_gabors((60, 96), **one)
        (drawn,) = mei.gabor((60, 96), **vars(gabors))
        assert_allclose(drawn, image, rtol=0, atol=error)
    together = {name: [one[name] for one in params] for name in params[0]}
    many = mei.presented_gabors((60, 96), **together)
    drawn = mei.gabor((60, 96), **vars(many))
    assert drawn.shape == (6, 60, 96)
    # Of four presented ones, the three best, stretched to the range from 0 to 1.
    counts = np.array([[3.0], [2.0], [2.0], [1.0]])
    shown = jnp.asarray(np.stack(images[:4])[..., None])
    mean = mei.best_presented(shown, jnp.asarray(counts, shown.dtype))
    assert_allclose(mean[0, :, :, 0], stored["mean3_scaled"], atol=1e-6)
    closed = mei.best_presented(drawn[:4, :, :, None], counts)
    # The range of the mean, which divides the error, is about two thirds.
    assert_allclose(closed[0, :, :, 0], stored["mean3_scaled"], atol=0.078)


def test_fit_finds_the_gabors_of_the_notebook(shared, x64):
    params, images, _ = stored_gabors(shared)
    fit = mei.fit_gabor(np.stack(images).astype(float))
    assert_allclose(fit.wavelength, [one["wavelength"] for one in params], rtol=1e-4)
    assert_allclose(fit.sigma, [one["sigma"] for one in params], rtol=1e-3)
    assert (np.asarray(fit.r2) > [0.999, 0.998, 0.999, 0.999, 0.999, 0.999]).all()
    assert fit.converged.all()


@pytest.mark.slow
def test_fit_recovers_many_gabors_in_noise(rng, dtype):
    n, shape = 150, (36, 64)
    truth = {
        "wavelength": rng.uniform(5, 20, n),
        "orientation": rng.uniform(0, np.pi, n),
        "phase": rng.uniform(-np.pi, np.pi, n),
        "center": rng.uniform(-0.25, 0.25, (n, 2)),
    }
    truth["sigma"] = truth["wavelength"] * rng.uniform(0.25, 0.7, n)
    clean = np.asarray(mei.gabor(shape, **truth))
    noise = rng.standard_normal(clean.shape) * clean.std((1, 2), keepdims=True)
    fit = mei.fit_gabor((2 + 3 * (clean + 0.1 * noise)).astype(dtype))
    assert np.median(fit.r2) == pytest.approx(1 / 1.01, abs=0.002)
    assert np.min(fit.r2) > 0.98
    away = (fit.orientation - truth["orientation"] + np.pi / 2) % np.pi - np.pi / 2
    assert np.rad2deg(abs(away)).max() < 1
    assert_allclose(fit.wavelength, truth["wavelength"], rtol=0.02)
    assert_allclose(fit.center, truth["center"], atol=0.01)
    drawn = mei.gabor(
        shape,
        **{name: getattr(fit, name) for name in truth},
    )
    amplitude = np.asarray(fit.amplitude)[:, None, None]
    model = np.asarray(fit.offset)[:, None, None] + amplitude * np.asarray(drawn)
    assert_allclose(model, 2 + 3 * clean, atol=0.25)
    assert fit.converged.all()


def test_a_flat_image_has_no_gabor():
    fit = mei.fit_gabor(np.full((6, 7), 0.5, np.float32))
    assert np.isnan(fit.r2)
    assert not fit.converged


def test_bank_holds_every_combination():
    bank = mei.gabor_bank(
        (36, 64), wavelengths=(4.0, 8.0), n_orientations=2, n_phases=3, grid=(2, 4)
    )
    assert bank.center.shape == (2 * 2 * 3 * 8, 2)
    rows = np.column_stack([np.asarray(part) for part in vars(bank).values()])
    assert np.unique(rows, axis=0).shape[0] == 96
    assert_allclose(bank.sigma, 0.4 * bank.wavelength, rtol=1e-6)
    assert_allclose(np.unique(bank.center[:, 1]), [-0.375, -0.125, 0.125, 0.375])
    assert_allclose(np.unique(bank.orientation), [0, np.pi / 2], rtol=1e-6)
    default = mei.gabor_bank((36, 64))
    assert float(default.wavelength.max()) == pytest.approx(18)


def test_bad_input():
    with pytest.raises(ValueError, match="n_phases is"):
        mei.gabor_bank((8, 9), n_phases=0)
    with pytest.raises(ValueError, match="wavelengths is -2 but must be positive"):
        mei.gabor_bank((8, 9), wavelengths=(4, -2))
    with pytest.raises(ValueError, match="but must be of one length"):
        mei.presented_gabors(
            (8, 9), wavelength=[4, 5], orientation=[1, 2, 3], phase=0, sigma=2
        )
    images = np.ones((4, 5, 6, 1), np.float32)
    with pytest.raises(ValueError, match="n_best is 5 but must be from 1"):
        mei.best_presented(images, np.ones((4, 2), np.float32), n_best=5)
    with pytest.raises(ValueError, match="responses has 3 images but images has 4"):
        mei.best_presented(images, np.ones((3, 2), np.float32))
