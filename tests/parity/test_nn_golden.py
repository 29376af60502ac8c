"""Numbers of neuralpredictors and of the notebook's network."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import io, nn
from jaxneuro.nn import _sampling

# The reference is float32: its own rounding is the limit.
CLOSE = {"rtol": 1e-5, "atol": 2e-6}


@pytest.fixture
def golden(shared):
    def read(name):
        with np.load(shared / "golden" / "mei" / f"{name}.npz") as file:
            return dict(file)

    return read


CORES = {
    "seed": {"features": (8, 8, 8), "kernel_sizes": (4, 3), "pooling": (2,)},
    "skip2": {
        "features": (6, 6, 6),
        "kernel_sizes": (5, 3),
        "pooling": 1,
        "skip": 2,
        "use_bias": True,
        "final_activation": False,
    },
    "lapw": {
        "features": (6, 6),
        "kernel_sizes": (7, 5),
        "pooling": (2,),
        "padding": "hidden",
    },
}


def images(x, dtype):
    return jnp.asarray(np.moveaxis(x, 1, -1), dtype)


def some_slow(names, *slow):
    """Cases whose many shapes take long to compile run with the slow tests."""
    marks = {name: pytest.mark.slow for name in slow}
    return [pytest.param(n, marks=marks.get(n, ()), id=n) for n in names]


@pytest.mark.parametrize("name", some_slow(CORES, "skip2", "lapw"))
def test_core(golden, name, dtype):
    g = {k[len(name) + 1 :]: v for k, v in golden("core").items() if k.startswith(name)}
    x = images(g["x"], dtype)
    net = nn.Encoder(
        core=nn.ConvCore(**CORES[name]),
        readout=nn.DenseReadout(1),
        shape=x.shape[1:],
        rngs=0,
    )
    apply, variables = nn.functional(net)
    readout = {f"readout.{k}": v for k, v in readout_of(variables).items()}
    state = {k[2:]: v for k, v in g.items() if k.startswith("p:")} | readout
    module = apply.module(io.from_torch(state, variables))
    y = module.core(x)
    assert_allclose(y, np.moveaxis(g["eval"], 1, -1), **CLOSE)
    y = module.core(x, train=True)
    assert_allclose(y, np.moveaxis(g["train"], 1, -1), rtol=1e-5, atol=5e-6)
    for index, layer in enumerate(module.core.layers):
        where = f"after:features.layer{index}.norm.running_"
        assert_allclose(layer.norm.mean[...], g[f"{where}mean"], **CLOSE)
        assert_allclose(layer.norm.var[...], g[f"{where}var"], **CLOSE)
    kernels = [layer.kernel[...] for layer in module.core.layers]
    assert_allclose(nn.group_sparsity(kernels[1:]), g["group_sparsity"], rtol=1e-5)
    if name == "skip2":
        assert_allclose(nn.laplace(kernels[0]), g["laplace"], rtol=1e-5)
    if name == "lapw":
        weight = g["p:laplace_weights"]
        assert_allclose(nn.laplace(kernels[0], weight=weight), g["laplace"], rtol=1e-5)


def readout_of(variables):
    """The readout as it is, by the names of the import."""
    leaves = variables["params"]["readouts"][0]
    return {"bias": leaves["bias"], "features": leaves["features"].T}


def test_notebook_network(golden, dtype):
    state = {k[2:]: v for k, v in golden("seed_cnn_weights").items()}
    run = golden("mei_run")
    core = nn.ConvCore((64, 64, 64), kernel_sizes=(4, 3), pooling=(2,))
    net = nn.Encoder(
        core=core,
        readout=nn.PyramidReadout(1, positive=True),
        shape=(60, 96, 1),
        output="identity",
        rngs=0,
    )
    apply, variables = nn.functional(net)
    variables = io.from_torch(state, variables)
    x = images(run["imgs"], dtype)
    assert_allclose(apply(variables, x), run["resp"], rtol=1e-5)


@pytest.mark.parametrize("name", some_slow("abcd", "b", "c"))
def test_pyramid(golden, name, dtype):
    g = golden("pyramid_readout")
    meta = json.loads(str(g[f"{name}_meta"]))
    x = images(g[f"{name}_x"], dtype)
    options = {
        "n_scales": meta["scale_n"],
        "kind": meta["type"],
        "downsample": meta["downsample"],
    }
    levels = _sampling.pyramid(x, **options)
    for index, level in enumerate(levels):
        expected = np.moveaxis(g[f"{name}_level{index}"], 1, -1)
        assert_allclose(level, expected, rtol=1e-5, atol=1e-5)
    made = nn.PyramidReadout(meta["outdims"], positive=meta["positive"], **options)
    readout = made.build(x.shape[1:], nn_rngs())
    n = meta["outdims"]
    features = g[f"{name}_features_raw"].reshape(readout.features[...].shape)
    readout.features[...] = jnp.asarray(features, dtype)
    readout.center[...] = jnp.asarray(g[f"{name}_grid_raw"].reshape(n, 2), dtype)
    readout.bias[...] = jnp.asarray(g[f"{name}_bias"], dtype)
    readout.project()
    assert_allclose(readout(x), g[f"{name}_y"], rtol=1e-5, atol=1e-5)
    shift = jnp.asarray(g["shift"], dtype)
    got = readout(x, shift=shift)
    assert_allclose(got, g[f"{name}_y_shift"], rtol=1e-5, atol=1e-5)
    assert_allclose(readout.l1(), g[f"{name}_l1_sum"], rtol=1e-5)


def nn_rngs():
    from flax import nnx

    return nnx.Rngs(0)


@pytest.mark.parametrize("covariance", ["full", "uncorrelated", "isotropic"])
def test_gaussian(golden, covariance, dtype):
    g = golden("readouts")
    x = images(g["x"], dtype)
    made = nn.GaussianReadout(5, covariance=covariance)
    readout = made.build(x.shape[1:], nn_rngs())
    part = {
        k: g[f"gauss_{covariance}_{k}"] for k in ("mu", "features", "bias", "sigma")
    }
    readout.center[...] = jnp.asarray(part["mu"].reshape(5, 2), dtype)
    readout.features[...] = jnp.asarray(part["features"].reshape(7, 5), dtype)
    readout.bias[...] = jnp.asarray(part["bias"], dtype)
    where = f"gauss_{covariance}_"
    assert_allclose(readout(x), g[f"{where}y"], **CLOSE)
    assert_allclose(readout.l1(), g[f"{where}reg_sum"], rtol=1e-5)
    assert readout.spread[...].size == part["sigma"].size


@pytest.mark.parametrize("kind", ["norm", "pos", "raw"])
def test_factorized(golden, kind, dtype):
    g = golden("readouts")
    x = images(g["x"], dtype)
    options = {"normalize": kind != "raw", "positive": kind == "pos"}
    readout = nn.FactorizedReadout(5, **options).build(x.shape[1:], nn_rngs())
    mask = g[f"fact_{kind}_spatial"].transpose(1, 2, 0)
    readout.mask[...] = jnp.asarray(mask, dtype)
    readout.features[...] = jnp.asarray(g[f"fact_{kind}_features"].T, dtype)
    readout.bias[...] = jnp.asarray(g[f"fact_{kind}_bias"], dtype)
    y = g[f"fact_{kind}_y"]
    assert_allclose(readout(x), y, rtol=1e-5, atol=1e-6 * np.abs(y).max())
    # The reference multiplies the sums of every target with those of every other.
    places = jnp.abs(readout.places()).sum()
    crossed = places * jnp.abs(readout.features[...]).sum()
    assert_allclose(crossed, g[f"fact_{kind}_l1_sum"], rtol=1e-5)


def test_laplace(golden, dtype):
    g = golden("readouts")
    w = jnp.asarray(g["w"].transpose(2, 3, 1, 0), dtype)
    assert_allclose(nn.laplace(w), g["LaplaceL2_avg"], rtol=1e-5)
    got = nn.laplace(w, normalize=True)
    assert_allclose(got, g["LaplaceL2norm_avg"], rtol=1e-5)
    got = nn.laplace(w, power=1, padding=0)
    assert_allclose(got, g["LaplaceL1_avg"], rtol=1e-5)
    # Its Gaussian is scaled from 0 to 1.
    at = np.arange(-3, 4)
    hill = np.exp(-(at[:, None] ** 2 + at[None] ** 2) / (2 * (7 / 4) ** 2))
    hill = (hill - hill.min()) / (hill.max() - hill.min())
    got = nn.laplace(w, normalize=True, weight=(1 - hill) ** 2)
    assert_allclose(got, g["GaussianLaplaceL2_avg"], rtol=1e-5)


def test_losses(golden, dtype):
    g = golden("readouts")
    p, t = jnp.asarray(g["p"], dtype), jnp.asarray(g["t"], dtype)
    assert_allclose(nn.poisson_loss(p, t), g["poisson_avg"], rtol=1e-5)
    for index, expected in enumerate(g["poisson_neuron"]):
        weight = jnp.zeros_like(t).at[:, index].set(1)
        assert_allclose(nn.poisson_loss(p, t, weight), expected, rtol=1e-5)
    got = nn.correlation_loss(p, t)
    assert_allclose(1 - got, g["corr"].mean(), rtol=1e-5)
