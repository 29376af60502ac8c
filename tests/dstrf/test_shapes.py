import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import dstrf

KEY = jax.random.key(2)


@pytest.mark.parametrize("n_times", [9, 40])
def test_components_are_singular_vectors(rng, dtype, n_times):
    d = (rng.standard_normal((n_times, 2, 4, 5)) + 1).astype(dtype)
    got = dstrf.components(d, 3, outlier=None)
    for target in range(2):
        flat = d[:, target].reshape(n_times, -1).astype(float)
        _, s, v = np.linalg.svd(flat, full_matrices=False)
        v = v[:3] * np.sign(v[:3] @ flat.mean(0))[:, None]
        found = got.fields[:, target].reshape(3, -1)
        assert_allclose(found, v, rtol=0, atol=1e-5)
        magnitude = np.sqrt(((flat @ v.T) ** 2).mean(0))
        assert_allclose(got.magnitude[:, target], magnitude, rtol=1e-5)
        assert_allclose(got.share[:, target], s[:3] ** 2 / (s**2).sum(), rtol=1e-5)


def test_components_without_outliers_and_of_nothing(rng, dtype):
    d = np.tile(rng.standard_normal((1, 2, 4, 5)), (30, 1, 1, 1)).astype(dtype)
    d[:, 1] = 0
    clean = dstrf.components(d)
    assert_allclose(clean.share[:, 0], [1, 0, 0], atol=1e-6)
    assert np.isnan(clean.share[:, 1]).all()
    assert np.isnan(clean.fields[:, 1]).all()
    d[7, 0] += 300 * rng.standard_normal((4, 5)).astype(dtype)
    # One frame moves the mean, too: less than its own distance from it.
    assert dstrf.components(d, outlier=5).share[0, 0] == pytest.approx(1, abs=1e-6)
    assert dstrf.components(d, outlier=None).share[0, 0] < 1 - 1e-6


def test_components_beyond_the_frames(rng, dtype):
    d = rng.standard_normal((2, 1, 3, 2)).astype(dtype)
    got = dstrf.components(d, 4, outlier=None)
    assert_allclose(got.fields[2:], 0)
    assert_allclose(got.share.sum(0), 1, rtol=1e-5)


def test_clusters_are_the_planted_shapes(rng, dtype):
    planted = rng.standard_normal((3, 4, 5))
    planted /= np.sqrt((planted**2).sum((1, 2), keepdims=True))
    label = np.repeat([0, 1, 2], [60, 30, 10])[rng.permutation(100)]
    gain = rng.uniform(0.5, 4, 100)[:, None, None]
    frames = gain * (planted[label] + 0.02 * rng.standard_normal((100, 4, 5)))
    d = np.stack([frames, frames[::-1]], axis=1).astype(dtype)
    got = dstrf.clusters(KEY, d, 3)
    assert_allclose(got.share, [[0.6] * 2, [0.3] * 2, [0.1] * 2], rtol=1e-6)
    assert np.array_equal(got.label[:, 0], label)
    assert np.array_equal(got.label[:, 1], label[::-1])
    for target in range(2):
        assert_allclose(got.fields[:, target], planted, atol=0.05)


def test_equal_frames_are_one_cluster(dtype):
    d = np.ones((9, 1, 3, 2), dtype)
    d[4] = 0
    got = dstrf.clusters(KEY, d, 3)
    assert_allclose(np.sort(got.share[:, 0]), [0, 1 / 9, 8 / 9], rtol=1e-6)
    assert np.isfinite(got.fields).all()


def test_errors(dtype):
    d = np.ones((4, 1, 3, 2), dtype)
    with pytest.raises(ValueError, match="n_components is 0 but must be 1 or more"):
        dstrf.components(d, 0)
    with pytest.raises(ValueError, match="n_clusters is 5 but must be from 1 to the"):
        dstrf.clusters(KEY, d, 5)
    with pytest.raises(ValueError, match="outlier is -1 but must be"):
        dstrf.components(d, outlier=-1)


@pytest.mark.parametrize("mode", ["rev", "fwd"])
def test_gradient_fields(rng, dtype, tol, mode):
    filters = rng.standard_normal((4, 5, 1, 3)).astype(dtype)
    images = rng.standard_normal((6, 4, 5, 1)).astype(dtype)

    def apply(filters, x):
        drive = jnp.einsum("nhwc,hwct->nt", x, filters, precision="highest")
        return jnp.tanh(drive)

    drive = np.einsum("nhwc,hwct->nt", images, filters)
    expected = (1 - np.tanh(drive) ** 2)[:, :, None, None, None] * np.moveaxis(
        filters, 3, 0
    )
    got = dstrf.gradient_fields(apply, filters, images, mode=mode)
    assert_allclose(got, expected, **tol)
    chosen = dstrf.gradient_fields(apply, filters, images, targets=[2, 0], mode=mode)
    assert_allclose(chosen, expected[:, [2, 0]], **tol)
    with pytest.raises(ValueError, match="apply gives 2 outputs for 3 windows"):
        dstrf.gradient_fields(lambda v, x: x[1:, 0, 0], None, images)
