"""Folds against scikit-learn's splitters."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.model_selection import GroupKFold, KFold, LeaveOneGroupOut, ShuffleSplit

from jaxneuro.core import folds


def by_scikit_learn(splitter, n_samples, groups=None):
    fold_id = np.full(n_samples, -1)
    for fold, (_, test) in enumerate(splitter.split(np.ones(n_samples), None, groups)):
        fold_id[test] = fold
    return fold_id


@settings(deadline=None)
@given(data=st.data(), n_folds=st.integers(2, 12))
def test_kfold_equals_scikit_learn(data, n_folds):
    n_samples = data.draw(st.integers(n_folds, 60))
    fold_id = folds.kfold(n_samples, n_folds)
    assert_array_equal(fold_id, by_scikit_learn(KFold(n_folds), n_samples))
    assert folds.n_folds(fold_id) == n_folds


@settings(deadline=None)
@given(st.lists(st.integers(-3, 9), min_size=2, max_size=30), st.data())
def test_groups_are_never_cut(groups, data):
    n_groups = len(set(groups))
    if n_groups < 2:
        return
    n_folds = data.draw(st.none() | st.integers(2, n_groups))
    fold_id = folds.by_group(groups, n_folds)
    assert folds.n_folds(fold_id) == (n_folds or n_groups)
    pairs = set(zip(groups, fold_id.tolist(), strict=True))
    assert len(pairs) == n_groups
    # Groups go to folds in order, and folds differ by at most one group.
    assert_array_equal([fold for _, fold in sorted(pairs)], sorted(f for _, f in pairs))
    assert np.ptp(np.bincount([fold for _, fold in pairs])) <= 1


def test_one_fold_per_group_is_leave_one_group_out():
    groups = np.array([7, 7, 3, 9, 9, 9, 3])
    expected = by_scikit_learn(LeaveOneGroupOut(), 7, groups)
    assert_array_equal(folds.by_group(groups), expected)


@pytest.mark.parametrize(
    ("splitter", "groups"),
    [
        (KFold(3), None),
        (KFold(4, shuffle=True, random_state=1), None),
        (GroupKFold(3), np.repeat(np.arange(6), 4)),
    ],
)
def test_splitters_that_partition(splitter, groups):
    fold_id = folds.from_splitter(splitter, 24, groups)
    assert_array_equal(fold_id, by_scikit_learn(splitter, 24, groups))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: folds.kfold(9, 1), "n_folds is 1 but must be between 2 and .* 9"),
        (lambda: folds.kfold(3, 4), "n_folds is 4 but must be between 2 and .* 3"),
        (lambda: folds.by_group([2, 2, 2]), "group_id holds 1 group but .* at least 2"),
        (lambda: folds.by_group([1, 2], 3), "n_folds is 3 but must .* groups, 2"),
        (
            lambda: folds.from_splitter(
                ShuffleSplit(2, test_size=2, random_state=0), 10
            ),
            "cv tests .* samples never and .* more than once",
        ),
        (lambda: folds.n_folds([0, 2, 2]), r"fold_id holds the folds \[0, 2\]"),
        (lambda: folds.n_folds([1, 2]), r"holds the folds \[1, 2\] but must hold 0, 1"),
        (lambda: folds.n_folds([0, 0]), "with at least two folds"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
