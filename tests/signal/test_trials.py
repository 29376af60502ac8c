"""Trials of unequal length as one array, and back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from jaxneuro import signal
from jaxneuro.signal._trials import segments, trial_lengths

lengths_of_trials = st.lists(st.integers(1, 9), min_size=1, max_size=6)


@given(lengths=lengths_of_trials, axes=st.sampled_from([(), (3,), (2, 4)]))
@settings(max_examples=60, deadline=None)
def test_round_trip(lengths, axes):
    rng = np.random.default_rng(len(lengths))
    trials = [rng.standard_normal((n, *axes)).astype(np.float32) for n in lengths]
    joined, trial_id = signal.concatenate(trials)
    assert isinstance(joined, jax.Array)
    assert joined.shape == (sum(lengths), *axes)
    assert_array_equal(trial_id, np.repeat(np.arange(len(lengths)), lengths))
    back = signal.split(np.asarray(joined), trial_id)
    assert len(back) == len(trials)
    for got, expected in zip(back, trials, strict=True):
        assert_array_equal(got, expected)


@given(lengths=lengths_of_trials, names=st.permutations(range(-2, 5)))
@settings(max_examples=40, deadline=None)
def test_lengths_come_in_the_order_of_the_trials(lengths, names):
    trial_id = np.repeat(names[: len(lengths)], lengths)
    assert_array_equal(trial_lengths(trial_id, sum(lengths)), lengths)
    runs = segments(trial_id, sum(lengths))
    bounds = np.asarray(runs.start), np.asarray(runs.stop)
    for t, (start, stop) in enumerate(zip(*bounds, strict=True)):
        assert_array_equal(np.flatnonzero(trial_id == trial_id[t]), range(start, stop))


def test_one_trial_by_default():
    assert trial_lengths(None, 7).tolist() == [7]
    assert segments(None, 3).stop.tolist() == [3, 3, 3]


def test_device_arrays_stay_on_the_device():
    trials = [jnp.ones((2, 3)), jnp.zeros((1, 3))]
    joined, trial_id = signal.concatenate(trials)
    assert_array_equal(joined, [[1] * 3, [1] * 3, [0] * 3])
    back = signal.split(joined, trial_id)
    assert all(isinstance(trial, jax.Array) for trial in back)
    assert [trial.shape for trial in back] == [(2, 3), (1, 3)]


def test_split_does_not_copy():
    x = np.zeros((5, 2))
    assert all(np.shares_memory(x, part) for part in signal.split(x, [0, 0, 1, 1, 1]))


def test_concatenate_within_a_transformation():
    def total(a, b):
        joined, _ = signal.concatenate([a, b])
        return (joined**2).sum()

    slope = jax.jit(jax.grad(total, argnums=1))(jnp.ones((2, 1)), 3 * jnp.ones((1, 1)))
    assert_array_equal(slope, [[6]])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: signal.concatenate([]), ValueError, "trials is an empty list"),
        (
            lambda: signal.concatenate([np.ones((2, 3)), np.ones((2, 4))]),
            ValueError,
            r"trial 1 has shape \(2, 4\) but trial 0 has shape \(2, 3\)",
        ),
        (
            lambda: signal.concatenate([np.float64(1)]),
            ValueError,
            r"trial 0 has shape \(\)",
        ),
        (
            lambda: signal.split(np.ones((3, 1)), [0, 0]),
            ValueError,
            "trial_id has 2 entries but the data have 3 time points",
        ),
        (
            lambda: signal.split(np.ones((3, 1)), [0, 1, 0]),
            ValueError,
            "trial_id has trial 0 in 2 separate pieces",
        ),
        (
            lambda: signal.split(np.ones((2, 1)), [0.0, 1.0]),
            TypeError,
            "must be a one-dimensional array of integers",
        ),
        (
            lambda: jax.jit(lambda t: signal.split(jnp.ones((2, 1)), t))(
                jnp.zeros(2, int)
            ),
            TypeError,
            "trial_id is traced",
        ),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()
