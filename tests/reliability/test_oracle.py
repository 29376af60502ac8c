import itertools

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import reliability

KEY = jax.random.key(0)
# Standard deviations of the reference programs have this added.
EPS = 1e-8


def leave_one_out(cube, target):
    """Pairs of a response and the mean of the others, one by one."""
    pairs = []
    for stimulus in range(cube.shape[1]):
        values = cube[:, stimulus, target]
        values = values[~np.isnan(values)]
        for i in range(values.size if values.size > 1 else 0):
            pairs.append((values[i], np.delete(values, i).mean()))
    return np.array(pairs).T


def drawn_pairs(cube, draw, target):
    pairs = []
    for stimulus in range(cube.shape[1]):
        known = ~np.isnan(cube[:, stimulus, target])
        if known.sum() > 1:
            one = draw[stimulus, target]
            known[one] = False
            values = cube[:, stimulus, target]
            pairs.append((values[one], values[known].mean()))
    return np.array(pairs).T


@pytest.mark.parametrize("kind", ["counts", "ragged"])
def test_oracle_equals_the_loop(kind, request, dtype, tol):
    cube = request.getfixturevalue(kind)
    found = reliability.oracle_correlation(cube.astype(dtype))
    expected = [np.corrcoef(leave_one_out(cube, t))[0, 1] for t in range(cube.shape[2])]
    assert found.dtype == dtype
    assert_allclose(found, expected, **tol)


def test_missing_repeats_may_be_counted_as_silence(counts, tol):
    holes = np.where(counts == 0, np.nan, counts)
    zero = reliability.oracle_correlation(holes, missing="zero")
    assert_allclose(zero, reliability.oracle_correlation(counts), **tol)
    # Grouping spikes loses silent presentations and overrates sparse neurons.
    assert abs(reliability.oracle_correlation(holes)[0] - zero[0]) > 0.02


def test_a_large_offset_costs_no_digits(counts):
    found = reliability.oracle_correlation(counts + 3000)
    assert_allclose(found, reliability.oracle_correlation(counts), atol=1e-3)


@pytest.mark.parametrize("kind", ["counts", "ragged"])
def test_random_oracle_equals_the_loop(kind, request, tol):
    cube = request.getfixturevalue(kind)
    draws = reliability.draw_repeats(cube, key=KEY, n_draws=4)
    found = reliability.oracle_random(cube, draws)
    n_stimuli, n_targets = cube.shape[1:]
    expected = np.empty((4, n_targets))
    for i, draw in enumerate(np.asarray(draws)):
        for t in range(n_targets):
            pairs = drawn_pairs(cube, draw, t)
            share = pairs.shape[1] / n_stimuli
            expected[i, t] = np.corrcoef(pairs)[0, 1] * share
    assert_allclose(found.draws, expected, **tol)
    assert_allclose(found.correlation, expected.mean(0), **tol)
    rank = np.argsort(np.argsort(-expected, axis=1), axis=1).mean(0)
    assert_allclose(found.rank, rank, **tol)


def test_draws_are_of_existing_repeats_and_even(ragged):
    draws = np.asarray(reliability.draw_repeats(ragged, key=KEY, n_draws=400))
    known = ~np.isnan(ragged)
    for stimulus in (0, 1, 2, 3):
        share = (draws[:, stimulus, :, None] == np.arange(6)).mean((0, 1))
        alike = known[:, stimulus, 0] / known[:, stimulus, 0].sum()
        assert_allclose(share, alike, atol=0.05)


def test_many_draws_approach_leave_one_out(rng):
    means = rng.standard_normal((400, 3)) * [0.3, 1.0, 3.0]
    cube = means + rng.standard_normal((10, 400, 3))
    draws = reliability.draw_repeats(cube, key=KEY, n_draws=50)
    random = reliability.oracle_random(cube, draws).correlation
    assert_allclose(random, reliability.oracle_correlation(cube), atol=0.01)


def test_split_half_recovers_the_reliability(rng):
    """Spearman-Brown gives signal over signal plus noise over repeats."""
    means = rng.standard_normal((2000, 3)) * [0.3, 0.5, 1.0]
    cube = means + rng.standard_normal((8, 2000, 3))
    truth = means.var(0) / (means.var(0) + 1 / 8)
    found = reliability.split_half(cube, key=KEY, n_splits=20)
    assert_allclose(found, truth, atol=0.05)
    half = reliability.split_half(cube, key=KEY, n_splits=20, corrected=False)
    assert_allclose(half, found / (2 - found), atol=1e-4)


