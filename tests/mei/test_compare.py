import math

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import mei, signal

NAMES = ("mei", "gabor", "gabor3", "noise")
DISCS = {
    "c": ((0, 0), 12),
    "off": ((0, 3 / 96), 12),
    "r20": ((-5 / 60, -8 / 96), 20),
}


def notebook_wedges(power):
    """Angles between columns and rows of the transform, floored to sixteenths of pi."""
    height, width = power.shape
    row, column = np.indices(power.shape)
    angle = np.arctan2(row - height // 2, column - width // 2)
    bins = np.floor(angle / (np.pi / 16)).astype(int)
    bins -= bins.min()
    return np.bincount(bins.ravel(), power.ravel()) / np.bincount(bins.ravel())


def notebook_index(wedges, n_fold):
    turn = np.exp(2j * n_fold * np.arange(wedges.size) * np.pi / 16)
    return abs((wedges * turn).sum()) / wedges.sum()


def test_notebook_statistics(shared, x64):
    stored = np.load(shared / "golden/mei/image_stats.npz")
    for disc, (center, radius) in DISCS.items():
        options = {"radius": radius, "center": center, "compat": "notebook"}
        mask = mei.circular_mask((60, 96), **options)
        np.testing.assert_array_equal(mask, stored[f"mask_{disc}"])
        for name in NAMES:
            image = stored[f"{name}_img"].astype(float)
            inside = image[stored[f"mask_{disc}"]]
            area = math.pi * radius**2
            luminance = mei.luminance(image, mask=mask, area=area)
            contrast = mei.contrast(image, mask=mask)
            assert_allclose(luminance, inside.sum() / area, rtol=0, atol=1e-9)
            assert_allclose(contrast, inside.std(), rtol=1e-9)
            # The stored numbers were summed in float32.
            assert_allclose(luminance, stored[f"{name}_{disc}_lum"], atol=2e-7)
            assert_allclose(contrast, stored[f"{name}_{disc}_contrast"], atol=2e-7)
    assert int(stored["mask_count"]) == 441  # and pi r^2 is 452.4


@pytest.mark.parametrize("name", NAMES)
def test_notebook_symmetry(name, shared, x64):
    stored = np.load(shared / "golden/mei/image_stats.npz")
    for kept in ("", "_nodc"):
        image = stored[f"{name}_img"].astype(float)
        image = image - image.mean() if kept else image
        power = abs(np.fft.fftshift(np.fft.fft2(image))) ** 2
        wedges = notebook_wedges(power)
        found = mei.orientation_profile(image, compat="notebook")
        assert_allclose(found.power, wedges, rtol=1e-9, atol=1e-9 * wedges.max())
        assert found.angles.shape == (33,)
        # Stored from transforms in float32, whose error is relative to the largest.
        expected = stored[f"{name}{kept}_ptheta"]
        assert_allclose(found.power, expected, rtol=2e-7, atol=2e-7 * expected.max())
        index = [
            mei.symmetry_index(image, n_fold=n, compat="notebook") for n in (1, 2, 3)
        ]
        oracle = [notebook_index(wedges, n) for n in (1, 2, 3)]
        assert_allclose(index, oracle, rtol=0, atol=1e-9)
        assert_allclose(index, stored[f"{name}{kept}_si"], rtol=0, atol=1e-7)


def test_the_mean_alone_made_the_symmetry(shared):
    noise = np.load(shared / "golden/mei/image_stats.npz")["noise_img"]
    assert mei.symmetry_index(noise, compat="notebook") > 0.9
    assert mei.symmetry_index(noise) < 0.1


def test_gratings_and_plaids():
    place = {"wavelength": 6.0, "sigma": 1e4}
    one = signal.gabor((60, 96), orientation=0.7, **place)
    other = signal.gabor((60, 96), orientation=0.7 + np.pi / 2, **place)
    images = jnp.stack([one, one + other])
    mask = mei.circular_mask((60, 96), radius=24)
    index = mei.symmetry_index(images, mask=mask)
    assert index[0] > 0.9
    assert index[1] < 0.05
    assert mei.symmetry_index(images, n_fold=2, mask=mask)[1] > 0.8
    profile = mei.orientation_profile(images, mask=mask)
    assert_allclose(profile.preferred[0], 0.7, atol=0.01)
    assert abs(float(profile.angles[profile.power[0].argmax()]) - 0.7) < np.pi / 16
    content = mei.frequency_profile(images, mask=mask)
    assert_allclose(content.centroid, 1 / 6, rtol=0.03)
    assert content.frequencies[content.power[0].argmax()] == pytest.approx(1 / 6, 0.05)
    assert float(content.bandwidth.max()) < 0.5


def test_orientation_is_that_of_the_image_whatever_its_shape():
    for shape in ((40, 90), (90, 40)):
        image = signal.gabor(shape, wavelength=7.0, orientation=0.9, sigma=6.0)
        profile = mei.orientation_profile(image)
        assert_allclose(profile.preferred, 0.9, atol=0.02)


def test_profiles_equal_loops(rng, tol, dtype):
    image = jnp.asarray(rng.standard_normal((9, 12)), dtype)
    mask = rng.random((9, 12))
    weight = mask / mask.sum()
    x = np.asarray(image, float)
    mean = (weight * x).sum()
    assert_allclose(mei.luminance(image, mask=mask), mean, **tol)
    std = np.sqrt((weight * (x - mean) ** 2).sum())
    assert_allclose(mei.contrast(image, mask=mask), std, **tol)
    power = abs(np.fft.fftshift(np.fft.fft2((x - mean) * mask))) ** 2
    found = mei.power_spectrum(image, mask=mask)
    assert_allclose(found, power, rtol=1e-3, atol=1e-4)
    assert mei.power_spectrum(image)[4, 6] < 1e-6
    wedges, rings = [[] for _ in range(4)], [[] for _ in range(3)]
    weights = []
    for r, down in enumerate(np.fft.fftshift(np.fft.fftfreq(9))):
        for c, across in enumerate(np.fft.fftshift(np.fft.fftfreq(12))):
            size = np.hypot(down, across)
            if not 0 < size <= 0.5:
                continue
            turn = np.arctan2(down, across) % np.pi
            wedges[round(turn * 4 / np.pi) % 4].append(power[r, c])
            rings[int(np.ceil(6 * size - 1e-9)) - 1].append(power[r, c])
            weights.append((power[r, c], size, turn))
    profile = mei.orientation_profile(image, mask=mask, n_bins=4)
    assert_allclose(profile.power, [np.mean(w) for w in wedges], rtol=1e-3)
    content = mei.frequency_profile(image, mask=mask, n_bins=3)
    rings = [np.mean(ring) for ring in rings]
    assert_allclose(content.power, rings, rtol=1e-3)
    p, size, turn = np.array(weights).T
    assert_allclose(content.centroid, (p * size).sum() / p.sum(), rtol=1e-4)
    octaves = np.log2(size)
    middle = (p * octaves).sum() / p.sum()
    spread = np.sqrt((p * (octaves - middle) ** 2).sum() / p.sum())
    assert_allclose(content.bandwidth, spread, rtol=1e-3)
    slope = np.polyfit(np.log(content.frequencies), np.log(rings), 1)[0]
    assert_allclose(content.slope, slope, rtol=1e-3)
    angle = np.angle((p * np.exp(2j * turn)).sum()) / 2 % np.pi
    assert_allclose(profile.preferred, angle, rtol=1e-3)


def test_channels_and_stacks():
    images = np.arange(2 * 4 * 5 * 3, dtype=np.float32).reshape(2, 4, 5, 3)
    assert_allclose(mei.luminance(images), images.mean((1, 2, 3)), rtol=1e-6)
    assert_allclose(mei.contrast(images[0, :, :, 0]), images[0, :, :, 0].std())


def test_flat_images_have_no_symmetry():
    flat = np.ones((8, 10), np.float32)
    assert float(mei.contrast(flat)) == 0
    assert np.isnan(mei.symmetry_index(flat))
    assert np.isnan(mei.orientation_profile(flat).preferred)
    content = mei.frequency_profile(flat)
    assert np.isnan([content.centroid, content.bandwidth, content.slope]).all()


def test_bad_input():
    image = np.ones((6, 8), np.float32)
    with pytest.raises(ValueError, match="image has shape .* but must be"):
        mei.contrast(np.ones(5))
    with pytest.raises(ValueError, match="which holds no pixel"):
        mei.contrast(np.ones((0, 5)))
    with pytest.raises(
        ValueError, match=r"mask has shape \(8, 6\) but the images need"
    ):
        mei.luminance(image, mask=np.ones((8, 6)))
    with pytest.raises(ValueError, match="mask has no pixel; give a larger radius"):
        mei.contrast(image, mask=np.zeros((6, 8)))
    masks = np.ones((2, 6, 8))
    masks[1] = 0
    with pytest.raises(ValueError, match="mask has no pixel for image 1"):
        mei.power_spectrum(np.stack([image, image]), mask=masks)
    with pytest.raises(ValueError, match="compat is 'matlab'"):
        mei.symmetry_index(image, compat="matlab")
    with pytest.raises(ValueError, match="n_fold is 0"):
        mei.symmetry_index(image, n_fold=0)
    with pytest.raises(ValueError, match="n_bins is 1 but must be at least 2"):
        mei.orientation_profile(image, n_bins=1)
    with pytest.raises(ValueError, match="half the shorter side, 3"):
        mei.frequency_profile(image, n_bins=9)
