"""BOLD signals that follow from a design with known coefficients."""

import re
from functools import partial
from typing import Protocol

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ..core import check
from ..core.linalg import dot
from ..core.struct import struct

__all__ = ["BoldTruth", "DesignLike", "bold", "bold_truth"]

_PREFERRED = (0.7, 1.3)  # range of the response to the preferred condition
_OTHERS = (0.0, 0.4)  # and to the others, both in units of `effect`
_NUISANCE = 0.5  # standard deviation of the peaks of drifts and confounds
_FIRST = (0.1, 0.5)  # range of the first partial autocorrelation, as in real BOLD
_LATER = (-0.1, 0.2)  # and of the others
_BURN_IN = 64  # scans before the first; the noise has forgotten its start by then


class DesignLike(Protocol):
    """What is needed of a design.

    Attributes
    ----------
    matrix : array (n_times, n_regressors)
        Regressors, those of the conditions first.
    n_conditions : int
        How many belong to conditions; the others are drifts and confounds.
    """

    @property
    def matrix(self) -> ArrayLike:
        """Regressors."""
        ...

    @property
    def n_conditions(self) -> int:
        """Number of regressors of conditions."""
        ...


@struct
class BoldTruth:
    """What :func:`bold` planted.

    Attributes
    ----------
    coef : array (n_regressors, n_targets)
        Coefficients of the design's columns.
    ar : array (order, n_targets)
        Coefficients of each target's autoregressive noise.
    """

    coef: jax.Array
    ar: jax.Array


def bold_truth(
    key: jax.Array,
    design: DesignLike,
    n_targets: int,
    *,
    noise: str = "ar1",
    effect: float = 1.0,
    active: float = 0.3,
    baseline: float = 100.0,
    responses: ArrayLike | None = None,
) -> BoldTruth:
    """Draw the coefficients that :func:`bold` plants for the same arguments.

    Parameters
    ----------
    key : array
        Random key.
    design : Design
        Its columns; a constant column carries the baseline.
    n_targets : int
        Voxels or vertices.
    noise : str
        "white", or "ar1", "ar2", … for autoregressive noise of that order, with
        coefficients that differ between targets.
    effect : float
        Typical peak of the response to a target's preferred condition, in standard
        deviations of the noise.
    active : float
        Share of the targets that respond; the coefficients of the others are zero in
        all conditions.
    baseline : float
        Mean level; at 100, responses and noise are in percent of it.
    responses : array (n_conditions, n_targets), optional
        Peak response of each target to each condition, in place of `effect` and
        `active`.

    Returns
    -------
    BoldTruth
        Coefficients of the design and of the noise.

    Raises
    ------
    ValueError
        If a size or option is out of range, or shapes do not fit the design.
    """
    order = _order(noise)
    matrix = _matrix(design, n_targets)
    check.positive("effect", effect)
    if not 0 <= check.real_number("active", active) <= 1:
        raise ValueError(f"active is {active:g} but must lie between 0 and 1.")
    check.real_number("baseline", baseline)
    if responses is not None:
        responses = check.float_array("responses", responses, ndim=2)
        expected = (design.n_conditions, n_targets)
        if responses.shape != expected:
            raise ValueError(
                f"responses has shape {responses.shape} but must be (n_conditions, "
                f"n_targets) = {expected}."
            )
    return _truth(
        _keys(key)[0],
        matrix,
        effect,
        active,
        baseline,
        responses,
        n_conditions=design.n_conditions,
        n_targets=n_targets,
        order=order,
    )


def bold(
    key: jax.Array,
    design: DesignLike,
    n_targets: int,
    *,
    noise: str = "ar1",
    effect: float = 1.0,
    active: float = 0.3,
    baseline: float = 100.0,
    responses: ArrayLike | None = None,
) -> jax.Array:
    """Simulate BOLD signals with known coefficients.

    ``Y = X coef + e``: the design's columns with the coefficients of
    :func:`bold_truth`, plus stationary noise of unit variance whose autoregressive
    coefficients each target has for itself. Scans are drawn one after the other, so
    that nothing but the result grows with their number.

    Parameters
    ----------
    key : array
        Random key.
    design : Design
        Its columns; a constant column carries the baseline.
    n_targets : int
        Voxels or vertices.
    noise : str
        "white", or "ar1", "ar2", … for autoregressive noise of that order, with
        coefficients that differ between targets.
    effect : float
        Typical peak of the response to a target's preferred condition, in standard
        deviations of the noise.
    active : float
        Share of the targets that respond; the coefficients of the others are zero in
        all conditions.
    baseline : float
        Mean level; at 100, responses and noise are in percent of it.
    responses : array (n_conditions, n_targets), optional
        Peak response of each target to each condition, in place of `effect` and
        `active`.

    Returns
    -------
    array (n_times, n_targets)
        BOLD signals.

    Raises
    ------
    ValueError
        If a size or option is out of range, or shapes do not fit the design.
    """
    truth = bold_truth(
        key,
        design,
        n_targets,
        noise=noise,
        effect=effect,
        active=active,
        baseline=baseline,
        responses=responses,
    )
    return _simulate(_keys(key)[1], _matrix(design, n_targets), truth)


