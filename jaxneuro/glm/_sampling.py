"""How stimuli become columns: the choice between exact sampling and others'."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ._compat import neuroboros_columns, nilearn_columns
from ._hrf import LENGTH, HRFModel, Response, parts, responses
from ._regressors import Events, columns, orthogonalize, shares

__all__ = ["Sampling", "condition_columns", "reach", "scan_times", "suffixes"]


class Sampling(NamedTuple):
    """Options of :func:`design` that decide how columns are computed."""

    hrf_model: HRFModel | None
    tr: float
    oversampling: int
    slice_time_ref: float
    fir_delays: Sequence[int] | None
    compat: str | None


def scan_times(options: Sampling, n_scans: int) -> np.ndarray:
    """Seconds that the scans of a run represent."""
    ref, tr = options.slice_time_ref, options.tr
    if options.compat == "nilearn":  # spaced as in nilearn, to the last bit
        return np.linspace(ref * tr, (n_scans - 1 + ref) * tr, n_scans)
    return (np.arange(n_scans) + ref) * tr


def suffixes(options: Sampling) -> list[str]:
    """Give the endings of the names of a condition's columns."""
    named = _nilearn_functions(options)
    if named:
        return [f"_{function.__name__}" for function in named]
    return [one.suffix for one in _basis(options)] or [""]


def reach(options: Sampling) -> float:
    """Seconds that a response lasts."""
    if options.hrf_model is None or _nilearn_functions(options):
        return LENGTH
    return max(one.length for one in _basis(options))


def condition_columns(
    options: Sampling, runs: Sequence[Events], lengths: Sequence[int]
) -> np.ndarray:
    """Columns of one condition over all runs, (n_times, n_basis)."""
    blocks = [_run(options, run, n) for run, n in zip(runs, lengths, strict=True)]
    stacked = np.concatenate(blocks)
    return orthogonalize(stacked) if _has_derivatives(options) else stacked


def _nilearn_functions(options: Sampling) -> list:
    """Functions that nilearn would call with the TR and the oversampling."""
    model = options.hrf_model
    several = list(model) if isinstance(model, list | tuple) else [model]
    named = options.compat == "nilearn" and all(callable(one) for one in several)
    return several if named else []


def _has_derivatives(options: Sampling) -> bool:
    model, compat = options.hrf_model, options.compat
    return isinstance(model, str) and compat is None and parts(model)[0] != "fir"


def _basis(options: Sampling) -> list[Response]:
    if options.hrf_model is None:
        return []
    fir_delays = options.fir_delays
    if options.compat == "nilearn" and fir_delays is None:
        fir_delays = [0]
    return responses(
        options.hrf_model,
        tr=options.tr,
        length=15 * options.tr if options.compat == "neuroboros" else LENGTH,
        oversampling=options.oversampling,
        fir_delays=fir_delays,
    )


def _run(options: Sampling, events: Events, n_scans: int) -> np.ndarray:
    model, tr = options.hrf_model, options.tr
    times = scan_times(options, n_scans)
    if options.compat == "nilearn":
        return nilearn_columns(
            events,
            model,
            times,
            oversampling=options.oversampling,
            fir_delays=options.fir_delays,
        )
    if options.compat == "neuroboros":
        if model is None or (isinstance(model, str) and parts(model)[0] == "fir"):
            raise ValueError(
                f'hrf_model is {model!r} but compat="neuroboros" needs a response; '
                'name one, such as "spm".'
            )
        return neuroboros_columns(
            events, model, n_scans, tr, oversampling=options.oversampling
        )
    if model is None:
        return shares(events, n_scans, tr)
    return columns(events, times, _basis(options), tr)
