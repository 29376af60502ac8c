"""Filters along time that respect trials."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check
from ._trials import trial_lengths

__all__ = ["detrend", "gaussian_smooth", "high_pass", "resample", "zscore"]


def zscore(x: ArrayLike, *, trial_id: ArrayLike | None = None) -> jax.Array:
    """Scale every channel to mean 0 and standard deviation 1.

    The standard deviation divides by the number of samples. Where a channel is
    constant it is zero and the score undefined, hence nan.

    Parameters
    ----------
    x : array (n_times, n_channels)
        Signals.
    trial_id : int array (n_times,), optional
        Trial of each sample, concrete (not traced): each trial has a mean and standard
        deviation of its own. Default: one trial.

    Returns
    -------
    array (n_times, n_channels)
        Scores.

    Raises
    ------
    ValueError
        If `x` is not two-dimensional, or `trial_id` and `x` differ in length.

    Examples
    --------
    >>> zscore(jnp.array([[1.0], [3.0]])).ravel().tolist()
    [-1.0, 1.0]
    """
    x = check.float_array("x", x, ndim=2)
    lengths = trial_lengths(trial_id, x.shape[0])
    return _zscore(x, _trials(lengths), n_trials=lengths.size)


def detrend(
    x: ArrayLike, *, order: int = 1, trial_id: ArrayLike | None = None
) -> jax.Array:
    """Subtract from every channel the polynomial in time that fits it best.

    Parameters
    ----------
    x : array (n_times, n_channels)
        Signals.
    order : int
        Degree of the polynomial; 0 subtracts the mean. Default: 1, a line.
    trial_id : int array (n_times,), optional
        Trial of each sample, concrete (not traced): each trial has a polynomial of its
        own. Default: one trial.

    Returns
    -------
    array (n_times, n_channels)
        Residuals of the least squares fit.

    Raises
    ------
    ValueError
        If `x` is not two-dimensional, `trial_id` and `x` differ in length, `order` is
        negative, or a trial is not longer than `order`.

    Examples
    --------
    >>> detrend(jnp.array([[1.0], [3.0], [5.0]])).round(5).ravel().tolist()
    [0.0, 0.0, 0.0]
    """
    x = check.float_array("x", x, ndim=2)
    if order < 0:
        raise ValueError(f"order is {order} but must not be negative.")
    lengths = trial_lengths(trial_id, x.shape[0])
    if lengths.min() <= order:
        raise ValueError(
            f"order is {order} but a trial has only {lengths.min()} time points; "
            "lower order or drop the trial."
        )
    known = {n: _polynomials(n, order) for n in set(lengths.tolist())}
    basis = np.concatenate([known[n] for n in lengths.tolist()])
    basis = jnp.asarray(basis, _wide(x))
    return _project_out(x, basis, _trials(lengths), n_trials=lengths.size)


def resample(x: ArrayLike, n_times: int, *, axis: int = 0) -> jax.Array:
    """Change the number of samples by the Fourier method.

    The same result as :func:`scipy.signal.resample` [1]_: the signal is taken to be
    periodic, so a jump from its end to its start rings at both. Resample trials one
    by one.

    Parameters
    ----------
    x : array (n_samples, n_channels)
        Signals; any number of axes.
    n_times : int
        Number of samples of the result.
    axis : int
        Axis to resample. Default: 0.

    Returns
    -------
    array (n_times, n_channels)
        Signals over the same duration.

    Raises
    ------
    ValueError
        If `n_times` is less than 1, or `x` has no such axis or no samples on it.

    References
    ----------
    .. [1] SciPy, scipy.signal.resample.

    Examples
    --------
    >>> resample(jnp.array([0.0, 1.0, 0.0, -1.0]), 2).tolist()
    [0.0, 0.0]
    """
    x = check.float_array("x", x)
    if n_times < 1:
        raise ValueError(f"n_times is {n_times} but must be at least 1.")
    if not -x.ndim <= axis < x.ndim or x.shape[axis] == 0:
        raise ValueError(
            f"x has shape {x.shape} but axis {axis} must be one of its axes and hold "
            "samples."
        )
    return _resample(x, n_times=int(n_times), axis=int(axis))


def gaussian_smooth(
    x: ArrayLike, sigma: float, *, trial_id: ArrayLike | None = None
) -> jax.Array:
    """Smooth every channel with a Gaussian.

    The kernel ends at 4 `sigma`. Near the edge of a trial it is renormalized: each
    result is a weighted mean of the samples that exist, so constants stay constant and
    nothing leaks between trials.

    Parameters
    ----------
    x : array (n_times, n_channels)
        Signals.
    sigma : float
        Standard deviation of the kernel in samples.
    trial_id : int array (n_times,), optional
        Trial of each sample, concrete (not traced). Default: one trial.

    Returns
    -------
    array (n_times, n_channels)
        Smooth signals.

    Raises
    ------
    ValueError
        If `x` is not two-dimensional, `trial_id` and `x` differ in length, or `sigma`
        is not positive.

    Notes
    -----
    :func:`scipy.ndimage.gaussian_filter1d` has the same kernel but invents samples
    beyond the edges.

    Examples
    --------
    >>> gaussian_smooth(jnp.ones((5, 1)), 1.0).ravel().round(5).tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0]
    """
    x = check.float_array("x", x, ndim=2)
    sigma = check.positive("sigma", sigma)
    lengths = trial_lengths(trial_id, x.shape[0])
    radius = math.floor(4 * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    total = np.cumsum(np.concatenate([[0.0], kernel]))
    # Weight of the kernel on the samples from the trial's first to its last.
    left = np.concatenate([np.arange(n) for n in lengths])
    right = np.concatenate([np.arange(n)[::-1] for n in lengths])
    weight = total[np.minimum(right, radius) + radius + 1]
    weight -= total[radius - np.minimum(left, radius)]
    # A gap between trials as wide as the kernel keeps them apart.
    row = np.arange(x.shape[0]) + radius * np.repeat(np.arange(lengths.size), lengths)
    dtype = _wide(x)
    return _smooth(
        x,
        jnp.asarray(kernel, dtype),
        jnp.asarray(1 / weight, dtype),
        row.astype(np.int32),
        n_rows=x.shape[0] + radius * (lengths.size - 1),
    )


def high_pass(
    x: ArrayLike, cutoff: float, sfreq: float, *, trial_id: ArrayLike | None = None
) -> jax.Array:
    """Remove slow drifts and the mean of every channel.

    Each trial is projected off the cosines of the discrete cosine transform that are
    slower than the cutoff: cos(pi k (t + 1/2) / n) for k from 0 to floor(2 n cutoff /
    sfreq), the basis of drifts in fMRI [1]_. Unlike a recursive filter it has no delay
    and no transient.

    Parameters
    ----------
    x : array (n_times, n_channels)
        Signals.
    cutoff : float
        Frequency in hertz below which everything is removed.
    sfreq : float
        Sampling rate in hertz, 1 / TR in fMRI.
    trial_id : int array (n_times,), optional
        Trial of each sample, concrete (not traced): each trial is filtered by itself.
        Default: one trial.

    Returns
    -------
    array (n_times, n_channels)
        Signals without their slow part.

    Raises
    ------
    ValueError
        If `x` is not two-dimensional, `trial_id` and `x` differ in length, or `cutoff`
        is not between 0 and half of `sfreq`.

    Notes
    -----
    Trials of each length are one batch, so each length compiles its own transform.

    References
    ----------
    .. [1] Friston et al., NeuroImage 12, 2000, 10.1006/nimg.2000.0609; the drift model
       "cosine" of nilearn and the high-pass filter of SPM.

    Examples
    --------
    >>> high_pass(jnp.ones((100, 3)), 0.01, 0.5).shape
    (100, 3)
    """
    x = check.float_array("x", x, ndim=2)
    sfreq = check.positive("sfreq", sfreq)
    cutoff = check.positive("cutoff", cutoff)
    if cutoff >= sfreq / 2:
        raise ValueError(
            f"cutoff is {cutoff:g} Hz but signals sampled at {sfreq:g} Hz end at "
            f"{sfreq / 2:g} Hz; give both in hertz."
        )
    lengths = trial_lengths(trial_id, x.shape[0])
    starts = np.cumsum(lengths) - lengths
    y = x
    for n in np.unique(lengths):
        rows = starts[lengths == n][:, None] + np.arange(n)
        # A hair more than the ratio, which rounding may leave below a whole number.
        n_slow = math.floor(2 * n * cutoff / sfreq * (1 + 1e-12)) + 1
        y = y.at[rows].set(_without_slow(x[rows], n_slow))
    return y


def _trials(lengths: np.ndarray) -> np.ndarray:
    return np.repeat(np.arange(lengths.size, dtype=np.int32), lengths)


def _wide(x: jax.Array) -> jnp.dtype:
    """Float in which to compute: half precisions have no transforms."""
    return jnp.dtype("float64" if x.dtype == jnp.float64 else "float32")


def _sums(x: jax.Array, trial: jax.Array, n_trials: int) -> jax.Array:
    """Sum of each sample's trial, (n_times, n_channels) or (1, n_channels)."""
    if n_trials == 1:
        return x.sum(axis=0, keepdims=True)
    sums = jax.ops.segment_sum(x, trial, n_trials, indices_are_sorted=True)
    return sums[trial]


