import io
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import signal
from jaxneuro.core import ridge

SIZES = {"n_scales": 2, "n_orientations": 3, "grid": (2, 3)}


def grating(shape, wavelength, orientation, phase=0.4):
    row, column = np.indices(shape)
    along = np.cos(orientation) * column + np.sin(orientation) * row
    return np.cos(2 * np.pi * along / wavelength + phase)


def energy_of_formula(image, wavelength, orientation, grid, bandwidth=1.0):
    """Every filter as a whole image, on a mirrored one; every place summed alone."""
    ratio = (2**bandwidth + 1) / (2**bandwidth - 1)
    sigma = wavelength * np.sqrt(np.log(2) / 2) / np.pi * ratio
    pad = int(np.ceil(4 * sigma))
    x = np.pad(image - image.mean(), pad, mode="symmetric")
    row, column = np.indices(x.shape) - pad
    places, windows = [], []
    for n, g in zip(image.shape, grid, strict=True):
        m = g * int(np.ceil(n / (sigma * g)))
        place = (np.arange(m) + 0.5) * n / m - 0.5
        centre = (np.arange(g) + 0.5) * n / g - 0.5
        window = np.exp(-0.5 * ((place - centre[:, None]) / (n / g / 2)) ** 2)
        places.append(place)
        windows.append(window / window.sum(1, keepdims=True))
    energy = np.empty((places[0].size, places[1].size))
    for i, r in enumerate(places[0]):
        for j, c in enumerate(places[1]):
            dy, dx = row - r, column - c
            wave = 2 * np.pi / wavelength
            wave = wave * (np.cos(orientation) * dx + np.sin(orientation) * dy)
            # What lies beyond the reach of rows or columns is cut, as in a table.
            gauss = np.exp(-(dx**2 + dy**2) / (2 * sigma**2)) / (2 * np.pi * sigma**2)
            energy[i, j] = abs((2 * gauss * np.exp(1j * wave) * x).sum()) ** 2
    return windows[0] @ energy @ windows[1].T


@pytest.mark.parametrize("power", [1.0, 0.25])
def test_equals_the_formula(rng, dtype, power):
    images = rng.standard_normal((2, 14, 17)).astype(dtype)
    found = signal.gabor_energy(images, **SIZES, power=power)
    layout = signal.gabor_layout((14, 17), **SIZES)
    steps = np.unique(np.c_[layout.wavelength, layout.orientation], axis=0)
    expected = [
        [energy_of_formula(image, *step, (2, 3)).ravel() for step in steps]
        for image in images
    ]
    expected = np.reshape(expected, (2, -1)) ** power
    assert found.dtype == dtype
    # The tails of the Gaussian beyond four standard deviations are cut elsewhere.
    assert_allclose(found, expected, rtol=2e-3)


def test_a_grating_has_energy_one_at_its_place():
    layout = signal.gabor_layout((64, 64), grid=(4, 4))
    for wavelength, orientation in [(8.0, 0.0), (8.0, np.pi / 4), (16.0, np.pi / 2)]:
        image = 3 * grating((64, 64), wavelength, orientation)[None]
        energy = np.asarray(signal.gabor_energy(image, grid=(4, 4), power=0.5))[0]
        peak = (layout.wavelength == wavelength) & (layout.orientation == orientation)
        inner = (abs(layout.row - 31.5) < 16) & (abs(layout.column - 31.5) < 16)
        assert_allclose(energy[peak & inner], 3, rtol=0.03)
        assert energy[inner].argmax() in np.flatnonzero(peak[inner])


def test_a_patch_lights_its_corner():
    image = np.zeros((1, 40, 60))
    image[0, 25:39, 2:16] = grating((14, 14), 4.0, 0.0)
    layout = signal.gabor_layout((40, 60), grid=(3, 4))
    best = int(signal.gabor_energy(image, grid=(3, 4))[0].argmax())
    assert layout.wavelength[best] == 4
    assert layout.orientation[best] == 0
    assert (layout.row[best], layout.column[best]) == pytest.approx(
        (32.833, 7), abs=0.01
    )


def test_phase_and_brightness_do_not_matter():
    images = np.stack([grating((48, 48), 8, 0.0, p) for p in (0.0, 0.9, 2.0)])
    energy = signal.gabor_energy(images + [[[0.0]], [[5.0]], [[-2.0]]], grid=(3, 3))
    # The pools in the middle, away from the mirrors.
    middle = np.asarray(energy).reshape(3, 4, 8, 9)[:, 1, 0, 4]
    assert_allclose(middle, middle[0], rtol=0.01)


