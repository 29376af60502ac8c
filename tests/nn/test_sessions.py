"""Several sessions with one core."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from jaxneuro import nn


@pytest.fixture
def sessions(rng, dtype):
    return {
        name: (
            rng.standard_normal((n, 6, 7, 1)).astype(dtype),
            rng.random((n, n_targets)).astype(dtype),
        )
        for name, n, n_targets in [("a", 8, 2), ("b", 12, 3)]
    }


def encoder():
    core = nn.ConvCore((4,), kernel_sizes=3, batch_norm=False)
    readout = {"a": nn.DenseReadout(2), "b": nn.DenseReadout(3)}
    net = nn.Encoder(
        core=core, readout=readout, shape=(6, 7, 1), output="identity", rngs=0
    )
    return nn.functional(net)


def test_join(sessions, tmp_path):
    """Stimuli one below the other, responses along a diagonal; maps stay on disk."""
    (xa, ya), (xb, yb) = sessions.values()
    np.save(tmp_path / "x.npy", xb)
    X, Y = nn.join_sessions(
        {"a": (xa, ya), "b": (np.load(tmp_path / "x.npy", mmap_mode="r"), yb)}
    )
    whole = np.full((20, 5), np.nan, ya.dtype)
    whole[:8, :2], whole[8:, 2:] = ya, yb
    assert X.shape == (20, 6, 7, 1)
    assert_array_equal(Y[:], whole)
    assert_array_equal(
        X[np.array([3, 7, 8, 19])], np.concatenate([xa, xb])[[3, 7, 8, 19]]
    )
    counts = nn.join_sessions({"a": (xa, np.ones((8, 2), np.int8))})[1]
    assert counts.dtype == np.float32


def test_a_step_follows_the_sum_of_gradients(sessions, dtype, tol):
    """One step on all samples is that on the losses of both heads, weighted by size."""
    apply, variables = encoder()
    X, Y = nn.join_sessions(sessions)
    fit = nn.train(
        apply,
        variables,
        X,
        Y,
        key=jax.random.key(0),
        loss="gaussian",
        optimizer=optax.sgd(0.1),
        n_epochs=1,
        batch_size=20,
    )
    n_values = 8 * 2 + 12 * 3

    def loss(params):
        total = jnp.zeros((), dtype)
        for name, (x, y) in sessions.items():
            guess = apply.session(name)({**variables, "params": params}, x)
            total = total + ((guess - y) ** 2).sum()
        return total / n_values

    slope = jax.jit(jax.grad(loss))(variables["params"])
    expected = jax.tree.map(lambda p, g: p - 0.1 * g, variables["params"], slope)
    jax.tree.map(
        lambda a, b: assert_allclose(a, b, rtol=10 * tol["rtol"], atol=tol["atol"]),
        fit.variables["params"],
        expected,
    )
    x = sessions["a"][0]
    both = [apply.session(name)(fit.variables, x) for name in "ab"]
    assert_allclose(apply(fit.variables, x), np.concatenate(both, axis=1), **tol)


def test_bad_input(sessions):
    (xa, ya), (xb, yb) = sessions.values()
    with pytest.raises(ValueError, match="X of 'b' has stimuli of shape .5, 7, 1."):
        nn.join_sessions({"a": (xa, ya), "b": (xb[:, :5], yb)})
    with pytest.raises(ValueError, match="Y of 'a' has 7 samples"):
        nn.join_sessions({"a": (xa, ya[:7])})
    with pytest.raises(ValueError, match="sessions is empty"):
        nn.join_sessions({})
