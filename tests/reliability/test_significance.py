import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from jaxneuro import reliability
from jaxneuro.reliability import _significance

KEY = jax.random.key(1)
RUN = np.repeat([0, 1, 2], [23, 30, 7])


def slow_noise(rng, n_samples, n_targets):
    """Signals that look back a long time."""
    noise = rng.standard_normal((n_samples + 60, n_targets))
    kernel = np.exp(-np.arange(60) / 12)
    rows = [np.convolve(column, kernel, "valid")[:n_samples] for column in noise.T]
    return np.array(rows).T


def score(y, x, metric):
    if metric == "correlation":
        return np.array(
            [np.corrcoef(*pair)[0, 1] for pair in zip(y.T, x.T, strict=True)]
        )
    return 1 - ((y - x) ** 2).sum(0) / ((y - y.mean(0)) ** 2).sum(0)


@pytest.mark.parametrize("metric", ["correlation", "r2"])
@pytest.mark.parametrize("method", ["block", "shift"])
def test_equals_the_formula(rng, metric, method, tol):
    y = slow_noise(rng, 60, 5)
    x = 0.4 * y + slow_noise(rng, 60, 5) + 0.3
    options = {"key": KEY, "n_permutations": 40, "run_id": RUN, "metric": metric}
    found = reliability.permutation_test(
        y, x, **options, method=method, block_size=5, batch_size=2
    )
    sizes = (23, 30, 7)
    if method == "block":
        rows = _significance._blocks(KEY, sizes, 40, 5)
    else:
        rows = _significance._shifts(KEY, sizes, 40)
    null = np.array([score(y[row], x, metric) for row in np.asarray(rows)])
    observed = score(y, x, metric)
    assert_allclose(found.scores, observed, **tol)
    assert_allclose(found.null_max, null.max(1), **tol)
    p = (1 + (null >= observed - 1e-6).sum(0)) / 41
    assert_allclose(found.p_value, p, **tol)
    corrected = (1 + (null.max(1)[:, None] >= observed).sum(0)) / 41
    assert_allclose(found.p_corrected, corrected, **tol)
    assert_allclose(found.p_fdr, stats.false_discovery_control(p), **tol)


def test_blocks_move_as_a_whole_within_their_run():
    rows = np.asarray(_significance._blocks(KEY, (23, 30, 7), 50, 5))
    start, n_moved = 0, 0
    for size in (23, 30, 7):
        part = rows[:, start : start + size]
        assert (np.sort(part, axis=1) == start + np.arange(size)).all()
        for row in part - start:
            first = np.flatnonzero(row % 5 == 0)
            pieces = np.split(row, first[1:])
            assert all((np.diff(piece) == 1).all() for piece in pieces)
            n_moved += (row != np.arange(size)).any()
        start += size
    assert n_moved > 100


def test_shifts_are_circular_and_never_nothing():
    rows = np.asarray(_significance._shifts(KEY, (23, 30, 7), 200))
    for start, size in ((0, 23), (23, 30), (53, 7)):
        steps = (rows[:, start : start + size] - start - np.arange(size)) % size
        assert (steps == steps[:, :1]).all()
        assert (steps[:, 0] > 0).all()
        assert np.unique(steps[:, 0]).size == size - 1


def test_slow_signals_need_blocks(rng):
    """Independent slow signals: single samples claim what blocks and shifts deny."""
    y, x = slow_noise(rng, 600, 80), slow_noise(rng, 600, 80)
    options = {"key": KEY, "n_permutations": 200}

    def false_alarms(**more):
        test = reliability.permutation_test(y, x, **options, **more)
        return float((test.p_value < 0.05).mean())

    assert false_alarms(block_size=1) > 0.2
    assert false_alarms(block_size=60) < 0.13
    assert false_alarms(method="shift") < 0.13


def test_true_predictions_are_found(rng):
    x = rng.standard_normal((300, 40))
    y = rng.standard_normal((300, 40))
    y[:, :10] += 0.5 * x[:, :10]
    test = reliability.permutation_test(y, x, key=KEY, n_permutations=500)
    assert (test.p_fdr[:10] < 0.05).all()
    assert (test.p_fdr[10:] < 0.05).sum() <= 2
    assert (test.p_corrected >= test.p_value - 1e-6).all()


def test_constant_targets_are_nan_and_counted(rng):
    y, x = rng.standard_normal((2, 40, 3))
    y[:, 1] = 0.1
    with pytest.warns(
        UserWarning, match=r"score is undefined .* 1 of 3 targets.*: 1\."
    ):
        test = reliability.permutation_test(y, x, key=KEY, n_permutations=9)
    for part in (test.scores, test.p_value, test.p_fdr, test.p_corrected):
        assert np.isnan(part).nonzero()[0].tolist() == [1]
    expected = stats.false_discovery_control(np.asarray(test.p_value)[[0, 2]])
    assert_allclose(np.asarray(test.p_fdr)[[0, 2]], expected, rtol=1e-6)


def test_errors(rng):
    y = rng.standard_normal((20, 3))
    test = reliability.permutation_test
    with pytest.raises(ValueError, match=r"y_pred has shape \(20, 2\) but y_true"):
        test(y, y[:, :2], key=KEY)
    with pytest.raises(ValueError, match="method is 'roll' but must be one of"):
        test(y, y, key=KEY, method="roll")
    with pytest.raises(ValueError, match="metric is 'mse' but must be one of"):
        test(y, y, key=KEY, metric="mse")
    with pytest.raises(ValueError, match="n_permutations is 0 but must be at least 1"):
        test(y, y, key=KEY, n_permutations=0)
    with pytest.raises(ValueError, match="block_size is 0 but must be at least 1"):
        test(y, y, key=KEY, block_size=0)
    with pytest.raises(ValueError, match="block_size is 20 but the longest run has 20"):
        test(y, y, key=KEY, block_size=20)
    with pytest.raises(ValueError, match="run_id has runs of one sample only"):
        test(y, y, key=KEY, method="shift", run_id=np.arange(20))
    with pytest.raises(ValueError, match="run_id comes back to a run it had left"):
        test(y, y, key=KEY, run_id=np.arange(20) % 2)
    with pytest.raises(ValueError, match=r"run_id has shape \(3,\) but must name"):
        test(y, y, key=KEY, run_id=[0, 0, 1])
