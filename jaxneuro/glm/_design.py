"""Designs: from tables of events and confounds to a matrix of regressors."""

import numbers
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import jax
import numpy as np
from jax.typing import ArrayLike

from ..core import check
from ..core.struct import static, struct
from ._confounds import nuisance_columns
from ._events import EventTable, check_run, conditions_of, from_columns, run_label
from ._expressions import columns_of, contrast_rows
from ._hrf import HRFModel
from ._regressors import Events
from ._sampling import Sampling, condition_columns, reach, scan_times, suffixes

if TYPE_CHECKING:
    from pandas import DataFrame

    EventsLike: TypeAlias = Mapping[str, Any] | DataFrame | str | os.PathLike
    ConfoundsLike: TypeAlias = ArrayLike | Mapping[str, Any] | DataFrame | None
else:
    EventsLike = ConfoundsLike = object

__all__ = ["Design", "design"]

_COMPAT = ("nilearn", "neuroboros", None)
_OVERSAMPLING = {"nilearn": 50, "neuroboros": 256, None: 16}
# No scanner waits this long between two scans, so it must be milliseconds.
_LONGEST_TR = 100.0


@struct
class Design:
    """Regressors of one or several runs.

    Columns are the conditions, shared by all runs, and then for each run its
    confounds, drifts and constant.

    Attributes
    ----------
    matrix : array (n_times, n_regressors)
        Regressors in float64, runs one after the other.
    times : array (n_times,)
        Seconds of each scan from the start of its run.
    run_id : int array (n_times,)
        Run of each scan, from 0.
    names : tuple of str
        Names of the columns.
    conditions : tuple of str
        Condition of each of the leading columns. A condition has several columns with
        derivatives or delays.
    """

    matrix: np.ndarray | jax.Array
    times: np.ndarray | jax.Array
    run_id: np.ndarray | jax.Array
    names: tuple[str, ...] = static()  # type: ignore[assignment]  # a field
    conditions: tuple[str, ...] = static()  # type: ignore[assignment]  # a field

    @property
    def n_conditions(self) -> int:
        """Number of leading columns that model conditions."""
        return len(self.conditions)

    def columns(self, condition: str) -> np.ndarray:
        """Find the columns of a condition.

        Parameters
        ----------
        condition : str
            Name of a condition, or of one column.

        Returns
        -------
        int array (n_columns,)
            Indices into `names`.

        Raises
        ------
        ValueError
            If the design has no such name.
        """
        return np.asarray(columns_of(condition, self.names, self.conditions))

    def contrast(self, spec: object, *, basis: str | None = None) -> np.ndarray:
        """Give the weights of one or several contrasts on all columns.

        A name stands for the column of that name: with derivatives, a condition's name
        is its canonical response. Where a condition has no column of its own name, as
        with delays, it stands for the mean of its columns.

        Parameters
        ----------
        spec : str, dict, array or list of these
            An expression such as ``"face - (scene + body) / 2"``, with names that are
            no words between backticks or quotes; a dictionary from names to weights; or
            an array with one weight per condition, per column of the conditions, or per
            column. A list of these gives several contrasts.
        basis : str, optional
            ``"all"``: one row for each function of the basis (response, derivatives,
            delays) in place of one row, as an F contrast needs.

        Returns
        -------
        array (n_regressors,) or (n_contrasts, n_regressors)
            Weights in float64, zero for nuisance. Two axes for a list and for
            ``basis="all"``.

        Raises
        ------
        TypeError
            If `spec` is none of these.
        ValueError
            If a name is unknown, an expression cannot be read or is not linear, an
            array has another length, or all weights are zero.

        Examples
        --------
        >>> events = {"onset": [0, 9], "duration": [3, 3], "trial_type": ["a", "b"]}
        >>> design(events, 9, 2.0, drift_model=None).contrast("a - b").tolist()
        [1.0, -1.0, 0.0]
        """
        check.choice("basis", basis, ("all", None))
        several = isinstance(spec, list | tuple) and not (
            spec and all(isinstance(one, int | float | np.number) for one in spec)
        )
        several = several or (
            isinstance(spec, np.ndarray | jax.Array) and spec.ndim > 1
        )
        each = list(spec) if several else [spec]  # type: ignore[call-overload]  # a list
        rows = [contrast_rows(s, self.names, self.conditions, basis) for s in each]
        if not rows:
            raise ValueError("contrast is an empty list but must hold at least one.")
        result = np.concatenate(rows)
        return result if several or basis == "all" else result[0]


