"""What is done to a gradient before it becomes a step."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.ndimage import gaussian_filter

from jaxneuro import mei


def transformed(transform, image):
    update, _ = transform.update(image, transform.init(image))
    return np.asarray(update)


@pytest.mark.parametrize("shape", [(6, 9), (7, 8)])
def test_filter_is_isotropic(shape, rng, dtype, tol):
    image = rng.standard_normal((*shape, 2))
    frequency = np.hypot(*np.meshgrid(*map(np.fft.fftfreq, shape), indexing="ij"))
    weights = np.maximum(frequency, 1 / max(shape)) ** -0.5
    spectrum = np.fft.fft2(image, axes=(0, 1)) * (weights / weights.mean())[:, :, None]
    expected = np.fft.ifft2(spectrum, axes=(0, 1)).real
    got = transformed(mei.scale_by_spectrum(0.5), jnp.asarray(image, dtype))
    assert_allclose(got, expected, **tol)


def diagonals(kind):
    """Energy that is left of white noise, on one diagonal over that on the other."""
    weights = mei.spectral_filter((60, 96), 0.25, kind=kind)
    rows, columns = (np.fft.fftfreq(n)[:, None] for n in (60, 96))
    side = rows * columns.T
    return (weights[side > 0] ** 2).sum() / (weights[side < 0] ** 2).sum()


def test_only_the_notebook_favours_a_diagonal(shared):
    meta = json.loads((shared / "golden" / "mei" / "meta.json").read_text())
    # The reference measured it in noise.
    assert_allclose(diagonals("notebook"), meta["fft_diag_energy_ratio"], rtol=0.01)
    assert_allclose(diagonals("isotropic"), 1, rtol=0.02)  # 96 rows of Nyquist


def test_bias_shows_in_noise(rng, dtype):
    noise = jnp.asarray(rng.standard_normal((60, 96, 40)), dtype)
    rows, columns = (np.fft.fftfreq(n)[:, None] for n in (60, 96))
    side = np.sign(rows * columns.T)
    ratio = {}
    for kind in ("notebook", "isotropic"):
        image = transformed(mei.scale_by_spectrum(0.25, kind=kind), noise)
        energy = (np.abs(np.fft.fft2(image, axes=(0, 1))) ** 2).mean(2)
        ratio[kind] = energy[side > 0].sum() / energy[side < 0].sum()
    assert max(ratio["notebook"], 1 / ratio["notebook"]) > 1.35
    assert_allclose(ratio["isotropic"], 1, atol=0.03)


@pytest.mark.parametrize("sigma", [0.1, 9.0])
def test_blur_is_scipys(sigma, rng, dtype, tol):
    image = rng.standard_normal((7, 10, 2))
    expected = gaussian_filter(image, (sigma, sigma, 0))
    got = transformed(mei.blur_updates(sigma), jnp.asarray(image, dtype))
    assert_allclose(got, expected, **tol)
    project = mei.constrain(blur=[3.0, sigma])
    assert_allclose(project(jnp.asarray(image, dtype), 1), expected, **tol)
    assert_allclose(project(jnp.asarray(image, dtype), 8), expected, **tol)


def test_mean_size(rng, dtype, tol):
    image = rng.standard_normal((5, 6, 1))
    got = transformed(mei.scale_by_mean_size(), jnp.asarray(image, dtype))
    assert_allclose(got, image / np.abs(image).mean(), **tol)
    nothing = jnp.zeros((5, 6, 1), dtype)
    assert not transformed(mei.scale_by_mean_size(), nothing).any()


def test_same_options_give_the_same_object():
    assert mei.scale_by_spectrum(0.3) is mei.scale_by_spectrum(0.3)


def test_blur_schedules():
    assert_allclose(mei.blur_schedule(4, 4, 1), [4, 3, 2, 1])
    sigma, expected = 7.0, []
    for step in range(1, 6):
        sigma += (0.001 - sigma) * step / 5
        expected.append(sigma)
    assert_allclose(mei.blur_schedule(5, 7, 0.001, kind="notebook"), expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mei.scale_by_spectrum(0.1, kind="pink"), "kind is 'pink' but must"),
        (lambda: mei.scale_by_spectrum(np.nan), "power is nan but must be finite"),
        (lambda: mei.blur_updates(0.0), "sigma is 0 but must be positive"),
        (lambda: mei.blur_schedule(3, 1, kind="cosine"), "kind is 'cosine'"),
    ],
)
def test_bad_options(call, message):
    with pytest.raises(ValueError, match=message):
        call()
