import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import dstrf
from jaxneuro.dstrf import _active, _estimate, _stream
from jaxneuro.signal import Lags

TRIAL = np.repeat([0, 1, 2], [140, 3, 30])
TAPS = {  # dilations and taps
    "toolbox": ((1, 1, 2, 4), (3, 3, 3, 3)),
    "five layers": ((1, 1, 2, 4, 8), (2, 2, 2, 2, 2)),
    "wide middle layer": ((1, 2, 3, 6), (2, 1, 2, 2)),
    "one tap above": ((1, 1, 3, 1), (3, 2, 2, 1)),
    "one tap below": ((1, 1, 1, 1, 2), (1, 1, 3, 1, 1)),
    "one tap in the middle": ((2, 1, 1, 2), (2, 3, 1, 3)),
    "one tap everywhere": ((1, 1, 1, 1), (1, 1, 1, 1)),
}


@pytest.fixture
def X(rng, dtype):
    return rng.standard_normal((173, 4)).astype(dtype)


@pytest.fixture
def make(stack, rng, dtype):
    """A network from 4 features over 6 hidden to 3 targets."""

    def make(dilations, taps, *, bias=False, activation=jax.nn.relu):
        sizes = [4, *[6] * (len(taps) - 1), 3]
        shapes = zip(taps, sizes[:-1], sizes[1:], strict=True)
        variables = [
            (
                jnp.asarray(rng.standard_normal(shape) / shape[1] ** 0.5, dtype),
                jnp.asarray(rng.standard_normal(shape[2]), dtype) if bias else None,
            )
            for shape in shapes
        ]
        return stack(dilations, activation), variables

    return make


@pytest.fixture
def taken(monkeypatch):
    """Take active units whatever the gain, and count the frames so computed."""
    monkeypatch.setattr(_active, "_WORTH", 0)
    monkeypatch.setattr(_active, "_GAIN", np.inf)
    monkeypatch.setattr(_active, "_BLOCK", 5)  # quicker to compile
    counts = []

    def count(*args, **kwargs):
        out, left = _active.active_frames(*args, **kwargs)
        counts.append(0 if out is None else len(out) - left.size)
        return out, left

    monkeypatch.setattr(_estimate, "active_frames", count)
    return counts


@pytest.mark.parametrize(
    ("name", "bias"), [("toolbox", False), *[(name, True) for name in TAPS]]
)
def test_equals_frames_one_by_one(make, X, tol, taken, name, bias):
    apply, variables = make(*TAPS[name], bias=bias)
    known = {"lags": Lags(0, 19, 1), "trial_id": TRIAL}
    got = dstrf.estimate(apply, variables, X, **known)
    assert taken == [173]
    expected = dstrf.estimate(apply, variables, X, **known, mode="rev")
    assert np.abs(expected).max() > 0.1
    assert_allclose(got, expected, **tol)


def test_window_that_begins_ahead(make, X, tol, taken):
    apply, variables = make(*TAPS["toolbox"], bias=True)
    got = dstrf.estimate(apply, variables, X, Lags(-2, 18, 1), trial_id=TRIAL)
    assert taken == [173]
    expected = dstrf.estimate(apply, variables, X, Lags(0, 16, 1), trial_id=TRIAL)
    assert_allclose(got[:, :, 2:-2], expected, **tol)
    assert not got[:, :, :2].any()
    assert not got[:, :, -2:].any()


def test_of_smooth_activations(make, X, tol, taken):
    apply, variables = make(*TAPS["toolbox"], bias=True, activation=jnp.tanh)
    known = {"lags": Lags(0, 19, 1), "trial_id": TRIAL, "targets": [2, 0]}
    got = dstrf.estimate(apply, variables, X, mode="layers", **known)
    assert taken == [173]
    assert_allclose(
        got, dstrf.estimate(apply, variables, X, mode="rev", **known), **tol
    )


def test_few_units_are_active(make, X, tol, taken, monkeypatch):
    """As many columns are taken as the sample with most active units has."""
    apply, variables = make(*TAPS["toolbox"], bias=True)
    kernel, bias = variables[1]
    variables[1] = kernel, bias.at[:4].set(-30)  # off at every sample
    found = []

    def products(apply, variables, known, *args):
        found.append(known[2].shape)
        return _samples(apply, variables, known, *args)

    _samples = _active.products
    monkeypatch.setattr(_active, "products", products)
    got = dstrf.estimate(apply, variables, X, Lags(0, 16, 1))
    assert {width for _, width in found} == {2}
    assert_allclose(
        got, dstrf.estimate(apply, variables, X, Lags(0, 16, 1), mode="rev"), **tol
    )


