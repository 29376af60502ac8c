"""What the estimators share: trials in and out, dtypes, warnings."""

import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from sklearn.utils.validation import validate_data

from ..core import check
from ..signal import concatenate

__all__ = [
    "Data",
    "as_array",
    "Prepared",
    "as_trials",
    "check_pairs",
    "check_trials",
    "join",
    "precision",
    "predictors",
    "prepare",
    "warn_targets",
]

Data = ArrayLike | Sequence[ArrayLike]
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


class Prepared(NamedTuple):
    """A checked recording, its trials one after the other.

    Attributes
    ----------
    X, Y : array (n_times, n_features), (n_times, n_columns)
        Predictors and targets; outputs of a target are next to each other.
    trial_id : int array (n_times,)
        Trial of each sample.
    mask : bool array (n_times,), or None
        Samples to use.
    target_shape : tuple of int
        Shape of one sample of the targets as they came.
    """

    X: jax.Array
    Y: jax.Array
    trial_id: np.ndarray
    mask: np.ndarray | None
    target_shape: tuple[int, ...]


def predictors(estimator: Any, X: Data) -> tuple[list, bool]:
    """Take predictors as trials and compare their width with that of the fit.

    Parameters
    ----------
    estimator : estimator
        Gets ``n_features_in_`` where it has none yet.
    X : array (n_times, n_features) or list of these
        Predictors.

    Returns
    -------
    trials : list of array
        Two-dimensional.
    listed : bool
        Whether a list came.

    Raises
    ------
    ValueError
        If a trial is not two-dimensional or the number of features has changed.
    """
    trials, listed = as_trials("X", X)
    fitted = hasattr(estimator, "fit_")
    if not listed and not isinstance(trials[0], jax.Array):
        # NaN is looked for trial by trial, where samples may be masked.
        checked = validate_data(
            estimator,
            trials[0],  # type: ignore[arg-type]  # scikit-learn's own default is a str
            reset=not fitted,
            ensure_all_finite=False,
            dtype=[np.float64, np.float32],
        )
        return [checked], False
    for trial in trials:
        check.has_ndim("X", trial, 2)
    n_features = trials[0].shape[1]
    if fitted and n_features != estimator.n_features_in_:
        raise ValueError(
            f"X has {n_features} features but the model was fitted with "
            f"{estimator.n_features_in_}."
        )
    estimator.n_features_in_ = n_features
    return trials, listed


def prepare(
    estimator: Any, X: Data, y: Data, mask: Data | None, *, n_lags: int
) -> Prepared:
    """Check everything that can be checked, then join the trials.

    Parameters
    ----------
    estimator : estimator
        Whose ``dtype`` and ``n_features_in_`` count.
    X, y, mask
        As the estimator's ``fit`` takes them.
    n_lags : int
        Least number of samples of a trial.

    Returns
    -------
    Prepared
        On the device.

    Raises
    ------
    TypeError, ValueError
        If types, shapes or values are wrong.
    """
    if y is None:
        raise ValueError(
            "the estimator requires y to be passed, but the target y is None; give "
            "what X should predict."
        )
    vars(estimator).pop("fit_", None)
    xs, listed = predictors(estimator, X)
    ys = as_trials("y", y)[0] if listed else [as_array("y", y)]
    check_pairs("X", xs, "y", ys)
    used = None
    if mask is not None:
        used = [np.asarray(trial).reshape(-1) for trial in as_trials("mask", mask)[0]]
        if any(trial.dtype != bool for trial in used):
            raise ValueError("mask must be boolean, True for samples to use.")
        check_pairs("X", xs, "mask", used)
    check_trials("X", xs, used)
    check_trials("y", ys, used)
    for index, trial in enumerate(xs):
        if len(trial) < n_lags:
            raise ValueError(
                f"trial {index} has {len(trial)} samples but the window has {n_lags} "
                "lags; drop the trial or shorten the window."
            )
    (X_all, trial_id), (Y_all, _) = (join(data, estimator.dtype) for data in (xs, ys))
    Y_all = Y_all.reshape(Y_all.shape[0], -1)
    warn_targets(_constant(X_all), "X is constant in", "it only marks trials' edges")
    warn_targets(_constant(Y_all), "y is constant in", "scores are NaN there")
    joined = None if used is None else np.concatenate(used)
    return Prepared(X_all, Y_all, trial_id, joined, tuple(ys[0].shape[1:]))


def join(trials: Sequence, dtype: str) -> tuple[jax.Array, np.ndarray]:
    """Concatenate trials in the given float.

    Parameters
    ----------
    trials : sequence of array (n_times_i, ...)
        Recording; JAX arrays stay on their device.
    dtype : str
        Float.

    Returns
    -------
    array (n_times, ...)
        On the device.
    trial_id : int array (n_times,)
        Trial of each sample.
    """
    return concatenate(
        [
            trial.astype(dtype)
            if isinstance(trial, jax.Array)
            else np.asarray(trial, dtype)
            for trial in trials
        ]
    )


def _constant(array: jax.Array) -> np.ndarray:
    span = jnp.nanmax(array, axis=0) - jnp.nanmin(array, axis=0)
    return np.asarray(span) == 0