@partial(jax.jit, static_argnames="n_trials")
def _zscore(x: jax.Array, trial: jax.Array, *, n_trials: int) -> jax.Array:
    y = x.astype(_wide(x))
    first = jnp.searchsorted(trial, trial)
    # From its first sample a constant is exactly zero, whatever the mean rounds to.
    y = y - y[first]
    n = _sums(jnp.ones((y.shape[0], 1), y.dtype), trial, n_trials)
    y = y - _sums(y, trial, n_trials) / n
    variance = _sums(y * y, trial, n_trials) / n
    constant = variance == 0
    scores = y / jnp.sqrt(jnp.where(constant, 1, variance))
    return jnp.where(constant, jnp.nan, scores).astype(x.dtype)


def _polynomials(n: int, order: int) -> np.ndarray:
    """Orthonormal polynomials on n samples, (n, order + 1)."""
    time = np.linspace(-1, 1, n) if n > 1 else np.zeros(1)
    return np.linalg.qr(np.polynomial.legendre.legvander(time, order))[0]


@partial(jax.jit, static_argnames="n_trials")
def _project_out(
    x: jax.Array, basis: jax.Array, trial: jax.Array, *, n_trials: int
) -> jax.Array:
    y = x.astype(basis.dtype)
    for column in basis.T[:, :, None]:
        y = y - column * _sums(column * y, trial, n_trials)
    return y.astype(x.dtype)