def design(
    events: EventsLike | Sequence[EventsLike],
    n_scans: int | Sequence[int],
    tr: float,
    *,
    hrf_model: HRFModel | None = "spm",
    drift_model: str | None = "cosine",
    high_pass: float = 0.01,
    drift_order: int | None = None,
    confounds: ConfoundsLike | Sequence[ConfoundsLike] = None,
    fir_delays: Sequence[int] | None = None,
    oversampling: int | None = None,
    slice_time_ref: float | None = None,
    compat: str | None = None,
) -> Design:
    """Make the design of one or several runs from their events.

    The response to an event is integrated in closed form from its true onset to its
    true end and read at the time of each scan: nothing is rounded to a grid. A block is
    a box of height 1 (times its modulation), an impulse has unit area, so its column is
    the response per second, as in SPM. Overlapping events add up.

    Parameters
    ----------
    events : DataFrame, dict, path, or list of these
        Columns onset and duration (seconds; 0 is an impulse), trial_type (the
        condition) and optionally modulation (its amplitude, 1 by default), as in BIDS.
        A path names a table separated by tabs, or by commas if it ends in ``.csv``. A
        list holds one table per run; a condition that a run lacks is zero there.
    n_scans : int or list of int
        Scans of the run, or of each run.
    tr : float
        Seconds from scan to scan. More than 100 is taken for milliseconds, with a
        warning.
    hrf_model : str, array or function, optional
        As in :func:`hrf`. Derivatives are made orthogonal to the response they belong
        to, as in SPM and nilearn. ``"fir"``: column `name_delay_3` answers 3 to 4 scans
        after an event (1 for an impulse, the share of the scan for a block). An array
        holds weights ``tr / oversampling`` apart. None: the mean of the stimulus over
        each scan, without a response.
    drift_model : str, optional
        ``"cosine"``: the cosines slower than `high_pass`. ``"polynomial"``: Legendre
        polynomials. None: only the constant, which every model has.
    high_pass : float
        Cutoff of the cosines in hertz. Default: 0.01, periods above 100 seconds.
    drift_order : int, optional
        Degree of the polynomials. Default: 1 + floor(seconds / 150), as AFNI.
    confounds : array (n_scans, n_confounds), DataFrame, dict, or list, optional
        Nuisance columns, or a list with those of each run (None where there are none).
        A NaN in the first row, as derivatives have, becomes the mean of its column,
        which leaves the first scan to the other columns; a warning says so.
    fir_delays : sequence of int, optional
        Delays in scans for ``"fir"``. Default: those that begin within 20 seconds.
    oversampling : int, optional
        Samples per scan at which an array is given or a function is read, and of the
        grids of `compat`. Default: 16; 50 for nilearn, 256 for neuroboros.
    slice_time_ref : float, optional
        Time within a scan, from 0 to 1, that the data represent. Default: 0.5, the
        middle: right for data whose slices were not corrected, and for what fMRIPrep,
        SPM and FSL correct to. 0 is right for data corrected to the first slice, and
        the default of ``compat="nilearn"``.
    compat : str, optional
        ``"nilearn"``: its columns to rounding [1]_, whose impulses depend on
        `oversampling`. ``"neuroboros"``: those of its tutorial [2]_, conditions in the
        order of their first event; `slice_time_ref` and modulation have no effect.

    Returns
    -------
    Design
        Matrix (n_times, n_regressors) with names. Conditions are sorted. With several
        runs, nuisance columns are named like ``run1_drift_1``.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If events lack a column, hold NaN, text for numbers, negative durations or
        onsets after the run's end; if there are none; if confounds have another length
        or hold NaN after their first row; if names repeat; if `high_pass` is not below
        the Nyquist frequency; or if an option is unknown.

    References
    ----------
    .. [1] nilearn 0.14, nilearn.glm.first_level.make_first_level_design_matrix.
    .. [2] Jiahui et al., neuroboros, tutorial "General Linear Model".
    .. [3] Friston et al., NeuroImage 7, 1998, 10.1006/nimg.1997.0306.

    Examples
    --------
    >>> events = {"onset": [9, 40], "duration": [8, 8], "trial_type": ["face", "car"]}
    >>> made = design(events, 40, 2.0, drift_model=None)
    >>> made.names, made.matrix.shape
    (('car', 'face', 'constant'), (40, 3))
    """
    check.choice("compat", compat, _COMPAT)
    options = _options(hrf_model, tr, oversampling, slice_time_ref, fir_delays, compat)
    tables = _tables(events)
    n_runs = len(tables)
    lengths = _per_run("n_scans", n_scans, n_runs)
    nuisance = nuisance_columns(
        _per_run("confounds", confounds, n_runs),
        lengths,
        options,
        dict(drift_model=drift_model, high_pass=high_pass, drift_order=drift_order),
    )
    each = conditions_of(tables, by_appearance=compat == "neuroboros")
    for r, (table, n) in enumerate(zip(tables, lengths, strict=True)):
        check_run(table, n, options.tr, reach(options), run_label(r, n_runs))
    blocks = [
        condition_columns(options, [_of(name, table) for table in tables], lengths)
        for name in each
    ]
    idle = [name for name, b in zip(each, blocks, strict=True) if not b.any()]
    if idle:
        warnings.warn(
            f"{len(idle)} conditions have no effect on any scan: {', '.join(idle)}; "
            "their columns are zero. Check onsets, durations and modulation.",
            stacklevel=2,
        )
    endings = suffixes(options)
    names = [name + ending for name in each for ending in endings] + nuisance[1]
    _unique(names)
    matrix = np.concatenate([*blocks, nuisance[0]], axis=1)
    if matrix.shape[1] >= matrix.shape[0]:
        warnings.warn(
            f"the design has {matrix.shape[1]} columns for {matrix.shape[0]} scans; "
            "no degrees of freedom are left to estimate noise. Use fewer confounds, "
            "drifts or delays.",
            stacklevel=2,
        )
    return Design(
        matrix=matrix,
        times=np.concatenate([scan_times(options, n) for n in lengths]),
        run_id=np.repeat(np.arange(n_runs), lengths),
        names=tuple(names),
        conditions=tuple(np.repeat(each, len(endings)).tolist()),
    )


