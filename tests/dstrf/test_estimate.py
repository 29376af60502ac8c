import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import dstrf, trf
from jaxneuro.signal import Lags, lagged

TRIAL = np.repeat([0, 1], [9, 14])
MODES = ["layers", "rev", "fwd", "auto"]


@pytest.fixture
def X(rng, dtype):
    return rng.standard_normal((23, 4)).astype(dtype)


def loop(apply, variables, X, lags, trial_id=None):
    """The Jacobian of every window by itself."""
    jacobian = jax.jit(jax.jacrev(lambda w: apply(variables, w[None])[0]))
    return np.stack([jacobian(w) for w in lagged(X, lags, trial_id=trial_id)])


@pytest.mark.parametrize("mode", MODES)
def test_golden(shared, dtype, stack, mode):
    with np.load(shared / "golden/dstrf/small_cnn.npz") as file:
        golden = dict(file)
    kernels = [golden[w].astype(dtype).transpose(2, 1, 0) for w in ("w0", "w1", "w2")]
    variables = [(jnp.asarray(kernel), None) for kernel in kernels]
    X, lags = golden["x"].astype(dtype), Lags(0, 12, 1)
    got = dstrf.estimate(stack(), variables, X, lags, mode=mode)
    expected = golden["dstrf"][:, :, ::-1]
    assert_allclose(got, expected, rtol=0, atol=1e-6 * np.abs(expected).max())
    predicted = stack()(variables, lagged(X, lags))
    assert_allclose(predicted, golden["y"], rtol=0, atol=1e-6)
    error = dstrf.reconstruction_error(got, predicted, X, lags)
    assert (np.asarray(error) < 1e-6).all()


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("activation", [jax.nn.relu, jnp.tanh])
def test_modes_equal_a_loop_of_jacobians(
    stack, make_variables, X, lags, bias, activation, tol
):
    apply, variables = stack(activation=activation), make_variables(bias)
    expected = loop(apply, variables, X, lags, TRIAL)
    for mode in MODES:
        got = dstrf.estimate(apply, variables, X, lags, trial_id=TRIAL, mode=mode)
        assert got.shape == (23, 3, 6, 4)
        assert_allclose(got, expected, **tol)


def test_equals_finite_differences(stack, make_variables, X, lags, x64):
    X = X.astype(np.float64)
    variables = jax.tree.map(lambda leaf: leaf.astype(np.float64), make_variables(True))
    apply = stack(activation=jnp.tanh)
    got = dstrf.estimate(apply, variables, X, lags)
    predict = jax.jit(apply)
    t, step = 15, 1e-5
    for lag, feature in [(0, 0), (3, 2)]:
        moved = np.zeros_like(X)
        moved[t - lag, feature] = step
        up, down = (
            predict(variables, lagged(X + sign * moved, lags))[t] for sign in (1, -1)
        )
        assert_allclose(got[t, :, lag, feature], (up - down) / (2 * step), rtol=1e-7)


def test_of_a_linear_model_is_its_trf(rng, dtype, tol):
    lags = Lags(-1, 3, 1)
    X = rng.standard_normal((60, 4)).astype(dtype)
    Y = rng.standard_normal((60, 2)).astype(dtype)
    fit = trf.fit(X, Y, lags, 1.0)

    def apply(coef, windows):
        return jnp.einsum("blf,lft->bt", windows, coef, precision="highest")

    got = dstrf.estimate(apply, fit.coef, X[:20], lags)
    expected = np.broadcast_to(np.moveaxis(fit.coef, 2, 0), (20, 2, 5, 4))
    for t in (8, 12):  # the window lies within the recording
        assert_allclose(got[t], expected[t], **tol)


def test_non_causal_network_has_negative_lags(rng, dtype, tol):
    """The future is seen where the window holds it; nothing is left out in silence."""
    lags = Lags(-2, 1, 1)
    X = rng.standard_normal((12, 3)).astype(dtype)
    weights = rng.standard_normal((4, 3, 2)).astype(dtype)

    def ahead(weights, windows):
        return jnp.tanh(jnp.einsum("blf,lft->bt", windows, weights))

    drive = np.einsum("blf,lft->bt", lagged(X, lags), weights)
    expected = (1 - np.tanh(drive) ** 2)[:, :, None, None] * np.moveaxis(weights, 2, 0)
    got = dstrf.estimate(ahead, weights, X, lags)
    inside = slice(1, -2)  # of the recording
    assert_allclose(got[inside], expected[inside], **tol)


def test_chosen_targets_and_chunks(stack, make_variables, X, lags, tol):
    apply, variables = stack(), make_variables()
    whole = dstrf.estimate(apply, variables, X, lags)
    for size in (1, 7, 100):
        for mode in ("rev", "layers"):
            known = {"targets": [2, 0], "mode": mode, "chunk_size": size}
            got = dstrf.estimate(apply, variables, X, lags, **known)
            assert_allclose(got, whole[:, [2, 0]], **tol)


