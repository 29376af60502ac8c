"""Cross-validation schemes as one integer per sample: the fold that tests it."""

from typing import Protocol

import numpy as np
from jax.typing import ArrayLike

__all__ = ["by_group", "from_splitter", "kfold", "n_folds"]


class _Splitter(Protocol):
    """What scikit-learn's cross-validators offer."""

    def split(self, X: object, y: object = None, groups: object = None) -> object:
        """Yield pairs of training and test indices."""
        ...


def kfold(n_samples: int, n_folds: int) -> np.ndarray:
    """Cut samples into consecutive folds of nearly equal size.

    Parameters
    ----------
    n_samples : int
        Number of samples.
    n_folds : int
        Number of folds.

    Returns
    -------
    int array (n_samples,)
        The folds of scikit-learn's ``KFold(n_folds)``.

    Raises
    ------
    ValueError
        If there are fewer than two folds or more folds than samples.
    """
    if not 2 <= n_folds <= n_samples:
        raise ValueError(
            f"n_folds is {n_folds} but must be between 2 and the number of "
            f"samples, {n_samples}."
        )
    size = np.full(n_folds, n_samples // n_folds)
    size[: n_samples % n_folds] += 1
    return np.repeat(np.arange(n_folds), size)


def by_group(group_id: ArrayLike, n_folds: int | None = None) -> np.ndarray:
    """Keep the samples of a group (trial, run) in one fold.

    Parameters
    ----------
    group_id : int array (n_samples,)
        Group of each sample.
    n_folds : int, optional
        Groups are dealt to this many consecutive folds. Default: one fold per
        group, which is leave-one-group-out.

    Returns
    -------
    int array (n_samples,)
        Fold of each sample.

    Raises
    ------
    ValueError
        If there are fewer than two groups or fewer groups than folds.
    """
    groups, index = np.unique(np.asarray(group_id), return_inverse=True)
    if groups.size < 2:
        raise ValueError(
            "group_id holds 1 group but cross-validation over groups needs at "
            "least 2; give more trials or a number of folds within the recording."
        )
    if n_folds is None:
        return index
    if not 2 <= n_folds <= groups.size:
        raise ValueError(
            f"n_folds is {n_folds} but must be between 2 and the number of "
            f"groups, {groups.size}."
        )
    return kfold(groups.size, n_folds)[index]


def from_splitter(
    splitter: _Splitter, n_samples: int, groups: ArrayLike | None = None
) -> np.ndarray:
    """Convert a scikit-learn splitter that tests every sample exactly once.

    Parameters
    ----------
    splitter : object with ``split``
        For example ``sklearn.model_selection.GroupKFold(5)``.
    n_samples : int
        Number of samples.
    groups : int array (n_samples,), optional
        Passed to the splitter.

    Returns
    -------
    int array (n_samples,)
        Fold of each sample.

    Raises
    ------
    ValueError
        If a sample is tested never or more than once.
    """
    fold_id = np.full(n_samples, -1)
    count = np.zeros(n_samples, dtype=int)
    rows = np.zeros((n_samples, 1))
    for fold, (_, test) in enumerate(splitter.split(rows, None, groups)):  # type: ignore[arg-type]  # the protocol cannot say "iterable of pairs" as scikit-learn's stubs do
        fold_id[test] = fold
        count[test] += 1
    if (count != 1).any():
        raise ValueError(
            f"cv tests {np.count_nonzero(count == 0)} samples never and "
            f"{np.count_nonzero(count > 1)} more than once, but every sample must "
            "be tested exactly once; use a splitter that partitions, such as KFold."
        )
    return fold_id


def n_folds(fold_id: ArrayLike) -> int:
    """Count the folds and check that none is empty.

    Parameters
    ----------
    fold_id : int array (n_samples,)
        Fold of each sample, concrete.

    Returns
    -------
    int
        Number of folds.

    Raises
    ------
    ValueError
        If the folds are not numbered 0, 1, 2, … or there is only one.
    """
    folds = np.unique(np.asarray(fold_id))
    if folds.size < 2 or (folds != np.arange(folds.size)).any():
        raise ValueError(
            f"fold_id holds the folds {folds[:10].tolist()} but must hold 0, 1, 2, … "
            "with at least two folds."
        )
    return folds.size
