"""Starts, restarts and halves of ensembles."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from numpy.testing import assert_allclose

from jaxneuro import mei

H, W = 5, 7


def test_agreement(rng, dtype, tol):
    images = rng.standard_normal((2, 3, H, W, 1))
    responses = rng.uniform(1, 2, (2, 3))
    got = mei.agreement(jnp.asarray(images, dtype), jnp.asarray(responses, dtype))
    expected = np.stack([np.corrcoef(each.reshape(3, -1)) for each in images])
    assert_allclose(got.correlations, expected, **tol)
    pairs = expected[:, [0, 0, 1], [1, 2, 2]]
    assert_allclose(got.diversity, 1 - pairs.mean(1), **tol)
    assert_allclose(got.spread, responses.std(1) / responses.mean(1), **tol)
    mask = np.zeros((H, W))
    mask[1:3, 2:6] = 1
    got = mei.agreement(
        jnp.asarray(images, dtype), jnp.asarray(responses, dtype), mask=mask
    )
    inside = images[:, :, mask > 0].reshape(2, 3, -1)
    expected = np.stack([np.corrcoef(each) for each in inside])
    assert_allclose(got.correlations, expected, **tol)


def energy(filters, images):
    """Complex cells: the energy of two filters."""
    drive = jnp.einsum("nhwc,hwcft->nft", images, filters, precision="highest")
    return (drive**2).sum(1)


def test_diversity_pulls_starts_apart(rng, dtype):
    filters = jnp.asarray(rng.standard_normal((H, W, 1, 2, 2)) / 6, dtype)
    filters, _ = jnp.linalg.qr(filters.reshape(H * W, 4))
    filters = filters.reshape(H, W, 1, 2, 2)
    start = rng.standard_normal((1, 1, H, W, 1)) + 0.1 * rng.standard_normal(
        (2, 3, H, W, 1)
    )
    options = {
        "n_steps": 300,
        "optimizer": optax.sgd(0.1),
        "project": mei.constrain(norm=1.0),
    }
    start = jnp.asarray(start, dtype)
    alone, apart = (
        mei.ascend(energy, filters, start, [0, 1], diversity=price, **options)
        for price in (0.0, 0.5)
    )
    first, second = (
        mei.agreement(each.images, each.responses[-1]) for each in (alone, apart)
    )
    # Three directions in a plane lie apart when each two make a third of a turn.
    assert (first.diversity < 0.2).all()
    assert_allclose(second.diversity, 1.5, atol=0.02)
    assert (second.spread < 0.01).all()
    assert_allclose(apart.responses[-1], 1, rtol=0.02)


def linear(weights, images):
    return jnp.einsum("nhwc,hwct->nt", images, weights, precision="highest")


def test_transfer(rng, dtype, tol):
    truth = rng.standard_normal((H, W, 1, 2))
    members = truth + rng.standard_normal((5, H, W, 1, 2))
    start = jnp.asarray(rng.standard_normal((2, H, W, 1)), dtype)
    got = mei.transfer(
        linear,
        jnp.asarray(members, dtype),
        start,
        [1, 0],
        n_members=5,
        n_steps=200,
        optimizer=optax.sgd(0.1),
        project=mei.constrain(norm=1.0),
    )
    halves = members[::2].mean(0), members[1::2].mean(0)
    for index, target in enumerate([1, 0]):
        own, others = (half[..., target] for half in halves)
        best = own / np.sqrt((own**2).sum())
        assert_allclose(got.mei.images[index], best, rtol=1e-3, atol=1e-4)
        assert_allclose(got.own[index], (best * own).sum(), rtol=1e-4)
        assert_allclose(got.others[index], (best * others).sum(), rtol=1e-3)
    assert_allclose(got.own, got.mei.responses[-1], **tol)


@pytest.mark.parametrize(
    ("shape", "responses", "mask", "message"),
    [
        ((2, 1, H, W, 1), (2, 1), None, "one start per target"),
        ((2, 3, H, W, 1), (2, 2), None, r"responses has shape \(2, 2\) but"),
        ((2, 3, H, W, 1), (2, 3), (H, 2), r"mask has shape \(5, 2\) but"),
        ((2, H, W, 1), (2, 3), None, "images has shape"),
    ],
)
def test_bad_shapes(shape, responses, mask, message):
    mask = None if mask is None else np.ones(mask)
    with pytest.raises(ValueError, match=message):
        mei.agreement(np.ones(shape), np.ones(responses), mask=mask)


def test_one_network_has_no_halves(dtype):
    with pytest.raises(ValueError, match="n_members is 1 but must be at least 2"):
        mei.transfer(
            linear, jnp.ones((1, H, W, 1, 2)), np.ones((1, H, W, 1)), [0], n_members=1
        )