def _keys(key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Keys of truth and noise, so that both functions draw equal coefficients."""
    truth, noise = jax.random.split(key)
    return truth, noise


def _order(noise: str) -> int:
    match = re.fullmatch(r"white|ar([1-9]\d?)", str(noise))
    if match is None:
        raise ValueError(f"noise is {noise!r} but must be 'white', 'ar1', 'ar2', ….")
    return int(match[1] or 0)


def _matrix(design: DesignLike, n_targets: int) -> jax.Array:
    check.positive("n_targets", n_targets)
    matrix = check.float_array("design.matrix", design.matrix, ndim=2)
    if not 0 <= design.n_conditions <= matrix.shape[1]:
        raise ValueError(
            f"design has {design.n_conditions} conditions but {matrix.shape[1]} "
            "columns."
        )
    # The same bits of float32 wherever the design was computed.
    return matrix.astype(jnp.zeros(()).dtype)


@partial(jax.jit, static_argnames=("n_conditions", "n_targets", "order"))
def _truth(
    key: jax.Array,
    matrix: jax.Array,
    effect: ArrayLike,
    active: ArrayLike,
    baseline: ArrayLike,
    responses: jax.Array | None,
    *,
    n_conditions: int,
    n_targets: int,
    order: int,
) -> BoldTruth:
    k_responses, k_nuisance, k_ar = jax.random.split(key, 3)
    dtype = matrix.dtype
    peaks = responses
    if peaks is None:
        shape = (n_conditions, n_targets)
        peaks = effect * _responses(k_responses, active, shape)
    shape = (matrix.shape[1] - n_conditions, n_targets)
    nuisance = _NUISANCE * jax.random.normal(k_nuisance, shape, dtype)
    heights = jnp.concatenate([jnp.asarray(peaks, dtype), nuisance])
    constant = (jnp.ptp(matrix, axis=0) == 0)[:, None]
    heights = jnp.where(constant, jnp.asarray(baseline, dtype), heights)
    peak = jnp.max(jnp.abs(matrix), axis=0)[:, None]
    coef = heights / jnp.where(peak > 0, peak, 1)
    return BoldTruth(coef=coef, ar=_coefficients(_partial(k_ar, order, n_targets)))


def _responses(key: jax.Array, active: ArrayLike, shape: tuple[int, int]) -> jax.Array:
    """Peaks of all conditions: one is preferred where the target responds at all."""
    k_which, k_others, k_preferred = jax.random.split(key, 3)
    # A draw below `active` chooses among the conditions, one above it none.
    draw = jax.random.uniform(k_which, (1, shape[1]))
    responds = draw < active
    chosen = jnp.floor(draw * shape[0] / jnp.where(responds, active, 1)).astype(int)
    others = _between(jax.random.uniform(k_others, shape), _OTHERS)
    preferred = _between(jax.random.uniform(k_preferred, shape), _PREFERRED)
    peaks = jnp.where(jnp.arange(shape[0])[:, None] == chosen, preferred, others)
    return jnp.where(responds, peaks, 0)


def _between(uniform: jax.Array, ends: tuple[float, float]) -> jax.Array:
    return ends[0] + (ends[1] - ends[0]) * uniform


def _partial(key: jax.Array, order: int, n_targets: int) -> jax.Array:
    """Partial autocorrelations (order, n_targets): below 1, so that all is stable."""
    uniform = jax.random.uniform(key, (order, n_targets))
    return jnp.concatenate(
        [_between(uniform[:1], _FIRST), _between(uniform[1:], _LATER)]
    )


def _coefficients(partials: jax.Array) -> jax.Array:
    """Autoregressive coefficients by the Levinson-Durbin recursion."""
    ar = partials[:0]
    for one in partials:
        ar = jnp.concatenate([ar - one[None] * ar[::-1], one[None]])
    return ar


def _innovation(ar: jax.Array) -> jax.Array:
    """Scale the innovations (n_targets,) so that the noise has unit variance."""
    variance = jnp.ones(ar.shape[1], ar.dtype)
    while ar.shape[0]:
        last = ar[-1]
        scale = 1 - last**2
        variance = variance * scale
        ar = (ar[:-1] + last[None] * ar[-2::-1]) / scale[None]
    return jnp.sqrt(variance)


@jax.jit
def _simulate(key: jax.Array, matrix: jax.Array, truth: BoldTruth) -> jax.Array:
    n_times, n_targets = matrix.shape[0], truth.coef.shape[1]
    order, scale = truth.ar.shape[0], _innovation(truth.ar)

    def noise(past: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        now = scale * jax.random.normal(key, (n_targets,), matrix.dtype)
        now = now + jnp.sum(truth.ar * past, axis=0)
        return jnp.concatenate([now[None], past])[:order], now

    def scan(past: jax.Array, one: tuple) -> tuple[jax.Array, jax.Array]:
        past, error = noise(past, one[0])
        return past, dot(one[1][None], truth.coef)[0] + error

    keys = jax.random.split(key, _BURN_IN + n_times)
    past, _ = jax.lax.scan(
        lambda past, key: (noise(past, key)[0], None),
        jnp.zeros((order, n_targets), matrix.dtype),
        keys[:_BURN_IN],
    )
    return jax.lax.scan(scan, past, (keys[_BURN_IN:], matrix))[1]
