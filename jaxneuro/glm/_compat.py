"""Columns of a design as other programs sample them, to rounding."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.fft import next_fast_len

from ._hrf import HRFModel, hrf, nilearn_kernels
from ._regressors import Events, orthogonalize

__all__ = ["neuroboros_columns", "nilearn_columns", "nilearn_grid", "nilearn_stimulus"]


def nilearn_grid(
    frame_times: np.ndarray, oversampling: int, min_onset: float = -24.0
) -> np.ndarray:
    """Fine times of nilearn; the step is not quite tr / oversampling."""
    n = frame_times.size
    low, high = frame_times.min(), frame_times.max()
    end = high * (1 + 1.0 / (n - 1))
    n_fine = (n - 1) * 1.0 / (high - low) * ((end - low - min_onset) * oversampling)
    return np.linspace(low + min_onset, end, np.rint(n_fine + 1).astype(int))


def nilearn_stimulus(events: Events, grid: np.ndarray) -> np.ndarray:
    """Stimulus on the fine grid: a box per event, one sample for an impulse."""
    onset, duration, amplitude = events
    last = grid.size - 1
    start = np.minimum(np.searchsorted(grid, onset), last)
    stop = np.minimum(np.searchsorted(grid, onset + duration), last)
    stop = stop + ((stop == start) & (stop < last))
    steps = np.bincount(start, amplitude, grid.size)
    return np.cumsum(steps - np.bincount(stop, amplitude, grid.size))


def nilearn_columns(
    events: Events,
    hrf_model: HRFModel | None,
    frame_times: np.ndarray,
    *,
    oversampling: int = 50,
    fir_delays: Sequence[int] | None = None,
    min_onset: float = -24.0,
) -> np.ndarray:
    """Columns of one condition, (n_scans, n_basis)."""
    grid = nilearn_grid(frame_times, oversampling, min_onset)
    tr = float(np.diff(frame_times).min())
    fir = isinstance(hrf_model, str) and hrf_model.strip().lower() == "fir"
    kernels = _kernels(hrf_model, tr, oversampling, fir_delays)
    fine = _convolve(nilearn_stimulus(events, grid), kernels)
    if fir and oversampling > 1:
        fine, grid = fine[:, oversampling - 1 :], grid[: 1 - oversampling]
    columns = np.stack([np.interp(frame_times, grid, row) for row in fine], axis=1)
    return columns if fir else orthogonalize(columns)


def _kernels(
    hrf_model: HRFModel | None,
    tr: float,
    oversampling: int,
    fir_delays: Sequence[int] | None,
) -> list[np.ndarray]:
    if hrf_model is None:
        return [np.ones(1)]
    dt = tr / oversampling
    if isinstance(hrf_model, str):
        each = [0] if fir_delays is None else fir_delays
        return nilearn_kernels(hrf_model, dt, tr, fir_delays=each)
    functions: list[Callable] = (
        [hrf_model] if callable(hrf_model) else list(hrf_model)  # type: ignore[arg-type]  # a list of functions
    )
    if all(callable(one) for one in functions):
        return [np.asarray(one(tr, oversampling), float) for one in functions]
    return list(np.atleast_2d(hrf(hrf_model, dt=dt).T))


def neuroboros_columns(
    events: Events,
    hrf_model: HRFModel,
    n_scans: int,
    tr: float,
    *,
    oversampling: int = 256,
) -> np.ndarray:
    """Columns of one condition, (n_scans, n_basis), as in the tutorial of neuroboros.

    The stimulus is 1 strictly between onset and end, the kernel ends after 15 scans,
    the first sample is held before the run, and each scan is the mean of its samples.
    """
    times = np.arange(n_scans * oversampling) * tr / oversampling
    stimulus = np.zeros(times.size)
    starts = np.searchsorted(times, events[0], side="right")
    for start, stop in zip(
        starts, np.searchsorted(times, events[0] + events[1]), strict=True
    ):
        stimulus[start:stop] = 1.0
    kernels = hrf(hrf_model, dt=tr / oversampling, duration=15 * tr)
    kernels = kernels[:, None] if kernels.ndim == 1 else kernels
    n_before = kernels.shape[0] - 1
    held = np.concatenate([np.repeat(stimulus[:1], n_before), stimulus])
    fine = _convolve(held, list(kernels.T))[:, n_before:]
    return fine.reshape(-1, n_scans, oversampling).mean(axis=2).T


def _convolve(signal: np.ndarray, kernels: list[np.ndarray]) -> np.ndarray:
    """Causal convolutions, as long as the signal; (n_kernels, n)."""
    n = next_fast_len(signal.size + max(kernel.size for kernel in kernels) - 1)
    spectrum = np.fft.rfft(signal, n)
    rows = [np.fft.irfft(spectrum * np.fft.rfft(kernel, n), n) for kernel in kernels]
    return np.stack(rows)[:, : signal.size]
