"""Cores, readouts, encoders: structure, shapes, and the two ways through them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from numpy.testing import assert_allclose

from jaxneuro import io, nn
from jaxneuro.nn import _conv, _sampling
from jaxneuro.nn._causal import dilations_for, positions
from jaxneuro.nn._encoder import OUTPUTS
from jaxneuro.signal import Lags, lagged

READOUTS = {
    "pyramid": nn.PyramidReadout(3, n_scales=2),
    "gaussian": nn.GaussianReadout(3),
    "predicted": nn.GaussianReadout(3, positions=[[0, 1], [2, 5], [3, 3]], hidden=4),
    "factorized": nn.FactorizedReadout(3),
    "dense": nn.DenseReadout(3),
}

WIDE = nn.ConvCore((4,), kernel_sizes=13, padding="valid")


def encoder(readout, seed=0, **options):
    core = nn.ConvCore((4, 4), kernel_sizes=(4, 3))
    settings = {"core": core, "shape": (12, 16, 1), "rngs": seed} | options
    return nn.functional(nn.Encoder(readout=readout, **settings))


def convolve(x, kernel, padding):
    """Correlation written as loops over taps."""
    x = np.pad(x, ((0, 0), (padding,) * 2, (padding,) * 2, (0, 0)))
    rows, columns = kernel.shape[:2]
    height, width = x.shape[1] - rows + 1, x.shape[2] - columns + 1
    out = np.zeros((len(x), height, width, kernel.shape[3]))
    for i in range(rows):
        for j in range(columns):
            out += x[:, i : i + height, j : j + width] @ kernel[i, j]
    return out


@pytest.mark.parametrize("method", ["gemm", "conv"])
@pytest.mark.parametrize(
    ("channels", "size", "pooling"), [(1, 4, 2), (2, 5, 1), (9, 3, 1), (8, 3, 3)]
)
def test_convolution(rng, dtype, tol, channels, size, pooling, method):
    x = rng.standard_normal((3, 11, 14, channels)).astype(dtype)
    kernel = rng.standard_normal((size, size, channels, 5)).astype(dtype)
    expected = convolve(x, kernel, size // 2)
    height, width = (n // pooling for n in expected.shape[1:3])
    expected = expected[:, : height * pooling, : width * pooling]
    expected = expected.reshape(3, height, pooling, width, pooling, 5).mean((2, 4))
    pad = (size // 2,) * 2
    got = _conv.conv(x, kernel, padding=pad, pooling=pooling, method=method)
    assert_allclose(got, expected, rtol=tol["rtol"], atol=10 * tol["atol"])


def test_convolution_of_few_images_at_a_time(rng, dtype, tol, monkeypatch):
    x = jnp.asarray(rng.standard_normal((5, 6, 7, 8)), dtype)
    kernel = jnp.asarray(rng.standard_normal((3, 2, 8, 4)), dtype)

    def total(x, kernel):
        return jnp.sin(_conv.conv(x, kernel, padding=(1, 0), method="gemm")).sum()

    whole = jax.value_and_grad(total, (0, 1))(x, kernel)
    monkeypatch.setattr(_conv, "_WIDE_VALUES", 3000)  # two images
    parts = jax.value_and_grad(total, (0, 1))(x, kernel)
    tol = {"rtol": 10 * tol["rtol"], "atol": 10 * tol["atol"]}
    jax.tree.map(lambda a, b: assert_allclose(a, b, **tol), parts, whole)


def test_depthwise_convolution(rng, dtype, tol):
    x = rng.standard_normal((2, 9, 7, 3)).astype(dtype)
    kernel = rng.standard_normal((3, 3, 3)).astype(dtype)
    full = np.zeros((3, 3, 3, 3))
    for channel in range(3):
        full[:, :, channel, channel] = kernel[:, :, channel]
    got = _conv.depthwise_conv(jnp.asarray(x), jnp.asarray(kernel), padding=(1, 1))
    assert_allclose(got, convolve(x, full, 1), rtol=tol["rtol"], atol=10 * tol["atol"])


def test_pyramid_adds_up(rng, dtype, tol):
    """Levels at points are those of the pyramid that is formed."""
    x = jnp.asarray(rng.standard_normal((2, 12, 9, 3)), dtype)
    points = jnp.asarray([[0.0, 0.0], [1.0, -1.0], [0.3, -0.6], [1.6, 0.0]], dtype)
    got = _sampling.pyramid_at_points(x, points, n_scales=2)
    for level, expected in enumerate(_sampling.pyramid(x, n_scales=2)):
        at = _sampling.at_points(expected, points)
        assert_allclose(got[:, level, :3], at[:, :3], rtol=tol["rtol"], atol=1e-5)
    corner = _sampling.at_points(x, points)[:, 1]
    assert_allclose(corner, x[:, 0, -1], **tol)
    assert (np.asarray(_sampling.at_points(x, points))[:, 3] == 0).all()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=[] if n == "gaussian" else [pytest.mark.slow])
        for n in READOUTS
    ],
)
def test_pure_and_without_retrace(name, dtype, tol):
    apply, variables = encoder(READOUTS[name])
    again, others = encoder(READOUTS[name], seed=1)
    assert apply == again
    assert hash(apply) == hash(again)
    traced = []

    def call(network, variables, x):
        traced.append(1)
        return network(variables, x)

    compiled = jax.jit(call, static_argnums=0)
    x = jnp.ones((2, 12, 16, 1), dtype)
    assert compiled(apply, variables, x).shape == (2, 3)
    compiled(again, others, x)
    assert len(traced) == 1
    assert_allclose(compiled(apply, variables, x), apply(variables, x), **tol)
    looped = jax.lax.map(lambda one: apply(variables, one[None])[0], x)
    assert_allclose(looped, apply(variables, x), **tol)
    slope = jax.grad(lambda v: apply(v, x).sum())(variables)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slope))


def test_training_mode_updates_statistics(rng, dtype):
    apply, variables = encoder(READOUTS["gaussian"])
    x = jnp.asarray(rng.standard_normal((5, 12, 16, 1)), dtype)
    y, rest = apply.train(variables, x, jax.random.key(0))
    other, _ = apply.train(variables, x, jax.random.key(1))
    assert not np.allclose(y, other)  # points are drawn
    before = variables["batch_stats"]["core"]["layers"][0]["norm"]["mean"]
    after = rest["batch_stats"]["core"]["layers"][0]["norm"]["mean"]
    assert np.asarray(before == 0).all()
    assert not np.allclose(after, 0)
    assert rest.keys() == {"batch_stats"}


def test_projection(dtype):
    positive = nn.PyramidReadout(3, n_scales=2, positive=True)
    apply, variables = encoder(positive)
    variables = jax.tree.map(lambda leaf: leaf - 3, variables)
    readout = apply.project(variables)["params"]["readouts"][0]
    assert (np.asarray(readout["center"]) == -1).all()
    assert (np.asarray(readout["features"]) == 0).all()
    x = jnp.ones((1, 12, 16, 1), dtype)
    assert_allclose(apply(variables, x), apply(apply.project(variables), x), rtol=1e-6)


def test_sessions_share_a_core(dtype):
    heads = {"monday": nn.DenseReadout(2), "friday": nn.FactorizedReadout(4)}
    apply, variables = encoder(heads)
    x = jnp.ones((3, 12, 16, 1), dtype)
    assert apply.session("monday")(variables, x).shape == (3, 2)
    assert apply.session("friday")(variables, x).shape == (3, 4)
    assert apply(variables, x).shape == (3, 6)
    with pytest.raises(ValueError, match="session is 'sunday' but must be one of"):
        apply.session("sunday")(variables, x)


def test_behavior_and_gaze(rng, dtype, tol):
    readout = READOUTS["gaussian"]
    apply, variables = encoder(readout, n_behavior=2, shifter=nn.Shifter(hidden=3))
    x = {
        "images": jnp.asarray(rng.standard_normal((2, 12, 16, 1)), dtype),
        "behavior": jnp.zeros((2, 2), dtype),
        "gaze": jnp.zeros((2, 2), dtype),
    }
    still = apply(variables, x)
    running = apply(variables, x | {"behavior": jnp.ones((2, 2), dtype)})
    looking = apply(variables, x | {"gaze": 9 * jnp.ones((2, 2), dtype)})
    assert not np.allclose(still, running)
    assert not np.allclose(still, looking)
    with pytest.raises(ValueError, match="network needs behavior"):
        apply(variables, x["images"])
    plain, variables = encoder(readout)
    with pytest.raises(ValueError, match="takes no gaze"):
        plain(variables, {"images": x["images"], "gaze": x["gaze"]})


@pytest.mark.parametrize("use_bias", [True, False])
def test_windows_and_trials_agree(rng, dtype, tol, use_bias):
    core = nn.CausalCore((5, 4, 3), kernel_size=3, use_bias=use_bias)
    net = nn.Encoder(core=core, readout=nn.DenseReadout(2), shape=(15, 6), rngs=3)
    apply, variables = nn.functional(net)
    variables = jax.tree.map(
        lambda leaf: leaf + 0.3 * rng.standard_normal(leaf.shape).astype(dtype),
        variables,
    )
    x = jnp.asarray(rng.standard_normal((30, 6)), dtype)
    windows = lagged(x, Lags(0, 14, 1))
    at_once = apply.sequence(variables, x[None])[0]
    assert np.ptp(at_once, axis=0).min() > 0.01
    assert_allclose(apply(variables, windows), at_once, **tol)
    # The description of the layers says the same.
    value = jnp.pad(x, ((50, 0), (0, 0)))
    for layer in apply.layers(variables):
        reach = layer.dilation * (layer.kernel.shape[0] - 1)
        n = value.shape[0] - reach
        taps = [value[t * layer.dilation :][:n] for t in range(layer.kernel.shape[0])]
        value = sum(t @ k for t, k in zip(taps, layer.kernel, strict=True))
        value = value if layer.bias is None else value + layer.bias[None]
        value = layer.activation(value)
    assert_allclose(value[-30:], at_once, **tol)


def test_dilations_cover_the_window():
    assert dilations_for(65, 5, 5) == (1, 1, 2, 4, 8)  # the DSTRF toolbox
    for n_lags, size, n_layers in [(21, 5, 2), (30, 3, 4), (9, 9, 1), (41, 4, 3)]:
        dilations = dilations_for(n_lags, size, n_layers)
        needed = positions(dilations, size)[0]
        assert len(dilations) == n_layers
        assert (np.diff(needed) == 1).all()
        assert needed[-1] + 1 >= min(n_lags, size**n_layers)


def test_images_have_no_layers():
    apply, variables = encoder(READOUTS["dense"])
    assert apply.layers(variables) is None


def test_separable_skip_and_stack(dtype):
    core = nn.ConvCore(
        (4, 5, 6), kernel_sizes=3, skip=2, stack=-2, depth_separable=True, pooling=1
    )
    apply, variables = encoder(nn.GaussianReadout(2), core=core)
    layers = variables["params"]["core"]["layers"]
    assert layers[2]["mix_in"].shape == (1, 1, 9, 6)
    assert layers[2]["depth"].shape == (3, 3, 6)
    features = variables["params"]["readouts"][0]["features"]
    assert features.shape == (11, 2)
    assert apply(variables, jnp.ones((2, 12, 16, 1), dtype)).shape == (2, 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.DenseReadout(0), "n_targets is 0"),
        (lambda: nn.ConvCore(padding="full"), "padding is 'full'"),
        (lambda: nn.CausalCore((2, 2), dilations=(1,)), "dilations has 1 entries"),
        (lambda: nn.GaussianReadout(2, positions=[[0.0]]), "positions has 1 rows"),
        (lambda: nn.GaussianReadout(2, covariance="round"), "covariance is 'round'"),
        (lambda: nn.PyramidReadout(2, kind="box"), "kind is 'box'"),
        (lambda: encoder(READOUTS["dense"], output="relu"), "output is 'relu'"),
        (lambda: encoder(READOUTS["dense"], shape=(12, 16)), "needs .height, width"),
        (lambda: encoder(READOUTS["dense"], core=WIDE), "larger images"),
        (
            lambda: encoder(READOUTS["dense"], core=nn.ConvCore(activation="step")),
            "activation is 'step'",
        ),
        (
            lambda: encoder(READOUTS["gaussian"], core=nn.CausalCore(), shape=(9, 2)),
            "take a DenseReadout",
        ),
    ],
)
def test_bad_options(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_bad_input(dtype):
    apply, variables = encoder(READOUTS["dense"])
    with pytest.raises(ValueError, match="network was made for"):
        apply(variables, jnp.ones((2, 16, 12, 1), dtype))
    with pytest.raises(TypeError, match="whole trials need a CausalCore"):
        apply.sequence(variables, jnp.ones((2, 16, 1), dtype))


def test_penalty_sums_its_terms(dtype):
    apply, variables = encoder(READOUTS["factorized"])
    penalty = nn.Penalty(
        apply, laplace=2.0, group_sparsity=3.0, readout_l1=5.0, readout_laplace=7.0
    )
    assert hash(penalty) == hash(nn.Penalty(apply, 2.0, 3.0, 5.0, 7.0))
    params = variables["params"]
    first, second = (layer["kernel"] for layer in params["core"]["layers"].values())
    mask, features = (params["readouts"][0][name] for name in ("mask", "features"))
    mask = np.asarray(mask) / np.linalg.norm(mask, axis=(0, 1))
    expected = (
        2 * nn.laplace(first)
        + 3 * np.sqrt((np.asarray(second) ** 2).sum((0, 1))).mean()
        + 5 * (np.abs(mask).sum((0, 1)) * np.abs(features).sum(0)).sum()
        + 7 * 3 * nn.laplace(jnp.asarray(mask, dtype)[:, :, None])
    )
    assert_allclose(penalty(variables), expected, rtol=1e-4)
    assert_allclose(nn.l1({"a": first}), np.abs(first).sum(), rtol=1e-5)
    assert_allclose(nn.l2([first]), (np.asarray(first) ** 2).sum(), rtol=1e-5)
    slope = jax.grad(nn.group_sparsity)([jnp.zeros((3, 3, 2, 2), dtype)])
    assert (np.asarray(slope[0]) == 0).all()


def test_bad_laplace(dtype):
    kernel = jnp.ones((2, 2, 1, 1), dtype)
    with pytest.raises(ValueError, match="take padding=1"):
        nn.laplace(kernel, padding=0)
    with pytest.raises(ValueError, match="power is 3"):
        nn.laplace(kernel, power=3)


def test_any_module_can_be_split(dtype):
    class Linear(nnx.Module):
        def __init__(self):
            self.weight = nnx.Param(jnp.ones((3, 2), dtype))

        def __call__(self, x, *, train=False, key=None):
            return x @ self.weight[...]

    apply, variables = nn.functional(Linear())
    assert apply(variables, jnp.ones((4, 3), dtype)).shape == (4, 2)
    assert apply.layers(variables) is None


@pytest.mark.parametrize("readout", READOUTS)
def test_saved_and_loaded(tmp_path, rng, readout):
    """What a file gives back predicts the same, with nothing compiled again."""
    apply, variables = encoder(READOUTS[readout], output="softplus")
    check_saved(tmp_path, apply, variables, rng.random((4, 12, 16, 1)))


def test_saved_with_sessions_and_gaze(tmp_path, rng):
    readout = {"a": nn.GaussianReadout(np.int64(3)), "b": nn.GaussianReadout(2)}
    options = {"shifter": nn.Shifter(2, hidden=3), "n_behavior": 2}
    apply, variables = encoder(readout, **options)
    x = {
        "images": rng.random((4, 12, 16, 1)),
        "behavior": rng.random((4, 2)),
        "gaze": rng.random((4, 2)),
    }
    check_saved(tmp_path, apply.session("b"), variables, x)


def test_saved_causal(tmp_path, rng):
    core = nn.CausalCore((4, 3), kernel_size=3, use_bias=False)
    net = nn.Encoder(core=core, readout=nn.DenseReadout(2), shape=(9, 5), rngs=0)
    check_saved(tmp_path, *nn.functional(net), rng.random((4, 9, 5)))


def check_saved(tmp_path, apply, variables, x):
    history = np.arange(3.0)
    zero = np.asarray(0)
    fit = nn.TrainResult(
        apply=apply,
        variables=variables,
        train_loss=history,
        validation_loss=history,
        best_epoch=zero,
        failed_epoch=zero,
    )
    io.save(tmp_path / "fit.npz", fit)
    found = io.load(tmp_path / "fit.npz")
    assert found.apply == apply
    assert hash(found.apply) == hash(apply)
    x = jax.tree.map(lambda part: part.astype(jnp.zeros(()).dtype), x)
    np.testing.assert_array_equal(found.apply(found.variables, x), apply(variables, x))


def test_own_modules_are_not_saved():
    class Own(nnx.Module):
        def __init__(self):
            self.gain = nnx.Param(jnp.ones(()))

        def __call__(self, x, *, train=False, key=None):
            return x * self.gain[...]

    apply, _ = nn.functional(Own())
    with pytest.raises(TypeError, match="save its variables by themselves"):
        apply.to_plain()


@pytest.mark.slow
def test_input_is_normalised(rng, dtype):
    """Each value enters the first layer with the standard deviation asked for."""
    core = nn.ConvCore((2,), input_scale=[0.5, 3.0]).build((9, 8, 2), nnx.Rngs(0))
    x = jnp.asarray(4 + rng.standard_normal((50, 9, 8, 2)) * [7, 0.1], dtype)
    for _ in range(100):
        core(x, train=True)
    got = np.asarray(core.entry(x.reshape(50, -1))).reshape(x.shape)
    assert_allclose(got.mean(0), 0, atol=1e-2)
    assert_allclose(got.std(0), np.broadcast_to([0.5, 3.0], (9, 8, 2)), rtol=2e-2)
    with pytest.raises(ValueError, match="input_scale has 2 entries but images have 1"):
        nn.ConvCore((2,), input_scale=[0.5, 3.0]).build((9, 8, 1), nnx.Rngs(0))


def test_elu1_stays_above_zero(dtype, tol):
    """A neuron far below its threshold has a rate, and a slope, in compiled code."""
    y = jnp.asarray([-80.0, -30.0, 0.0, 2.0], dtype)
    loss = jax.jit(lambda y: -jnp.log(OUTPUTS["elu1"](y) + 1e-8).sum())
    assert np.isfinite(loss(y))
    assert np.isfinite(jax.grad(loss)(y)).all()
    slope = jax.vmap(jax.grad(OUTPUTS["elu1"]))(y)
    assert_allclose(slope, [np.exp(-80), np.exp(-30), 1, 1], **tol)
