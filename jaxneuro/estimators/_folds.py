"""Every way to name a cross-validation scheme."""

from collections.abc import Sequence

import numpy as np

from ..core import check, folds

__all__ = ["fold_ids", "folds_of"]


def fold_ids(cv: object, trial_id: np.ndarray) -> np.ndarray:
    """Convert any way to name a cross-validation scheme to a fold per sample.

    Parameters
    ----------
    cv : "trials", int, int array or splitter
        As :class:`TRF` takes it.
    trial_id : int array (n_times,)
        Trial of each sample, from 0.

    Returns
    -------
    int array (n_times,)
        Fold of each sample.

    Raises
    ------
    ValueError
        If the scheme does not fit the recording.
    """
    n_trials, n_times = int(trial_id[-1]) + 1, trial_id.size
    if isinstance(cv, str):
        check.choice("cv", cv, ("trials", "gcv"))
        if n_trials == 1:
            raise ValueError(
                "cv is 'trials' but there is one trial only; give more, or a number of "
                "folds within the recording such as cv=5."
            )
        return folds.by_group(trial_id)
    if isinstance(cv, (int, np.integer)):
        if n_trials >= cv:
            return folds.by_group(trial_id, int(cv))
        return folds.kfold(n_times, int(cv))
    if hasattr(cv, "split"):
        if n_trials == 1:
            return folds.from_splitter(cv, n_times)  # type: ignore[arg-type]  # it has split
        return folds.from_splitter(cv, n_trials)[trial_id]  # type: ignore[arg-type]  # as above
    fold_id = np.asarray(cv)
    if fold_id.shape not in ((n_trials,), (n_times,)):
        raise ValueError(
            f"cv has shape {fold_id.shape} but must number the fold of each of the "
            f"{n_trials} trials or of each of the {n_times} samples."
        )
    return fold_id if fold_id.size == n_times else fold_id[trial_id]


def folds_of(cv: object, n_samples: int) -> np.ndarray:
    """Convert a scheme of cross-validation to a fold per sample.

    Parameters
    ----------
    cv : int, int array (n_samples,), splitter or list of pairs
        As :class:`RidgeCV` and :class:`LassoCV` take it.
    n_samples : int
        Number of samples.

    Returns
    -------
    int array (n_samples,)
        Fold of each sample.
    """
    if isinstance(cv, int):
        return folds.kfold(n_samples, cv)
    if isinstance(cv, list) and cv and all(isinstance(pair, tuple) for pair in cv):
        return folds.from_splitter(_Pairs(cv), n_samples)
    return fold_ids(cv, np.zeros(n_samples, int))


class _Pairs:
    """Pairs of training and test samples as a splitter."""

    def __init__(self, pairs: Sequence) -> None:
        self.pairs = pairs

    def split(self, X: object, y: object = None, groups: object = None) -> Sequence:
        """Give the pairs."""
        return self.pairs
