import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import dstrf
from jaxneuro.dstrf import _stream

TRIAL = np.repeat([4, 1], [30, 41])


@pytest.fixture
def X(rng, dtype):
    return rng.standard_normal((71, 4)).astype(dtype)


def by_hand(d):
    names = ["complexity", "gain_change", "temporal_hold", "shape_change"]
    return {name: np.asarray(getattr(dstrf, name)(d)) for name in names}


def test_equals_measuring_the_whole(stack, make_variables, X, lags, monkeypatch):
    variables = make_variables(bias=True)
    d = dstrf.estimate(stack(), variables, X, lags, trial_id=TRIAL)
    monkeypatch.setattr(_stream, "_BLOCK", 10_000)  # one or two targets at a time
    monkeypatch.setattr(_stream, "_PIECE", 11)
    got = dstrf.measures(stack(), variables, X, lags, trial_id=TRIAL)
    for trial, part in enumerate((d[:30], d[30:])):
        for name, value in by_hand(part).items():
            assert_allclose(got[name][trial], value, rtol=1e-4)


def test_of_several_networks(stack, make_variables, X, lags):
    members = [make_variables(bias=True) for _ in range(3)]
    together = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)
    each = jnp.stack([dstrf.estimate(stack(), v, X, lags) for v in members])
    agreed = dstrf.consensus(each, quantile=0.9)
    got = dstrf.measures(stack(), together, X, lags, n_members=3, quantile=0.9)
    for name, value in by_hand(agreed).items():
        assert_allclose(got[name][0], value, rtol=1e-4)


def test_pieces_are_the_whole(stack, make_variables, X, lags, monkeypatch):
    variables = make_variables(bias=True)
    monkeypatch.setattr(_stream, "_PIECE", 11)
    options = {"trial_id": TRIAL, "targets": [2, 0]}
    pieces = list(dstrf.stream(stack(), variables, X, lags, **options))
    assert [len(piece) for piece in pieces] == [11] * 6 + [5]
    d = dstrf.estimate(stack(), variables, X, lags, **options)
    assert_allclose(np.concatenate(pieces), d, rtol=1e-5, atol=1e-6)


def test_errors(stack, make_variables, X, lags):
    with pytest.raises(ValueError, match="n_members is 2 but the leading axes"):
        dstrf.measures(stack(), make_variables(), X, lags, n_members=2)
    trial = np.repeat([0, 1], [4, 67])
    with pytest.raises(ValueError, match="trial 0 has 4 time points but a hold"):
        dstrf.measures(stack(), make_variables(), X, lags, trial_id=trial)
    X[3, 1] = np.nan
    with pytest.raises(ValueError, match="X has 1 NaN or infinite values"):
        dstrf.measures(stack(), make_variables(), X, lags)


MEMORY = """
import jax.numpy as jnp
import numpy as np
from jaxneuro import Lags, dstrf

rng = np.random.default_rng(0)

def apply(coef, x):
    return jnp.tanh(0.03 * jnp.einsum("blf,lft->bt", x, coef))

for n_trials, n_targets in [(1, 40), (2, 80)]:
    coef = jnp.asarray(rng.standard_normal((21, 128, n_targets)), jnp.float32)
    X = rng.standard_normal((n_trials * 400, 128)).astype(np.float32)
    trial = np.repeat(np.arange(n_trials), 400)
    peak(reset=True)
    found = dstrf.measures(apply, coef, X, Lags(0, 20, 1), trial_id=trial)
    assert found["complexity"].shape == (n_trials, n_targets)
    print(peak())
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_trials_or_targets(in_child):
    """The dSTRF is 170 MB at first, about what is held, and then 690 MB."""
    small, large = map(int, in_child(MEMORY))
    assert large < small + 200e6