def _options(
    hrf_model: HRFModel | None,
    tr: float,
    oversampling: int | None,
    slice_time_ref: float | None,
    fir_delays: Sequence[int] | None,
    compat: str | None,
) -> Sampling:
    """Check how to sample, and fill in the defaults."""
    seconds = check.positive("tr", tr)
    if seconds > _LONGEST_TR:
        warnings.warn(
            f"tr is {seconds:g} s, which must be milliseconds; {seconds / 1000:g} s is "
            "used. Give tr in seconds.",
            stacklevel=3,
        )
        seconds /= 1000
    if slice_time_ref is None:
        slice_time_ref = 0.0 if compat == "nilearn" else 0.5
    ref = check.real_number("slice_time_ref", slice_time_ref)
    if not 0 <= ref <= 1:
        raise ValueError(
            f"slice_time_ref is {ref:g} but must be between 0 and 1, a part of tr."
        )
    samples = _OVERSAMPLING[compat] if oversampling is None else oversampling
    if samples != int(samples) or samples < 1:
        raise ValueError(
            f"oversampling is {samples!r} but must be a whole number, 1 or more."
        )
    return Sampling(hrf_model, seconds, int(samples), ref, fir_delays, compat)


def _tables(events: Any) -> list[EventTable]:
    """Tables of all runs; one table is one run."""
    runs = list(events) if isinstance(events, list | tuple) else [events]
    if not runs:
        raise ValueError("events is an empty list but must hold a table per run.")
    tables = []
    for r, run in enumerate(runs):
        where = run_label(r, len(runs))
        if isinstance(run, str | os.PathLike):
            run = _read(run)
        if not (hasattr(run, "keys") and hasattr(run, "__getitem__")):
            raise TypeError(
                f"events{where} is of type {type(run).__name__} but must be a "
                "DataFrame, a dictionary of columns or the path of a table."
            )
        tables.append(from_columns(run, where))
    return tables


def _read(path: str | os.PathLike) -> "DataFrame":
    import pandas as pd

    separator = "," if os.fspath(path).endswith((".csv", ".csv.gz")) else "\t"
    return pd.read_csv(path, sep=separator, skipinitialspace=True)


def _per_run(name: str, value: Any, n_runs: int) -> list[Any]:
    """One entry per run; a length holds for all runs, confounds for a single one."""
    listed = isinstance(value, list | tuple)
    if name == "n_scans":
        listed = listed or (np.ndim(value) == 1)
        entries = list(value) if listed else [value] * n_runs
        for n in entries:
            if isinstance(n, bool) or not isinstance(n, numbers.Integral) or n < 2:
                raise ValueError(
                    f"n_scans is {n!r} but must be a whole number, 2 or more."
                )
        entries = [int(n) for n in entries]
    elif value is None:
        entries = [None] * n_runs
    else:
        entries = list(value) if listed and (n_runs > 1 or len(value) == 1) else [value]
    if len(entries) != n_runs:
        raise ValueError(
            f"{name} has {len(entries)} entries but events has {n_runs} runs; give one "
            "per run."
        )
    return entries


def _of(condition: str, table: EventTable) -> Events:
    chosen = table.trial_type == condition
    return table.onset[chosen], table.duration[chosen], table.modulation[chosen]


def _unique(names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"the design would have several columns named {', '.join(twice)}; rename "
            "these conditions or confounds."
        )