@pytest.mark.parametrize("bias", [-30, 30])
def test_all_units_off_or_on(make, X, tol, taken, bias):
    apply, variables = make(*TAPS["toolbox"])
    variables = [(k, jnp.full(k.shape[2], bias, k.dtype)) for k, _ in variables]
    got = dstrf.estimate(apply, variables, X, Lags(0, 16, 1))
    assert taken == [173]
    expected = dstrf.estimate(apply, variables, X, Lags(0, 16, 1), mode="rev")
    assert (np.abs(expected).max() > 0) == (bias > 0)
    assert_allclose(got, expected, **tol)


def test_silence_before_the_sound(make, X, tol, taken):
    """Without constants nothing is active there."""
    X[:150] = 0
    apply, variables = make(*TAPS["toolbox"])
    got = dstrf.estimate(apply, variables, X, Lags(0, 16, 1))
    expected = dstrf.estimate(apply, variables, X, Lags(0, 16, 1), mode="rev")
    assert_allclose(got, expected, **tol)
    assert not got[:150].any()
    assert got[150:].any()


def test_in_pieces(make, X, tol, taken, monkeypatch):
    apply, variables = make(*TAPS["toolbox"], bias=True)
    lags = Lags(0, 16, 1)
    monkeypatch.setattr(_stream, "_PIECE", 50)
    monkeypatch.setattr(_active, "_TARGETS", 2)  # of three
    pieces = dstrf.stream(apply, variables, X, lags, trial_id=TRIAL)
    whole = dstrf.estimate(apply, variables, X, lags, trial_id=TRIAL, mode="rev")
    assert_allclose(np.concatenate(list(pieces)), whole, **tol)
    assert sum(taken) == 173


def test_trials_without_gain_are_left(make, X, tol, taken, monkeypatch):
    """A gain grows with the length of a trial: the first samples serve no frame."""
    apply, variables = make(*TAPS["toolbox"], bias=True)
    monkeypatch.setattr(_active, "_gains", lambda plan, n_frames, *_: n_frames != 3)
    known = {"lags": Lags(0, 16, 1), "trial_id": TRIAL}
    got = dstrf.estimate(apply, variables, X, **known)
    assert taken == [170]
    assert_allclose(
        got, dstrf.estimate(apply, variables, X, **known, mode="rev"), **tol
    )


def test_of_a_network_in_another_float(make, X, taken, x64):
    apply, variables = make(*TAPS["toolbox"], bias=True)
    narrow = jax.tree.map(lambda leaf: leaf.astype(np.float32), variables)
    wide = X.astype(np.float64)
    with jax.numpy_dtype_promotion("standard"):
        got = dstrf.estimate(apply, narrow, wide, Lags(0, 16, 1))
        expected = dstrf.estimate(apply, narrow, wide, Lags(0, 16, 1), mode="rev")
    assert taken == [173]
    assert got.dtype == np.float64
    assert_allclose(got, expected, rtol=0, atol=1e-12)


def test_of_half_precision(make, X, taken):
    apply, variables = make(*TAPS["toolbox"])
    narrow = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), variables)
    half = jnp.asarray(X, jnp.bfloat16)
    got = dstrf.estimate(apply, narrow, half, Lags(0, 16, 1))
    assert taken == [173]
    assert got.dtype == jnp.bfloat16
    expected = dstrf.estimate(apply, narrow, half, Lags(0, 16, 1), chunk_size=50)
    error = (got - expected).astype(X.dtype)
    assert (error**2).mean() < 1e-4 * (expected.astype(X.dtype) ** 2).mean()


def test_closed_over_what_is_traced(make, X, taken):
    """Blocks are one program then, which can be differentiated."""
    apply, variables = make(*TAPS["toolbox"], bias=True)

    class Closed:
        def __init__(self, variables):
            self.variables = variables

        def layers(self, _):
            return apply.layers(self.variables)

        def __call__(self, _, windows):
            return apply(self.variables, windows)

    def power(variables, mode):
        d = dstrf.estimate(Closed(variables), None, X, Lags(0, 16, 1), mode=mode)
        return jnp.mean(d**2)

    got, expected = (jax.grad(power)(variables, mode) for mode in ("auto", "rev"))
    assert sum(taken) == 0
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_not_for_small_or_uneven_networks(make, X, taken, monkeypatch):
    lags = Lags(0, 19, 1)
    for dilations, taps in [((1, 1, 2), (3, 3, 3)), ((1, 1, 2, 5), (3, 3, 3, 3))]:
        apply, variables = make(dilations, taps)
        dstrf.estimate(apply, variables, X, lags)
    monkeypatch.setattr(_active, "_WORTH", 1e10)
    dstrf.estimate(*make(*TAPS["toolbox"]), X, lags)
    dstrf.estimate(*make(*TAPS["toolbox"]), X, lags, chunk_size=8)
    assert sum(taken) == 0
