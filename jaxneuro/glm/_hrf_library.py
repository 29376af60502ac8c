"""A library of haemodynamic responses, searched for every voxel."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats
from jax.typing import ArrayLike

from ..core import check
from ..core.batch import Sliceable
from ..core.linalg import dot, factor
from ..core.struct import struct
from ._blocks import cast, compute_dtype, map_targets

__all__ = ["HRFSearch", "hrf_library", "hrf_search"]

# Times to peak and widths (standard deviations) in seconds. SPM's response peaks at
# 5 s with a width of 2.4 s; those of single voxels spread about it.
_PEAKS = (3.5, 4.5, 5.5, 6.5, 7.5)
_WIDTHS = (1.5, 2.0, 2.5, 3.0)


@struct
class HRFSearch:
    """The response that explains each target best.

    Attributes
    ----------
    index : int array (n_targets,)
        Position in the library; 0 where R2 is NaN.
    r2 : array (n_hrf, n_targets)
        Share of the variance beyond nuisance that each response explains.
    coef : array (n_conditions, n_targets)
        Estimates with the best response.
    """

    index: jax.Array | np.ndarray
    r2: jax.Array | np.ndarray
    coef: jax.Array | np.ndarray


def hrf_library(
    *,
    dt: float,
    peaks: ArrayLike | Sequence[float] = _PEAKS,
    widths: ArrayLike | Sequence[float] = _WIDTHS,
    undershoot: float = 1 / 6,
    duration: float = 32.0,
) -> np.ndarray:
    """Sample a manifold of double-gamma responses.

    Each is a gamma density with its mode at one of `peaks` and a standard deviation
    of one of `widths`, less `undershoot` times a gamma density of the same width with
    its mode 10 seconds later.

    Parameters
    ----------
    dt : float
        Distance of the samples in seconds.
    peaks : array (n_peaks,)
        Times to peak in seconds.
    widths : array (n_widths,)
        Standard deviations in seconds.
    undershoot : float
        Area of the undershoot relative to the peak's.
    duration : float
        Length in seconds; ``round(duration / dt)`` samples.

    Returns
    -------
    array (n_hrf, n_samples)
        All combinations, widths varying fastest, each of sum 1 as :func:`hrf` gives
        them. In float64, on the host.

    Raises
    ------
    ValueError
        If a time is not positive or `undershoot` is not between 0 and 1.

    References
    ----------
    .. [1] Friston et al., NeuroImage 7 (1998) 30-40, doi:10.1006/nimg.1997.0306, for
       the double gamma; Prince et al., eLife 11 (2022) e77599,
       doi:10.7554/eLife.77599, for a search per voxel (GLMsingle, whose own table is
       not used).
    """
    dt, duration = check.positive("dt", dt), check.positive("duration", duration)
    if not 0 <= undershoot < 1:
        raise ValueError(
            f"undershoot is {undershoot:g} but must be at least 0 and less than 1."
        )
    grid = []
    for name, values in (("peaks", peaks), ("widths", widths)):
        each = np.atleast_1d(np.asarray(values, dtype=np.float64))
        if each.ndim != 1 or not each.size or not (each > 0).all():
            raise ValueError(f"{name} is {values} but must hold positive seconds.")
        grid.append(each)
    peak, width = (axis.ravel() for axis in np.meshgrid(*grid, indexing="ij"))
    times = dt * np.arange(max(round(duration / dt), 1))
    response = _gamma(times, peak, width) - undershoot * _gamma(times, peak + 10, width)
    return response / response.sum(1, keepdims=True)


def _gamma(times: np.ndarray, mode: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Gamma densities by their mode and standard deviation, (n, n_samples)."""
    scale = (np.sqrt(mode**2 + 4 * width**2) - mode) / 2
    shape = 1 + mode / scale
    return scipy.stats.gamma.pdf(times[None], shape[:, None], scale=scale[:, None])


