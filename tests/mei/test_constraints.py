"""What images must be, and what they pay for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import mei


@pytest.fixture
def image(rng, dtype):
    return jnp.asarray(rng.standard_normal((7, 9, 1)) + 0.4, dtype)


def test_mean_and_std(image, tol):
    got = np.asarray(mei.constrain(mean=0.5, std=0.2)(image, 0))
    x = np.asarray(image)
    assert_allclose(got, 0.5 + 0.2 * (x - x.mean()) / x.std(), **tol)


def test_norm(image, tol):
    got = np.asarray(mei.constrain(norm=3.0)(image, 0))
    x = np.asarray(image)
    assert_allclose(got, 3 * x / np.sqrt((x**2).sum()), **tol)
    small = mei.constrain(norm=1e3, at_most=True)(image, 0)
    assert_allclose(small, x, **tol)


def test_range(image, tol):
    got = mei.constrain(low=-0.3, high=0.8)(image, 0)
    assert_allclose(got, np.clip(image, -0.3, 0.8), **tol)
    got = mei.constrain(low=-1, high=3, rescale=True)(image, 0)
    x = np.asarray(image)
    assert_allclose(got, -1 + 4 * (x - x.min()) / (x.max() - x.min()), **tol)
    flat = mei.constrain(low=0, high=1, rescale=True)(jnp.ones_like(image), 0)
    assert_allclose(flat, 0.5, **tol)


def test_contrast_within_a_range(image):
    got = mei.constrain(mean=0.5, std=0.2, low=0, high=1)(image, 0)
    assert got.min() >= 0
    assert got.max() <= 1
    assert_allclose(got.std(), 0.2, rtol=0.01)
    assert_allclose(got.mean(), 0.5, rtol=0.01)


def test_mask(image, tol):
    mask = np.zeros((7, 9))
    mask[2:5, 3:8] = 1
    x, inside = np.asarray(image), mask > 0
    got = np.asarray(mei.constrain(mean=0.1, std=0.3, mask=mask)(image, 0))
    assert_allclose(got[~inside], x[~inside])
    assert_allclose(got[inside].mean(), 0.1, **tol)
    assert_allclose(got[inside].std(), 0.3, **tol)
    got = np.asarray(mei.constrain(norm=2.0, mask=mask)(image, 0))
    assert_allclose(np.sqrt((got[inside] ** 2).sum()), 2, **tol)
    assert_allclose(got[~inside], x[~inside])


def test_new_numbers_compile_nothing(image):
    count = []

    @jax.jit
    def impose(project, image):
        count.append(1)
        return project(image, 0)

    for std in (0.1, 0.2, 0.3):
        assert_allclose(impose(mei.constrain(std=std), image).std(), std, rtol=1e-5)
    assert len(count) == 1


def test_penalties(image, rng, dtype, tol):
    x = np.asarray(image)
    got = mei.contrast_penalty(0.3, 2.0, ddof=1)(image)
    assert_allclose(got, 2 * abs(0.3 - x.std(ddof=1)), **tol)
    expected = np.abs(np.diff(x, axis=0)).sum() + np.abs(np.diff(x, axis=1)).sum()
    assert_allclose(mei.total_variation(0.5)(image), expected / 2, **tol)
    expected = (np.abs(x - 0.1) ** 3).sum() ** (1 / 3)
    assert_allclose(mei.lp_penalty(1.5, 3, center=0.1)(image), 1.5 * expected, **tol)
    others = rng.standard_normal((4, 7, 9, 1))
    expected = np.corrcoef(np.stack([x, *others]).reshape(5, -1))[0, 1:].mean()
    got = mei.similarity_penalty(jnp.asarray(others, dtype), 3.0)(image)
    assert_allclose(got, 3 * expected, **tol)


@pytest.mark.parametrize(
    "penalty",
    [
        mei.contrast_penalty(0.1),
        mei.total_variation(),
        mei.lp_penalty(),
        mei.similarity_penalty(np.ones((2, 4, 5, 1))),
    ],
)
def test_slopes_of_a_flat_image_are_finite(penalty, dtype):
    slope = jax.grad(lambda image: penalty(image).sum())(jnp.zeros((4, 5, 1), dtype))
    assert np.isfinite(slope).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"std": 0.1, "norm": 1}, "give one of them"),
        ({"std": -1}, "std is -1 but must be positive"),
        ({"low": 1, "high": 0}, "low is 1 but must be below high"),
        ({"mean": 2, "low": 0, "high": 1}, "mean is 2 but must lie between"),
        ({"std": 0.6, "low": 0, "high": 1}, r"at most 0\.5\."),
        ({"std": 0.4, "mean": 0.1, "low": 0, "high": 1}, "at most 0.3 at this mean"),
        ({"rescale": True}, "needs both low and high"),
        ({"rescale": True, "low": 0, "high": 1, "std": 0.1}, "leaves neither"),
        ({"blur": [1, np.nan]}, "must hold finite numbers"),
        ({"blur": []}, "must hold finite numbers"),
        ({"mask": np.zeros((3, 4))}, "mask is empty"),
    ],
)
def test_contradictions(options, message):
    with pytest.raises(ValueError, match=message):
        mei.constrain(**options)


def test_mask_of_another_size(image):
    with pytest.raises(ValueError, match=r"mask has shape \(3, 4\) but the images"):
        mei.constrain(std=0.1, mask=np.ones((3, 4)))(image, 0)


def test_penalty_that_is_no_norm():
    with pytest.raises(ValueError, match=r"p is 0.5 but must be at least 1"):
        mei.lp_penalty(p=0.5)
