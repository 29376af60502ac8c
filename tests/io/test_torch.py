"""State dicts of PyTorch as variables of our networks."""

import sys

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
    more = {"core.features.layer2.conv.bias": Tensor(np.zeros(3))}
    with pytest.raises(ValueError, match="state has core.layers.2.bias but variables"):
        io.from_torch(state | more, variables)
    more = {"core.features.layer0.scale.weight": Tensor(np.zeros(2))}
    with pytest.raises(ValueError, match="core.layers.0.scale.weight but variables"):
        io.from_torch(state | more, variables)
    state["readout.bias"] = Tensor(np.zeros(9))
    with pytest.raises(ValueError, match=r"shape \(9,\) for readouts.0.bias"):
        io.from_torch(state, variables)


class TestToolbox:
    """Files that PyTorch itself has written."""

    def test_weights(self, tmp_path, rng):
        torch = pytest.importorskip("torch")
        core = nn.CausalCore((2,), kernel_size=3, dilations=(1,), use_bias=False)
        net = nn.Encoder(core=core, readout=nn.DenseReadout(4), shape=(3, 5), rngs=0)
        shapes = {"conv.0.weight": (2, 5, 3), "conv.2.weight": (4, 2, 1)}
        shapes["conv.2.bias"] = (4,)
        state = {name: torch.randn(shape) for name, shape in shapes.items()}
        torch.save(state, tmp_path / "model-all.pt")
        variables = nn.functional(net)[1]
        got = io.from_torch(tmp_path / "model-all.pt", variables)["params"]
        kernel = state["conv.0.weight"].numpy().transpose(2, 1, 0)
        assert_array_equal(got["core"]["kernels"][0], kernel)
        readout = got["readouts"][0]
        assert_array_equal(readout["features"], state["conv.2.weight"][:, :, 0].T)
        assert_array_equal(readout["bias"], state["conv.2.bias"])

    def test_frames(self, tmp_path):
        torch = pytest.importorskip("torch")
        d = torch.arange(120).reshape(2, 3, 4, 5).half()
        torch.save(d, tmp_path / "dSTRF-000.pt")
        got = io.read_dstrf(tmp_path / "dSTRF-000.pt")
        assert got.dtype == np.float16
        assert_array_equal(got, d.numpy()[:, :, ::-1])
        torch.save(d[0], tmp_path / "dSTRF-001.pt")
        with pytest.raises(ValueError, match="holds no tensor of four axes"):
            io.read_dstrf(tmp_path / "dSTRF-001.pt")

    def test_without_pytorch(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "torch", None)
        with pytest.raises(ImportError, match="needs PyTorch, which is not installed"):
            io.read_dstrf(tmp_path / "dSTRF-000.pt")
