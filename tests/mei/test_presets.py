"""Options of published ascents, one step after the other in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.ndimage import gaussian_filter

from jaxneuro import mei
from jaxneuro.mei import _setup

H, W = 9, 11


def linear(weights, images):
    return jnp.einsum("nhwc,hwct->nt", images, weights, precision="highest")


@pytest.fixture
def problem(rng, dtype):
    weights, start = rng.standard_normal((H, W, 1, 1)), rng.standard_normal((H, W))
    arrays = (weights, start[None, :, :, None])
    return [jnp.asarray(x, dtype) for x in arrays], weights[:, :, 0, 0], start


def test_walker(problem, tol):
    (weights, start), slope, image = problem
    found = mei.ascend(linear, weights, start, [0], **mei.walker2019(-1, 1, n_steps=4))
    rows, columns = (np.minimum(np.arange(n), n - 1 - np.arange(n)) for n in (H, W))
    square = rows[:, None] ** 2 + columns[None] ** 2
    weigh = 1 / np.maximum(1, square**0.1)
    smooth = np.fft.ifft2(np.fft.fft2(slope) * weigh / weigh.mean()).real
    for step in range(4):
        size = 1 / 850 + (1 / 20400 - 1 / 850) * step / 4
        image = np.clip(image + size * smooth / np.abs(smooth).mean(), -1, 1)
        image = gaussian_filter(image, 1.5 + (0.01 - 1.5) * step / 4)
    assert_allclose(found.images[0, :, :, 0], image, **tol)


@pytest.mark.slow
def test_egg_ga(problem, tol):
    (weights, start), slope, image = problem
    found = mei.ascend(linear, weights, start, [0], **mei.egg_ga(n_steps=3))
    smooth, mean, square = gaussian_filter(slope, 1.0), 0.0, 0.0
    for step in range(1, 4):
        mean = 0.9 * mean + 0.1 * smooth
        square = 0.999 * square + 0.001 * smooth**2
        move = mean / (1 - 0.9**step)
        move = move / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
        image = image + 10 * (move - 0.01 * image)
        image = 25 * image / np.sqrt((image**2).sum())
    assert_allclose(found.images[0, :, :, 0], image, rtol=1e-3, atol=1e-3)
    assert_allclose(found.norms[-1], 25, **tol)


def test_group_fits_the_budget(problem, monkeypatch):
    (weights, start), *_ = problem
    starts = start[None]
    assert _setup.group_size(linear, weights, starts, None, None) is None
    assert _setup.group_size(linear, weights, starts, None, 7) == 7
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    many = _setup.group_size(linear, weights, starts, None, None)
    monkeypatch.setattr(_setup, "_BUDGET", _setup._BUDGET // 8)
    few = _setup.group_size(linear, weights, starts, None, None)
    assert 1 < few <= many // 8 + 1
    members = jnp.stack([weights] * 4)
    shared = _setup.group_size(linear, members, starts, 4, None)
    assert shared == pytest.approx(few / 4, abs=1)
    monkeypatch.setattr(_setup, "_BUDGET", 1)
    assert _setup.group_size(linear, weights, starts, None, None) is None
