"""State dicts of PyTorch as variables of our networks."""

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from jaxneuro import io, nn


class Tensor:
    """What a tensor looks like from outside."""

    def __init__(self, values):
        self.values = values

    def detach(self):
        return self

    def cpu(self):
        return self

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)


@pytest.fixture
def variables():
    core = nn.ConvCore((2, 3), kernel_sizes=3, use_bias=True, depth_separable=True)
    net = nn.Encoder(
        core=core, readout=nn.FactorizedReadout(4), shape=(8, 6, 1), rngs=0
    )
    return nn.functional(net)[1]


@pytest.fixture
def state(rng):
    shapes = {
        "core.features.layer0.conv.weight": (2, 1, 3, 3),
        "core.features.layer0.conv.bias": (2,),
        "core.features.layer1.ds_conv.in_depth_conv.weight": (3, 2, 1, 1),
        "core.features.layer1.ds_conv.spatial_conv.weight": (3, 1, 3, 3),
        "core.features.layer1.ds_conv.out_depth_conv.weight": (3, 3, 1, 1),
        "core.features.layer1.conv.bias": (3,),
        "readout._spatial": (4, 4, 3),
        "readout._features": (4, 5),
        "readout.bias": (4,),
    }
    for layer, n in enumerate((2, 3)):
        for field in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"core.features.layer{layer}.norm.{field}"] = (n,)
    values = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    values["core.features.layer0.norm.num_batches_tracked"] = np.array(7)
    return {name: Tensor(value) for name, value in values.items()}


def test_every_array_finds_its_place(variables, state):
    got = io.from_torch(state, variables)
    layers = got["params"]["core"]["layers"]
    kernel = np.asarray(state["core.features.layer0.conv.weight"])
    like = jnp.zeros(()).dtype
    assert_array_equal(layers[0]["kernel"], kernel.transpose(2, 3, 1, 0).astype(like))
    depth = np.asarray(state["core.features.layer1.ds_conv.spatial_conv.weight"])
    assert_array_equal(layers[1]["depth"], depth[:, 0].transpose(1, 2, 0).astype(like))
    readout = got["params"]["readouts"][0]
    features = np.asarray(state["readout._features"])
    assert_array_equal(readout["features"], features.T.astype(like))
    running = got["batch_stats"]["core"]["layers"][1]["norm"]["var"]
    expected = np.asarray(state["core.features.layer1.norm.running_var"])
    assert_array_equal(running, expected.astype(like))


def test_another_network_is_refused(variables, state):
    with pytest.raises(ValueError, match="no value for readouts.0.mask"):
        io.from_torch(
            {k: v for k, v in state.items() if "spatial" not in k or "conv" in k},
            variables,
        )
    state["readout.bias"] = Tensor(np.zeros(9))
    with pytest.raises(ValueError, match=r"shape \(9,\) for readouts.0.bias"):
        io.from_torch(state, variables)