def test_blocks_arrays_and_channels_agree(rng, monkeypatch, tol, tmp_path):
    images = rng.integers(0, 256, (7, 14, 17), dtype=np.uint8)
    whole = signal.gabor_energy(images, **SIZES)
    np.save(tmp_path / "images.npy", images)
    on_disk = np.load(tmp_path / "images.npy", mmap_mode="r")
    monkeypatch.setattr("jaxneuro.signal._gabor._BUDGET", 100_000)
    for other in (on_disk, jnp.asarray(images), images[..., None], list(images)):
        assert_allclose(signal.gabor_energy(other, **SIZES), whole, **tol)


def test_flat_images_have_no_energy_and_a_slope(dtype):
    flat = jnp.full((1, 9, 9), 0.5, dtype)
    total = jax.grad(lambda x: signal.gabor_energy(x, n_scales=1, grid=(1, 1)).sum())
    assert_allclose(signal.gabor_energy(flat, n_scales=1, grid=(1, 1)), 0)
    assert np.isfinite(total(flat)).all()


def test_errors(rng):
    energy = signal.gabor_energy
    with pytest.raises(ValueError, match=r"images has shape \(5, 5\) but must be \(n_"):
        energy(rng.random((5, 5)))
    with pytest.raises(ValueError, match="average the channels first"):
        energy(rng.random((2, 9, 9, 3)))
    with pytest.raises(ValueError, match=r"images has images of the shapes \[\(9, 8\)"):
        energy([np.zeros((9, 9)), np.zeros((9, 8))])
    with pytest.raises(TypeError, match="images has dtype complex128"):
        energy(np.zeros((2, 9, 9), complex))
    with pytest.raises(ValueError, match="n_scales is 0 but must be at least 1"):
        energy(rng.random((2, 9, 9)), n_scales=0)
    with pytest.raises(ValueError, match=r"grid is \(10, 1\) but must hold"):
        energy(rng.random((2, 9, 9)), grid=(10, 1))
    with pytest.raises(ValueError, match="wavelength is 1 pixels but"):
        energy(rng.random((2, 9, 9)), grid=(1, 1), wavelength=1)
    for name in ("bandwidth", "power"):
        with pytest.raises(ValueError, match=f"{name} is 0 but must be positive"):
            energy(rng.random((2, 9, 9)), grid=(1, 1), **{name: 0})


def opponent_colours(archive):
    """Luminance, red against green, blue against yellow on a 7 x 7 grid."""
    image = pytest.importorskip("PIL.Image")
    with zipfile.ZipFile(archive) as file:
        names = sorted(name for name in file.namelist() if name.endswith(".jpg"))
        pictures = [image.open(io.BytesIO(file.read(name))) for name in names]
    cells = np.stack([np.asarray(p, np.float32) for p in pictures]) / 255
    red, green, blue = (
        cells.reshape(-1, 7, 16, 7, 16, 3).mean((2, 4)).transpose(3, 0, 1, 2)
    )
    gray = (red + green + blue) / 3
    opponents = np.stack([gray, red - green, blue - (red + green) / 2], axis=-1)
    return opponents.reshape(len(names), -1)


def held_out_correlation(features, responses, alpha, seed):
    """Mean over neurons on a fifth of the images."""
    order = np.random.default_rng(seed).permutation(len(features))
    test, train = np.split(order, [len(order) // 5])
    mean, scale = features[train].mean(0), features[train].std(0) + 1e-9
    x, y = (features - mean) / scale, responses - responses[train].mean(0)
    coef = ridge.solve_dual(
        jnp.asarray(x[train], jnp.float32), jnp.asarray(y[train], jnp.float32), alpha
    )
    predicted = x[test] @ np.asarray(coef)
    pairs = zip(predicted.T, y[test].T, strict=True)
    return np.mean([np.corrcoef(*pair)[0, 1] for pair in pairs])


@pytest.mark.slow
def test_predicts_neurons_of_v4(shared):
    """The published bar: 0.48 with colour, 0.17 on pixels."""
    folder = shared / "data" / "v4_natural_images"
    with np.load(folder / "v4_201025.npz") as data:
        images, responses = data["images56"], data["responses"]
    energy = np.asarray(signal.gabor_energy(images))
    colour = opponent_colours(folder / "images_201025.zip")
    both = np.concatenate([energy, colour], axis=1)
    pixels = images.reshape(1200, 28, 2, 28, 2).mean((2, 4)).reshape(1200, -1)

    def score(features):
        splits = [held_out_correlation(features, responses, 3e3, s) for s in range(5)]
        return np.mean(splits)

    assert score(both) > 0.48
    assert score(energy) > 0.41
    assert score(pixels) < 0.25
