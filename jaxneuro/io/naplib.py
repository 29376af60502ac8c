"""Stimuli and responses from naplib's data object."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

__all__ = ["from_naplib"]


class _FieldsOfTrials(Protocol):
    """Anything indexed by a field's name that gives one array per trial."""

    def __getitem__(self, name: str, /) -> Sequence: ...


def from_naplib(
    data: _FieldsOfTrials, x_field: str, y_field: str
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Take two fields of a ``naplib.Data`` object as lists of trials.

    Only ``data[field]`` is used, so dictionaries of lists work as well and naplib
    need not be installed.

    Parameters
    ----------
    data : naplib.Data or mapping
        ``data[field]`` is a sequence with one array per trial.
    x_field : str
        Field of the predictors, such as ``"aud"``.
    y_field : str
        Field of what is predicted, such as ``"resp"``.

    Returns
    -------
    X : list of array (n_times_i, n_features)
        Trials of `x_field`; one-dimensional trials become one column.
    Y : list of array (n_times_i, n_targets)
        Trials of `y_field`.

    Raises
    ------
    ValueError
        If a field is missing or empty, or the two fields differ in the number of
        trials or in a trial's length.

    References
    ----------
    .. [1] Mischler, Raghavan, Keshishian & Mesgarani, Naplib-python: Neural acoustic
       data processing and analysis tools in python, Software Impacts, 2023,
       doi:10.1016/j.simpa.2023.100541.
    """
    X, Y = _field(data, "x_field", x_field), _field(data, "y_field", y_field)
    if len(X) != len(Y):
        raise ValueError(
            f"field {y_field!r} has {len(Y)} trials but {x_field!r} has {len(X)}; "
            "every trial needs both."
        )
    for index, (x, y) in enumerate(zip(X, Y, strict=True)):
        if len(x) != len(y):
            raise ValueError(
                f"{y_field!r} has {len(y)} time points in trial {index} but "
                f"{x_field!r} has {len(x)}; resample them to the same rate first."
            )
    return X, Y


def _field(data: _FieldsOfTrials, argument: str, name: str) -> list[np.ndarray]:
    known = getattr(data, "fields", None)
    if known is None and isinstance(data, Mapping):
        known = list(data)
    if known is not None and name not in known:
        there = ", ".join(map(str, known))
        raise ValueError(
            f"{argument} is {name!r} but the data have the fields {there}."
        )
    trials = [np.asarray(trial) for trial in data[name]]
    if not trials:
        raise ValueError(f"{argument} {name!r} has no trials.")
    if any(trial.dtype.kind not in "biuf" or trial.ndim == 0 for trial in trials):
        raise ValueError(
            f"{argument} {name!r} does not hold one array of numbers per trial; "
            "choose a field of signals."
        )
    return [trial[:, None] if trial.ndim == 1 else trial for trial in trials]
