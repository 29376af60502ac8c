"""The fixed first stage of Gabor energy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import io, nn
from jaxneuro.signal import gabor_energy

OPTIONS = {"n_scales": 2, "n_orientations": 3, "grid": (4, 5)}


@pytest.fixture
def front():
    return nn.GaborFront((16, 20, 3), **OPTIONS)


def test_maps(rng, front, dtype, tol):
    """Energy of luminance and of both opponent pairs, then their means."""
    red, green, blue = rgb = rng.random((3, 6, 16, 20)).astype(dtype)
    maps = front(np.moveaxis(rgb, 0, 3))
    assert maps.shape == (6, *front.out_shape) == (6, 4, 5, 3 * 6 + 3)
    assert len(front.scale) == 21
    channels = [rgb.mean(0), red - green, blue - (red + green) / 2]
    for index, channel in enumerate(channels):
        energy = gabor_energy(channel, **OPTIONS).reshape(6, 6, 4, 5)
        got = np.moveaxis(maps[..., 6 * index : 6 * index + 6], 3, 1)
        assert_allclose(got, energy, rtol=tol["rtol"], atol=1e-4)
        row = np.exp(-0.5 * ((np.arange(16) - 5.5) / 2) ** 2)
        column = np.exp(-0.5 * ((np.arange(20) - 9.5) / 2) ** 2)
        window = np.outer(row / row.sum(), column / column.sum())
        expected = (window * channel).sum((1, 2))
        assert_allclose(maps[:, 1, 2, 18 + index], expected, rtol=10 * tol["rtol"])


def test_bytes_and_blocks(rng, front, monkeypatch, tol):
    """Bytes count as 0 to 1, and blocks do not change the maps."""
    images = rng.integers(0, 256, (7, 16, 20, 3), np.uint8)
    whole = front(images)
    assert_allclose(front(images / whole.dtype.type(255)), whole, rtol=1e-3, atol=1e-4)
    monkeypatch.setattr("jaxneuro.nn._gabor._BLOCK", 3)
    assert_allclose(front(images), whole, rtol=1e-3, atol=1e-4)


def test_gray(rng, dtype):
    front = nn.GaborFront((16, 20, 1), **OPTIONS)
    assert front(rng.random((2, 16, 20, 1)).astype(dtype)).shape == (2, 4, 5, 7)
    assert front.out_shape == (4, 5, 7)


def test_joined_network(tmp_path, rng, front, dtype):
    """The join predicts, has a slope in the image, and comes back from a file."""
    net = nn.Encoder(
        core=nn.ConvCore((6,), kernel_sizes=4, pooling=1, input_scale=front.scale),
        readout=nn.DenseReadout(2),
        shape=front.out_shape,
        rngs=0,
    )
    apply, variables = nn.functional(net)
    whole = front.network(apply)
    assert whole == nn.GaborFront((16, 20, 3), **OPTIONS).network(apply)
    images = jnp.asarray(rng.random((3, 16, 20, 3)), dtype)
    got = whole(variables, images)
    assert_allclose(got, apply(variables, front(images)), rtol=1e-4)
    slope = jax.grad(lambda x: whole(variables, x).sum())(images)
    assert np.isfinite(slope).all()
    assert np.abs(slope).max() > 0
    history, zero = np.zeros(2), np.asarray(0)
    fit = nn.TrainResult(
        apply=whole,
        variables=variables,
        train_loss=history,
        validation_loss=history,
        best_epoch=zero,
        failed_epoch=zero,
    )
    io.save(tmp_path / "fit.npz", fit)
    found = io.load(tmp_path / "fit.npz")
    assert found.apply == whole
    np.testing.assert_array_equal(found.apply(found.variables, images), got)


def test_bad_input(front):
    with pytest.raises(ValueError, match="must be .height, width, channels. with 1"):
        nn.GaborFront((16, 20, 2))
    with pytest.raises(ValueError, match="wavelength is 1 pixels"):
        nn.GaborFront((16, 20, 1), wavelength=1)
    with pytest.raises(ValueError, match="images has shape .2, 16, 20, 1. but the sta"):
        front(np.zeros((2, 16, 20, 1)))
