"""One block of targets: from data to estimates."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ..core.batch import Sliceable
from ..core.linalg import dot
from ._arma import grid_error, reml
from ._blocks import cast, map_targets
from ._gls import Reduced, solve
from ._noise import levinson, step_down, weigh
from ._plan import Plan
from ._sampling_error import NoiseError
from ._sums import Scratch, Sums, centered, gather, residuals, weigh_sums
from ._tukey import tapered, tukey_error, whiten
from ._yule import estimate, estimate_error, lag_sums

__all__ = ["fit_and_reduce", "fit_block", "noise_error", "pooled_ar", "summed"]


@jax.jit
def fit_block(
    plan: Plan, y: jax.Array | Sums, given: jax.Array | None = None
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Fit one block of targets.

    Parameters
    ----------
    plan : Plan
        The design.
    y : array (n_times, n_targets) or Sums
        Data, or their sums by the plan's recipe.
    given : array (order, n_targets), optional
        Autoregressive coefficients. Default: estimated.

    Returns
    -------
    coef : array (n_regressors, n_targets)
        Estimates.
    variance : array (1, n_targets)
        Of the noise.
    ar : array (order, n_targets)
        Autoregressive coefficients.
    """
    return fit_and_reduce(plan, y, given)[0]


def fit_and_reduce(
    plan: Plan, y: jax.Array | Sums, given: jax.Array | None = None
) -> tuple[tuple[jax.Array, jax.Array, jax.Array], Reduced]:
    """Fit one block of targets, and keep what its contrasts can use.

    Parameters
    ----------
    plan, y, given
        As in :func:`fit_block`.

    Returns
    -------
    tuple of array
        What :func:`fit_block` gives.
    tuple of array
        The information of every target, factored.
    """
    found: Reduced = ()
    if plan.recipe is not None:
        sums = y if isinstance(y, Sums) else gather(plan.recipe, y)
        x, mean, squares = sums.x, sums.level, sums.lags[0]
        ar = jnp.zeros((0, squares.size), squares.dtype)
        step = jnp.zeros_like(x)
        if plan.order:
            ar = _coefficients(plan, sums.lags) if given is None else given
            ((alpha, ratio),) = step_down(ar, plan.information.orders)
            squares, inner = weigh_sums(plan.recipe, sums, alpha, ratio)
            step, explained, found = solve(plan.information, ar, inner)
            squares = squares - explained
    else:
        assert not isinstance(y, Sums)
        e, x, mean = _split(plan, y)
        step, squares, ar, found = _generalised(plan, e, given)
    # A constant says nothing, and what rounding leaves of it is no residual.
    seen = jnp.max(jnp.abs(x), axis=0)
    coef = dot(plan.basis, x + step) + plan.ones_coef[:, None] * mean[None]
    variance = squares[None] / plan.divisor
    dead = (seen == 0) & (squares == 0) | ~jnp.isfinite(squares)
    return tuple(  # type: ignore[return-value]  # three of them
        jnp.where(dead[None], jnp.nan, value) for value in (coef, variance, ar)
    ), found


def _generalised(
    plan: Plan, e: jax.Array, given: jax.Array | None
) -> tuple[jax.Array, jax.Array, jax.Array, Reduced]:
    """Step from least squares, whitened squares, coefficients, factored information."""
    info = plan.information
    if plan.search is not None:
        assert info.grid is not None
        return *reml(info.grid, plan.search, e), ()
    if plan.waves is not None:
        assert info.spectrum is not None
        ar = tapered(info.spectrum, plan.waves, e)
        step, squares, factor = whiten(info.spectrum, plan.waves, e, ar)
        return step, squares, ar, (factor, step)
    if given is None:
        shifted = e if plan.global_mean is None else e - plan.global_mean
        assert plan.pairs is not None
        ar = _coefficients(plan, lag_sums(shifted, plan.pairs))
    else:
        ar = given
    squares = jnp.zeros_like(e[0])
    inner = jnp.zeros((plan.q.shape[1], e.shape[1]), e.dtype)
    for part, pair in zip(plan.parts, step_down(ar, info.orders), strict=True):
        own, product = weigh(e, plan.q, part, *pair)
        squares, inner = squares + own, inner + product
    step, explained, found = solve(info, ar, inner)
    return step, squares - explained, ar, found


