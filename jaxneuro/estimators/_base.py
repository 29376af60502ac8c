"""What the estimators share: trials in and out, dtypes, warnings."""

import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core import check, folds
from ..signal import Lags

__all__ = [
    "Trials",
    "as_array",
    "as_trials",
    "check_enough",
    "check_pairs",
    "check_trials",
    "fold_ids",
    "precision",
    "warn_constant",
    "warn_targets",
]

Trials = list[np.ndarray] | list[jax.Array]
_DTYPES = ("float32", "float64")


def precision(dtype: str) -> AbstractContextManager[Any]:
    """Run kernels in the given float, whatever JAX's global setting.

    Parameters
    ----------
    dtype : {"float32", "float64"}
        Arithmetic.

    Returns
    -------
    context manager
        Enables or disables 64-bit types inside.

    Raises
    ------
    ValueError
        If `dtype` is unknown.
    """
    check.choice("dtype", dtype, _DTYPES)
    return jax.enable_x64(dtype == "float64")


def as_trials(name: str, data: object) -> tuple[list, bool]:
    """Take one array or a list of arrays as a list of trials.

    Parameters
    ----------
    name : str
        What the caller names the argument.
    data : array or sequence of array
        One recording, or one array per trial.

    Returns
    -------
    trials : list of array
        With at least one axis each.
    listed : bool
        Whether a list came.

    Raises
    ------
    ValueError
        If the list is empty or the trials differ in more than length.
    """
    listed = isinstance(data, (list, tuple)) and (
        len(data) == 0
        or any(np.ndim(getattr(item, "shape", None) or 0) for item in data)
    )
    if not listed:
        return [data], False
    trials = [item if hasattr(item, "shape") else np.asarray(item) for item in data]  # type: ignore[union-attr]  # a list or tuple here
    if not trials:
        raise ValueError(f"{name} is an empty list; give at least one trial.")
    trials = [trial[:, None] if trial.ndim == 1 else trial for trial in trials]
    for index, trial in enumerate(trials):
        if trial.shape[1:] != trials[0].shape[1:]:
            raise ValueError(
                f"{name} has shape {trial.shape} in trial {index} but "
                f"{trials[0].shape} in trial 0; trials may differ in length only."
            )
    return trials, True


def check_trials(
    name: str, trials: Sequence, mask: Sequence[np.ndarray] | None = None
) -> None:
    """Check the values of each trial before anything is compiled.

    Parameters
    ----------
    name : str
        What the caller names the argument.
    trials : sequence of array (n_times_i, ...)
        Recording.
    mask : sequence of bool array (n_times_i,), optional
        Samples to use; others may be NaN.

    Raises
    ------
    TypeError
        If a trial does not hold real numbers.
    ValueError
        If a sample that counts is NaN or infinite; the message names the trial.
    """
    for index, trial in enumerate(trials):
        check.float_array(f"{name} in trial {index}", trial[:0])
        used = np.asarray(trial) if mask is None else np.asarray(trial)[mask[index]]
        where = f" in trial {index}" if len(trials) > 1 else ""
        check.finite(name, used, where)


def warn_constant(name: str, array: np.ndarray | jax.Array, what: str) -> None:
    """Warn of columns that do not vary.

    Parameters
    ----------
    name : str
        What the caller names the argument.
    array : array (n_times, n_columns)
        Data.
    what : str
        What follows from it.
    """
    span = jnp.nanmax(array, axis=0) - jnp.nanmin(array, axis=0)
    warn_targets(np.asarray(span) == 0, f"{name} is constant in", what)


def warn_targets(bad: np.ndarray, problem: str, what: str) -> None:
    """Warn once, with the count and the first positions.

    Parameters
    ----------
    bad : bool array (n_targets,)
        Where there is something to say.
    problem, what : str
        Text before the count, and the consequence.
    """
    where = np.flatnonzero(bad)
    if where.size:
        first = ", ".join(str(i) for i in where[:5]) + ("…" if where.size > 5 else "")
        warnings.warn(
            f"{problem} {where.size} of {bad.size} columns ({first}); {what}.",
            UserWarning,
            stacklevel=4,
        )


def as_array(name: str, data: object) -> np.ndarray | jax.Array:
    """Take numbers of any kind as an array with at least one axis.

    Parameters
    ----------
    name : str
        What the caller names the argument.
    data : array
        Numbers.

    Returns
    -------
    array
        JAX arrays as they are, all else in host memory.

    Raises
    ------
    TypeError
        If it holds objects that are not numbers.
    ValueError
        If it is a single number.
    """
    if isinstance(data, jax.Array):
        return data
    array = np.asarray(data)
    if array.dtype == object:
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"{name} has dtype object but must hold real numbers; convert it to "
                "float first."
            ) from error
    if array.ndim == 0:
        raise ValueError(f"{name} is a single number but must be an array.")
    return array


def check_pairs(x_name: str, xs: Sequence, y_name: str, ys: Sequence) -> None:
    """Refuse recordings whose trials do not belong together.

    Parameters
    ----------
    x_name, y_name : str
        What the caller names the arguments.
    xs, ys : sequence of array (n_times_i, ...)
        Trials.

    Raises
    ------
    ValueError
        If the numbers of trials or the lengths of a trial differ.
    """
    if len(xs) != len(ys):
        raise ValueError(
            f"{y_name} has {len(ys)} trials but {x_name} has {len(xs)}; give the same "
            "trials in both."
        )
    for index, (x, y) in enumerate(zip(xs, ys, strict=True)):
        if len(x) != len(y):
            where = f" in trial {index}" if len(xs) > 1 else ""
            raise ValueError(
                f"{y_name} has {len(y)} time points{where} but {x_name} has {len(x)}; "
                "trim or resample them to the same sfreq."
            )


def check_enough(lengths: Sequence[int], lags: Lags) -> None:
    """Refuse trials that are shorter than the lag window.

    Parameters
    ----------
    lengths : sequence of int
        Samples of each trial.
    lags : Lags
        Lag window.

    Raises
    ------
    ValueError
        Naming the first such trial.
    """
    for index, length in enumerate(lengths):
        if length < lags.n_lags:
            raise ValueError(
                f"trial {index} has {length} samples but the window has "
                f"{lags.n_lags} lags; drop the trial or shorten the window."
            )


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
