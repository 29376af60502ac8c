import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import ndimage

from jaxneuro import mei, signal


def test_discs():
    mask = np.asarray(mei.circular_mask((9, 13), radius=3.2, center=(0.1, -0.2)))
    for r in range(9):
        for c in range(13):
            away = np.hypot(r - 4 - 0.9, c - 6 + 2.6)
            assert mask[r, c] == (away <= 3.2)
    assert (
        mei.circular_mask((9, 13)).sum() == mei.circular_mask((9, 13), radius=4).sum()
    )
    even = np.asarray(mei.circular_mask((10, 16), radius=3))
    assert (even == even[::-1, ::-1]).all()
    # The compatible middle is a pixel, beside that of an image of even sides.
    assert np.asarray(mei.circular_mask((10, 16), radius=0, compat="notebook"))[5, 8]
    filled = mei.circular_mask((10, 16), compat="notebook")
    assert (filled == mei.circular_mask((10, 16), radius=5, compat="notebook")).all()


def test_estimated_mask_covers_what_stands_out(dtype):
    image = signal.gabor(
        (40, 60), wavelength=8.0, orientation=0.5, sigma=4.0, center=(0.1, -0.2)
    )
    rng = np.random.default_rng(0)
    noisy = jnp.asarray(image + 0.02 * rng.standard_normal((40, 60)), dtype)
    speck = noisy.at[35, 55].set(2.0)  # not the largest region
    mask = np.asarray(mei.estimate_mask(speck, threshold=1.0))
    assert mask.dtype == dtype
    assert 0 <= mask.min() < mask.max() <= 1 + 1e-6
    middle = ndimage.center_of_mass(mask)
    assert_allclose(middle, (19.5 + 4, 29.5 - 12), atol=0.7)
    assert mask[35, 55] < 0.01
    energy = np.asarray(image) ** 2
    assert (energy * mask).sum() > 0.97 * energy.sum()
    assert 100 < mask.sum() < 500


def test_steps_of_the_estimate_equal_those_of_scipy(rng):
    images = rng.standard_normal((3, 15, 22)).astype(np.float32)
    images = ndimage.gaussian_filter(images, (0, 1.5, 1.5))
    for image in images:
        away = abs(image - image.mean()) > image.std()
        near = np.ones((3, 3))
        padded = np.pad(away, 2)
        closed = ndimage.binary_closing(padded, near, iterations=2)[2:-2, 2:-2]
        label, n = ndimage.label(closed, near)
        counts = np.bincount(label.ravel(), minlength=n + 1)[1:]
        largest = label == 1 + counts.argmax()
        mask = np.asarray(mei.estimate_mask(image, threshold=1.0, sigma=0))
        assert set(np.unique(mask)) <= {0.0, 1.0}
        assert (mask[largest] == 1).all()
        # The hull adds no more than what lies between the region's ends.
        rows, columns = np.nonzero(largest)
        assert mask[: rows.min()].sum() == mask[rows.max() + 1 :].sum() == 0
        assert mask[:, : columns.min()].sum() == mask[:, columns.max() + 1 :].sum() == 0
        blurred = mei.estimate_mask(image, threshold=1.0, sigma=1.2)
        assert_allclose(blurred, ndimage.gaussian_filter(mask, 1.2), atol=1e-5)


def test_hull_is_convex():
    image = np.zeros((20, 30), np.float32)
    image[5:15, 5] = image[14, 5:20] = 1  # an L
    mask = np.asarray(mei.estimate_mask(image, n_closing=0, sigma=0))
    assert mask[13, 7] == mask[11, 6] == 1
    assert mask[6, 18] == mask[5, 12] == 0


def test_bad_input():
    with pytest.raises(ValueError, match="a disc without a pixel of an image of 8 x 9"):
        mei.circular_mask((8, 9), radius=1, center=(3.0, 0.0))
    with pytest.raises(ValueError, match="a disc without a pixel"):
        mei.circular_mask((8, 9), radius=-2)
    with pytest.raises(ValueError, match="must hold height and width"):
        mei.circular_mask((8, 9, 1))
    with pytest.raises(ValueError, match="compat is 'x'"):
        mei.circular_mask((8, 9), compat="x")
    flat = mei.estimate_mask(np.ones((8, 9)))
    assert float(flat.sum()) == 0
    with pytest.raises(ValueError, match="mask has no pixel"):
        mei.contrast(np.ones((8, 9), np.float32), mask=flat)
