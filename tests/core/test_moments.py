"""Moments against NumPy on all samples at once, in float64."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from jaxneuro.core import moments
from jaxneuro.core.moments import Moments

# Shapes are fixed so that any example is one of few compilations.
N_SAMPLES, N_FEATURES, N_TARGETS, N_FOLDS = 17, 4, 3, 5
folds_of_samples = st.lists(
    st.integers(0, N_FOLDS - 1), min_size=N_SAMPLES, max_size=N_SAMPLES
).map(np.array)
merge = jax.jit(moments.merge)


def oracle(X, Y):
    X, Y = np.asarray(X, float), np.asarray(Y, float)
    x_mean, y_mean = X.mean(0), Y.mean(0)
    Xc, Yc = X - x_mean, Y - y_mean
    return Moments(
        n=len(X),
        x_mean=x_mean,
        y_mean=y_mean,
        xx=Xc.T @ Xc,
        xy=Xc.T @ Yc,
        yy=(Yc**2).sum(0),
    )


def assert_moments(got, expected, *, rtol, atol):
    jax.tree.map(partial(assert_allclose, rtol=rtol, atol=atol), got, expected)


def tolerance():
    wide = jax.config.jax_enable_x64
    return {"rtol": 1e-11, "atol": 1e-11} if wide else {"rtol": 2e-5, "atol": 2e-5}


def small_data(offset=1.0):
    rng = np.random.default_rng(3)
    dtype = jnp.zeros(()).dtype
    X = (rng.standard_normal((N_SAMPLES, N_FEATURES)) + offset).astype(dtype)
    Y = (rng.standard_normal((N_SAMPLES, N_TARGETS)) - offset).astype(dtype)
    return X, Y


def take(folds, index):
    return jax.tree.map(lambda leaf: leaf[index], folds)


@pytest.mark.parametrize("shape", [(40, 6, 3), (5, 9, 2), (7, 1, 1), (1, 3, 2)])
def test_equals_direct(rng, dtype, shape):
    n, n_features, n_targets = shape
    X = rng.normal(2, 1, (n, n_features)).astype(dtype)
    Y = rng.normal(-3, 1, (n, n_targets)).astype(dtype)
    assert_moments(moments.moments(X, Y), oracle(X, Y), **tolerance())


def test_integers_become_floats(dtype):
    m = moments.moments(np.arange(6).reshape(3, 2), np.array([[0], [1], [5]]))
    assert m.xx.dtype == m.n.dtype == dtype
    assert_allclose(m.xx, [[8, 8], [8, 8]])
    assert_allclose(m.xy, [[10], [10]])


def test_each_fold_is_centered_at_its_own_mean():
    X, Y = small_data()
    fold_id = np.arange(N_SAMPLES) % 3
    folds = moments.fold_moments(X, Y, fold_id, n_folds=3)
    assert folds.xx.shape == (3, N_FEATURES, N_FEATURES)
    for k in range(3):
        mine = fold_id == k
        assert_moments(take(folds, k), oracle(X[mine], Y[mine]), **tolerance())


@given(fold_id=folds_of_samples)
@settings(max_examples=40, deadline=None)
def test_any_split_merges_to_the_whole(fold_id):
    X, Y = small_data()
    folds = moments.fold_moments(X, Y, fold_id, n_folds=N_FOLDS)
    assert_moments(moments.total(folds), oracle(X, Y), **tolerance())
    for k in range(N_FOLDS):
        rest = fold_id != k
        if rest.any():
            left = moments.leave_out(folds, k)
            assert_moments(left, oracle(X[rest], Y[rest]), **tolerance())


@given(fold_id=folds_of_samples, order=st.permutations(range(N_FOLDS)))
@settings(max_examples=40, deadline=None)
def test_order_does_not_matter(fold_id, order):
    X, Y = small_data()
    folds = moments.fold_moments(X, Y, fold_id, n_folds=N_FOLDS)
    parts = [take(folds, k) for k in range(N_FOLDS)]
    forward = moments.total(folds)
    shuffled = take(folds, np.array(order))
    assert_moments(moments.total(shuffled), forward, **tolerance())
    # Pairs first, as a tree of devices would merge.
    a = merge(parts[order[0]], parts[order[1]])
    b = merge(parts[order[2]], parts[order[3]])
    assert_moments(merge(merge(a, b), parts[order[4]]), forward, **tolerance())


@given(offset=st.floats(-100, 100, width=32))
@settings(max_examples=20, deadline=None)
def test_empty_sets_change_nothing(offset):
    m = moments.moments(*small_data(offset))
    empty = jax.tree.map(jnp.zeros_like, m)
    jax.tree.map(assert_array_equal, merge(m, empty), m)
    jax.tree.map(assert_array_equal, merge(empty, m), m)
    jax.tree.map(assert_array_equal, merge(empty, empty), empty)


def test_leaving_out_the_only_fold_leaves_nothing():
    X, Y = small_data()
    folds = moments.fold_moments(X, Y, np.zeros(N_SAMPLES, int), n_folds=1)
    left = moments.leave_out(folds, 0)
    assert left.n == 0
    assert_array_equal(left.xx, 0)


class TestLargeOffset:
    """Recordings in raw units: a mean 10^4 times the standard deviation."""

    @pytest.fixture
    def data(self, rng):
        X = (rng.standard_normal((3000, 5)) + 1e4).astype(np.float32)
        Y = (rng.standard_normal((3000, 2)) - 1e4).astype(np.float32)
        return X, Y

    @staticmethod
    def error(got, expected):
        expected = np.asarray(expected)
        return np.abs(np.asarray(got, float) - expected).max() / expected.max()

    def test_float32_keeps_its_digits(self, data):
        m, exact = moments.moments(*data), oracle(*data)
        assert m.xx.dtype == np.float32
        assert self.error(m.xx, exact.xx) < 3e-6
        assert self.error(m.yy, exact.yy) < 3e-6
        # Relative to the spread, which is what predictions are made of.
        assert np.abs(np.asarray(m.xy, float) - exact.xy).max() < 3e-6 * exact.xx.max()
        assert_allclose(m.x_mean, exact.x_mean, rtol=2e-7)

    def test_merging_keeps_most_of_them(self, data):
        # Neighboring float32 means are 1e-3 apart, and means of folds differ by 0.05.
        fold_id = np.arange(3000) * 7 // 3000
        folds = moments.fold_moments(*data, fold_id, n_folds=7)
        exact = oracle(*data)
        assert self.error(moments.total(folds).xx, exact.xx) < 1e-4
        rest = fold_id != 2
        left = oracle(data[0][rest], data[1][rest])
        assert self.error(moments.leave_out(folds, 2).xx, left.xx) < 1e-4

    def test_the_textbook_formula_loses_them(self, data):
        X, _ = data
        mean = X.mean(0)
        naive = X.T @ X - np.float32(len(X)) * np.outer(mean, mean)
        assert naive.dtype == np.float32
        assert self.error(naive, oracle(*data).xx) > 0.1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: moments.moments(np.ones(4), np.ones((4, 1))),
            r"X has shape \(4,\) but must be two-dimensional",
        ),
        (
            lambda: moments.moments(np.ones((4, 1)), np.ones((3, 2))),
            "Y has 3 samples but X has 4",
        ),
        (
            lambda: moments.fold_moments(
                np.ones((4, 1)), np.ones((4, 2)), np.zeros(6, int), n_folds=2
            ),
            "fold_id has 6 samples but X has 4",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
