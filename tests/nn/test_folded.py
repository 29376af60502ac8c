"""Folded networks respond as the ones they are made of."""

import copy
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from numpy.testing import assert_allclose

from jaxneuro import nn

SHAPE = (12, 15, 2)
CORES = {
    "plain": {"kernel_sizes": (4, 3), "pooling": (2,)},
    "skip": {"kernel_sizes": 3, "skip": 2, "use_bias": True, "stack": -1},
    "separable": {"depth_separable": True, "batch_norm": False, "padding": "hidden"},
}
READOUTS = {
    "pyramid": lambda: nn.PyramidReadout(3, n_scales=2, positive=True),
    "gaussian": lambda: nn.GaussianReadout(3),
    "factorized": lambda: nn.FactorizedReadout(3),
    "dense": lambda: nn.DenseReadout(3),
}


@cache
def network(core, readout):
    """Random weights and running statistics, once for all tests."""
    rng = np.random.default_rng(4)
    net = nn.Encoder(
        core=nn.ConvCore((8, 9, 10), **CORES[core]),
        readout=READOUTS[readout](),
        shape=SHAPE,
        rngs=nnx.Rngs(1),
    )
    apply, variables = nn.functional(net)

    def shaken(path, leaf):
        noise = rng.uniform(0.2, 0.8, leaf.shape)
        if any(getattr(part, "key", "") == "center" for part in path):
            noise = noise - 0.5
        return jnp.asarray(noise if "var" in str(path) else noise - 0.3, leaf.dtype)

    return apply, jax.tree_util.tree_map_with_path(shaken, variables)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("core", "readout"),
    [
        ("plain", "pyramid"),
        pytest.param("skip", "gaussian", marks=pytest.mark.slow),
        pytest.param("separable", "factorized", marks=pytest.mark.slow),
        pytest.param("plain", "dense", marks=pytest.mark.slow),
    ],
)
def test_responses_and_slopes(core, readout, rng, dtype):
    apply, variables = network(core, readout)
    images = jnp.asarray(rng.standard_normal((4, *SHAPE)), dtype)
    expected = apply(variables, images)
    close = {"rtol": 1e-4, "atol": 1e-5 * float(np.abs(expected).max())}
    folded, own = nn.fold(apply, variables)
    assert_allclose(jax.jit(folded)(own, images), expected, **close)
    single, own = folded.narrow(own, jnp.int32(1))
    assert_allclose(jax.jit(single)(own, images), expected[:, 1:2], **close)
    slope = jax.grad(lambda x: apply(variables, x)[:, 1].sum())(images)
    got = jax.grad(lambda x: single(own, x).sum())(images)
    assert_allclose(got, slope, rtol=1e-3, atol=1e-4 * float(np.abs(slope).max()))


def test_equal_networks_fold_equally():
    apply, variables = network("plain", "pyramid")
    pair = [nn.fold(copy.copy(apply), variables)[0] for _ in range(2)]
    assert pair[0] == pair[1]
    assert hash(pair[0]) == hash(pair[1])


def test_images_of_another_size():
    apply, variables = nn.fold(*network("plain", "pyramid"))
    with pytest.raises(ValueError, match=r"x has shape \(1, 9, 9, 2\) but the network"):
        apply(variables, jnp.zeros((1, 9, 9, 2)))


def test_only_encoders_of_images():
    with pytest.raises(TypeError, match="must be the function of an Encoder"):
        nn.fold(lambda v, x: x, {})