def test_split_half_is_the_mean_of_all_splits(rng):
    """Two repeats of five stimuli have 32 splits: either half may take the first."""
    cube = rng.standard_normal((2, 5, 2)) + np.arange(5.0)[:, None]
    expected = np.zeros(2)
    for swap in itertools.product([False, True], repeat=5):
        first, second = np.where(np.array(swap)[:, None], cube[::-1], cube)
        for t in range(2):
            expected[t] += np.corrcoef(first[:, t], second[:, t])[0, 1] / 32
    found = reliability.split_half(cube, key=KEY, n_splits=2000, corrected=False)
    assert_allclose(found, expected, atol=0.01)


def test_same_key_same_numbers(ragged):
    a, b = (reliability.split_half(ragged, key=KEY, n_splits=3) for _ in range(2))
    np.testing.assert_array_equal(a, b)


def test_silent_neurons_are_nan_and_counted(counts):
    counts[:, :, [1, 3]] = 0
    with pytest.warns(UserWarning, match=r"nan\) for 2 of 5 targets.*: 1, 3\."):
        found = reliability.oracle_correlation(counts)
    assert np.isnan(found).nonzero()[0].tolist() == [1, 3]
    with pytest.warns(UserWarning, match="2 of 5"):
        assert np.isnan(reliability.oracle_conservative(counts)[1])


def test_golden_oracles(oracle, x64):
    counts = oracle["counts"].transpose(1, 0, 2).astype(float)
    ragged = counts.copy()
    for i in range(12):
        ragged[8 - i % 3 :, i] = np.nan
    for cube, suffix in ((counts, ""), (ragged, "_ragged")):
        scale = [leave_one_out(cube, t).std(axis=1) for t in range(6)]
        shrink = [np.prod(s / (s + EPS)) for s in scale]
        found = reliability.oracle_correlation(cube) * np.array(shrink)
        assert_allclose(found, oracle[f"loo{suffix}"], atol=1e-9)
        found = reliability.oracle_conservative(cube)
        assert_allclose(found, oracle[f"conservative{suffix}"], atol=1e-9)


@pytest.mark.parametrize("table", ["dense", "sparse"])
@pytest.mark.parametrize("which", ["first", "last", "mid"])
def test_golden_random_oracle(oracle, x64, table, which):
    """The table's first, last or middle trial of each neuron and image is drawn."""
    counts = oracle["counts"].transpose(1, 0, 2).astype(float)
    trial = oracle["trial_of"].T  # (n_repeats, n_stimuli)
    cube = np.where(counts == 0, np.nan, counts) if table == "sparse" else counts
    draws = np.zeros((1, 12, 6), int)
    picked = []
    for stimulus, neuron in np.ndindex(12, 6):
        there = np.flatnonzero(~np.isnan(cube[:, stimulus, neuron]))
        if there.size > 1:
            there = there[np.argsort(trial[there, stimulus])]
            place = {"first": 0, "last": -1, "mid": there.size // 2}[which]
            draws[0, stimulus, neuron] = there[place]
            picked.append(trial[there[place], stimulus])
    assert sorted(picked) == sorted(oracle[f"{table}_{which}_picked"])
    found = reliability.oracle_random(cube, draws).draws[0]
    order = oracle[f"{table}_{which}_index"] - 70
    expected = oracle[f"{table}_{which}_corr"]
    assert_allclose(np.asarray(found)[order], expected, atol=1e-9)


def test_errors(counts):
    for function in (reliability.oracle_correlation, reliability.oracle_conservative):
        with pytest.raises(ValueError, match="responses has shape .* three-dim"):
            function(counts[0])
        with pytest.raises(ValueError, match="missing is 'drop' but must be one of"):
            function(counts, missing="drop")
    with pytest.raises(ValueError, match="must hold repeats, stimuli and targets"):
        reliability.oracle_correlation(counts[:0])
    with pytest.raises(ValueError, match="n_draws is 0 but must be at least 1"):
        reliability.draw_repeats(counts, key=KEY, n_draws=0)
    with pytest.raises(TypeError, match="draws has dtype .* must hold integers"):
        reliability.oracle_random(counts, counts[:1])
    with pytest.raises(ValueError, match="with 15 stimuli and 5 targets"):
        reliability.oracle_random(counts, np.zeros((1, 4, 5), int))
    with pytest.raises(ValueError, match="responses has 1 repeat but two halves"):
        reliability.split_half(counts[:1], key=KEY)
    with pytest.raises(ValueError, match="n_splits is 0 but must be at least 1"):
        reliability.split_half(counts, key=KEY, n_splits=0)