def hrf_search(
    designs: ArrayLike,
    Y: Sliceable | jax.Array,
    *,
    nuisance: ArrayLike | None = None,
) -> HRFSearch:
    """Fit the designs of all responses to all targets, and keep each target's best.

    The frames of all designs, free of the nuisance, make one stacked product with the
    data. Memory: the results and a block of targets.

    Parameters
    ----------
    designs : array (n_hrf, n_times, n_conditions)
        The same events under each response, concrete.
    Y : array or sliceable (n_times, n_targets)
        Data.
    nuisance : array (n_times, n_nuisance), optional
        Constant, drifts, confounds; no constant is added.

    Returns
    -------
    HRFSearch
        Best response, R2 of all, and the estimates with the best.

    Raises
    ------
    ValueError
        If shapes disagree.

    References
    ----------
    .. [1] Prince et al., eLife 11 (2022) e77599, doi:10.7554/eLife.77599. R2 here is
       of what nuisance leaves.
    """
    check.has_ndim("designs", designs, 3)
    check.has_ndim("Y", Y, 2)  # type: ignore[arg-type]  # only its shape is read
    stack = np.asarray(designs, dtype=np.float64)
    n_hrf, n_times, n_conditions = stack.shape
    if n_times != check.shape_of(Y)[0]:  # type: ignore[arg-type]
        raise ValueError(
            f"designs has {n_times} time points but Y has {check.shape_of(Y)[0]}; trim "  # type: ignore[arg-type]
            "or resample them to the same length."
        )
    base = np.zeros((n_times, 0)) if nuisance is None else np.asarray(nuisance, float)
    check.same_length("Y", Y, "nuisance", base)  # type: ignore[arg-type]
    q = factor(base).q if base.shape[1] else base
    frames = np.zeros((n_hrf, n_conditions, n_times))
    solve = np.zeros((n_hrf, n_conditions, n_conditions))
    for index, design in enumerate(stack):
        free = design - q @ (q.T @ design)
        free -= q @ (q.T @ free)
        # The limit is that of the whole design, which rounding has seen.
        found = factor(np.where(np.abs(free) > 1e-12 * np.abs(design).max(), free, 0))
        frames[index, : found.rank] = found.q.T
        solve[index, :, : found.rank] = found.basis
    dtype = compute_dtype(Y)
    plan = cast((q, frames.reshape(-1, n_times), solve), dtype)
    index, r2, coef = map_targets(
        partial(_search, plan),
        (Y,),
        dtype=dtype,
        bytes_each=(2 * n_times + 2 * n_hrf * n_conditions) * dtype.itemsize,
    )
    return HRFSearch(index=index, r2=r2, coef=coef)


@jax.jit
def _search(
    plan: tuple[jax.Array, jax.Array, jax.Array], y: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    q, frames, solve = plan
    n_hrf, n_conditions = solve.shape[:2]
    scale = (y * y).sum(0)
    y = y - dot(q, dot(q.T, y))
    y = y - dot(q, dot(q.T, y))
    total = (y * y).sum(0)
    defined = total > 1e3 * jnp.finfo(y.dtype).eps ** 2 * scale
    z = dot(frames, y).reshape(n_hrf, n_conditions, -1)
    r2 = (z * z).sum(1) / jnp.where(defined, total, 1)[None]
    r2 = jnp.where(defined[None], r2, jnp.nan)
    index = jnp.argmax(jnp.where(defined[None], r2, 0), axis=0).astype(jnp.int32)

    def add(coef: jax.Array, one: tuple) -> tuple[jax.Array, None]:
        number, inverse, inside = one
        chosen = (index == number)[None]
        return jnp.where(chosen, dot(inverse, inside), coef), None

    start = jnp.full((n_conditions, y.shape[1]), jnp.nan, y.dtype)
    numbers = jnp.arange(n_hrf, dtype=jnp.int32)
    coef, _ = jax.lax.scan(add, start, (numbers, solve, z))
    return index, r2, jnp.where(defined[None], coef, jnp.nan)