def summed(plan: Plan, dtype: np.dtype) -> Callable[[np.ndarray], Sums] | None:
    """Give what sums blocks of data on the host.

    Parameters
    ----------
    plan : Plan
        The design.
    dtype : dtype
        Float of the computation.

    Returns
    -------
    function of an array, or None
        From data (n_times, n_targets) to Sums of NumPy arrays; None where the plan
        has no recipe.
    """
    if plan.recipe is None:
        return None

    def own(leaf: np.ndarray) -> np.ndarray:
        return leaf.astype(dtype) if leaf.dtype.kind == "f" else leaf

    return partial(gather, jax.tree.map(own, plan.recipe), scratch=Scratch())


def noise_error(plan: Plan, ar: jax.Array | np.ndarray) -> NoiseError | None:
    """Find how far each target's noise is from the truth (host, float64).

    Parameters
    ----------
    plan : Plan
        The design.
    ar : array (order, n_targets)
        What was estimated.

    Returns
    -------
    NoiseError or None
        At the mean over targets; None where no target has an estimate, or the
        estimates are traced.
    """
    if isinstance(ar, Tracer):
        return None
    values = np.asarray(ar, dtype=np.float64)
    known = np.isfinite(values).all(axis=0)
    mean = values[:, known].sum(axis=1) / max(known.sum(), 1)
    if not mean.any():
        return None
    if plan.pairs is not None and plan.moments is not None:
        return estimate_error(plan.moments, mean, plan.q, plan.pairs)
    if plan.information.grid is not None:
        return grid_error(plan.information.grid, mean)
    assert plan.information.spectrum is not None
    assert plan.waves is not None
    return tukey_error(plan.information.spectrum, plan.waves, mean, plan.q)


def pooled_ar(plan: Plan, Y: Sliceable | jax.Array, dtype: np.dtype) -> Any:
    """Estimate one set of autoregressive coefficients from all targets.

    Parameters
    ----------
    plan : Plan
        The design.
    Y : array or sliceable (n_times, n_targets)
        Data.
    dtype : dtype
        Float of the computation.

    Returns
    -------
    array (order, n_targets)
        From the mean over targets of their lag products, each scaled by its own
        sum of squares; targets without a residual do not count.
    """
    ratios = map_targets(
        partial(_lag_ratios, cast(plan, dtype)),
        (Y,),
        dtype=dtype,
        bytes_each=2 * Y.shape[0] * dtype.itemsize,
        first=summed(plan, dtype),
        alone=False,
    )
    assert plan.moments is not None
    mean = jnp.nanmean(jnp.asarray(ratios), axis=1, keepdims=True)
    ar = estimate(mean, cast(plan.moments, dtype))
    if isinstance(Y, jax.Array):
        return jnp.broadcast_to(ar, (plan.order, Y.shape[1]))
    return np.broadcast_to(np.asarray(ar), (plan.order, Y.shape[1]))


@jax.jit
def _lag_ratios(plan: Plan, y: jax.Array | Sums) -> jax.Array:
    """Lag products of residuals over their sum of squares, NaN for a constant."""
    if plan.recipe is not None:
        sums = y if isinstance(y, Sums) else gather(plan.recipe, y)
        x, lags = sums.x, sums.lags
    else:
        assert plan.pairs is not None
        assert not isinstance(y, Sums)
        e, x, _ = _split(plan, y)
        lags = lag_sums(e, plan.pairs)
    dead = (jnp.max(jnp.abs(x), axis=0) == 0) | ~jnp.isfinite(lags[0])
    return jnp.where(dead[None], jnp.nan, lags / jnp.where(dead, 1, lags[0])[None])


def _split(plan: Plan, y: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Split data into residuals, coordinates along the design, and a level."""
    if plan.rows is not None:
        y = y[plan.rows]
    z, level = centered(y)
    x = dot(plan.q.T, z)
    return residuals(plan.q, plan.ones, z, x, level), x, level


def _coefficients(plan: Plan, lags: jax.Array) -> jax.Array:
    """Autoregressive coefficients from the lag products of residuals."""
    if plan.moments is not None:
        return estimate(lags, plan.moments)
    n_times = plan.q.shape[0]
    count = n_times - np.arange(plan.order + 1)
    ar = levinson(
        lags / jnp.asarray(count * n_times, lags.dtype)[:, None], limit=np.inf
    )
    return jnp.trunc(ar * 100) / 100 if plan.order == 1 else ar