@partial(jax.jit, static_argnames=("n_times", "axis"))
def _resample(x: jax.Array, *, n_times: int, axis: int) -> jax.Array:
    y = jnp.moveaxis(x.astype(_wide(x)), axis, -1)
    n = y.shape[-1]
    shared = min(n, n_times)
    spectrum = jnp.fft.rfft(y)[..., : shared // 2 + 1]
    if shared % 2 == 0 and n != n_times:
        # The bin at half the lower rate stands for two in the longer signal.
        spectrum = spectrum.at[..., -1].multiply(2.0 if n_times < n else 0.5)
    y = jnp.fft.irfft(spectrum, n_times) * (n_times / n)
    return jnp.moveaxis(y, -1, axis).astype(x.dtype)


@partial(jax.jit, static_argnames="n_rows")
def _smooth(
    x: jax.Array, kernel: jax.Array, scale: jax.Array, row: jax.Array, *, n_rows: int
) -> jax.Array:
    """Convolve as products of a banded matrix with overlapping blocks of rows."""
    radius = kernel.size // 2
    size = max(radius, 64)
    n_blocks = -(-n_rows // size)
    gapped = jnp.zeros((n_blocks * size + 2 * radius, x.shape[1]), kernel.dtype)
    gapped = gapped.at[row + radius].set(x.astype(kernel.dtype))
    offset = jnp.arange(size + 2 * radius)[None] - jnp.arange(size)[:, None]
    band = kernel.at[offset].get(mode="fill", fill_value=0, wrap_negative_indices=False)

    def block(start: jax.Array) -> jax.Array:
        window = jax.lax.dynamic_slice_in_dim(gapped, start, size + 2 * radius)
        return jnp.matmul(band, window, precision="highest")

    smooth = jax.lax.map(block, jnp.arange(n_blocks) * size)
    smooth = smooth.reshape(-1, x.shape[1])[row] * scale[:, None]
    return smooth.astype(x.dtype)


@jax.jit
def _without_slow(x: jax.Array, n_slow: jax.Array) -> jax.Array:
    y = jax.scipy.fft.dct(x.astype(_wide(x)), axis=1, norm="ortho")
    slow = jnp.arange(x.shape[1])[None, :, None] < n_slow
    y = jax.scipy.fft.idct(jnp.where(slow, 0, y), axis=1, norm="ortho")
    return y.astype(x.dtype)