def test_of_a_network_in_another_float(stack, make_variables, X, lags, x64):
    apply, variables = stack(), make_variables()
    narrow = jax.tree.map(lambda leaf: leaf.astype(np.float32), variables)
    wide = X.astype(np.float64)
    with jax.numpy_dtype_promotion("standard"):
        got = dstrf.estimate(apply, narrow, wide, lags, chunk_size=5)
        expected = dstrf.estimate(apply, narrow, wide, lags, mode="rev")
    assert got.dtype == expected.dtype == np.float64
    assert_allclose(got, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_of_half_precision(stack, make_variables, X, lags, mode):
    apply, variables = stack(), make_variables(bias=True)
    narrow = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), variables)
    half = jnp.asarray(X, jnp.bfloat16)
    got = dstrf.estimate(apply, narrow, half, lags, mode=mode)
    assert got.dtype == jnp.bfloat16
    wide = jax.tree.map(lambda leaf: leaf.astype(X.dtype), narrow)
    expected = dstrf.estimate(apply, wide, half.astype(X.dtype), lags, mode="rev")
    error = got.astype(X.dtype) - expected
    assert (error**2).mean() < 1e-4 * (expected**2).mean()


@pytest.mark.parametrize("closed", [False, True])
def test_itself_differentiated(stack, make_variables, X, lags, closed, tol):
    """By the weights, given or closed over: blocks are then one program."""
    apply, variables = stack(activation=jnp.tanh), make_variables()

    def power(variables, chunk_size):
        known = {"mode": "rev", "chunk_size": chunk_size}
        if closed:
            d = dstrf.estimate(lambda _, w: apply(variables, w), None, X, lags, **known)
        else:
            known["mode"] = "layers"
            d = dstrf.estimate(apply, variables, X, lags, **known)
        return jnp.mean(d**2)

    whole, parts = (jax.grad(power)(variables, size) for size in (100, 5))
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(parts), strict=True):
        assert np.abs(a).max() > 0
        assert_allclose(a, b, **tol)
    along = jax.jvp(lambda v: power(v, 5), (variables,), (parts,))[1]
    squares = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(parts))
    assert_allclose(along, squares, rtol=1e-4)


def test_of_members_in_a_map(stack, make_variables, X, lags, tol):
    apply, members = stack(), [make_variables(), make_variables()]
    together = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)
    got = jax.lax.map(lambda v: dstrf.estimate(apply, v, X, lags), together)
    for one, variables in zip(got, members, strict=True):
        assert_allclose(one, dstrf.estimate(apply, variables, X, lags), **tol)


def test_identity_breaks_with_constants(stack, make_variables, X, lags):
    apply, variables = stack(), make_variables(bias=True)
    d = dstrf.estimate(apply, variables, X, lags)
    predicted = apply(variables, lagged(X, lags))
    assert (np.asarray(dstrf.reconstruction_error(d, predicted, X, lags)) > 0.1).all()
    zero = dstrf.reconstruction_error(0 * d, 0 * predicted, X, lags)
    assert np.isnan(zero).all()


class TestErrors:
    def test_nan(self, stack, make_variables, X, lags):
        X[3, 1] = np.nan
        with pytest.raises(ValueError, match="X has 1 NaN or infinite values"):
            dstrf.estimate(stack(), make_variables(), X, lags)

    def test_mode(self, stack, make_variables, X, lags):
        with pytest.raises(ValueError, match="mode is 'jvp' but must be"):
            dstrf.estimate(stack(), make_variables(), X, lags, mode="jvp")

    def test_no_description(self, X, lags):
        with pytest.raises(ValueError, match="mode is 'layers' but the network does"):
            dstrf.estimate(lambda v, w: w[:, 0], None, X, lags, mode="layers")

    @pytest.mark.parametrize("window", [(0, 3), (1, 9)])
    def test_window_misses_the_receptive_field(self, stack, make_variables, X, window):
        with pytest.raises(ValueError, match="the network sees 0 to 4; widen"):
            dstrf.estimate(
                stack(), make_variables(), X, Lags(*window, 1), mode="layers"
            )

    def test_non_causal_layers(self, stack, make_variables, X, lags):
        class Ahead(stack):
            def __call__(self, variables, windows):
                return windows[:, 0, :3]

        with pytest.raises(ValueError, match="layer 1 has dilation -2 and would look"):
            dstrf.estimate(Ahead((1, -2, 1)), make_variables(), X, lags)

    def test_non_causal_network_of_whole_sequences(self, X, lags):
        def same(kernel, windows):
            return jax.vmap(lambda x: jnp.convolve(x[:, 0], kernel, "same"))(windows)[
                :, :, None
            ]

        with pytest.raises(ValueError, match=r"gives \(3, 6, 1\) for windows of shape"):
            dstrf.estimate(same, jnp.ones(3, X.dtype), X, lags)

    def test_output_of_another_length(self, X, lags):
        with pytest.raises(
            ValueError, match=r"must give an array \(batch, n_targets\)"
        ):
            dstrf.estimate(lambda v, w: w, None, X, lags)
        with pytest.raises(ValueError, match="apply gives 2 outputs for 3 windows"):
            dstrf.estimate(lambda v, w: w[1:, 0], None, X, lags)

    def test_shapes(self, X, lags, dtype):
        d = np.zeros((23, 2, 5, 4), dtype)
        with pytest.raises(ValueError, match=r"ask for \(23, n_targets, 6, 4\)"):
            dstrf.reconstruct(d, X, lags)
        d = np.zeros((23, 2, 6, 4), dtype)
        with pytest.raises(ValueError, match=r"prediction has shape \(23, 3\)"):
            dstrf.reconstruction_error(d, np.zeros((23, 3), dtype), X, lags)
