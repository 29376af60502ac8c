"""Autoregressive coefficients from residuals, without the bias of the residuals.

Residuals are smoother or rougher than the noise: regression takes out part of it.
The expected lag products of residuals ``R y`` are ``sum_k gamma_k m_jk`` with
``m_jk = tr(D_j' R (D_k + D_k') R)``, known from the design. Worsley et al. [1]_ solve
this for the first lags and take the covariance at longer lags as zero; here these
follow from the model, so that the estimate solves the moment equations of AR(p).

Its solution has a bias of second order, which is linear in the coefficients [2]_, and
is taken off: without that, strong correlation looks weaker by about two in the number
of scans, and tests find more than they should.

References
----------
.. [1] Worsley et al., NeuroImage 15 (2002) 1-15, appendix A,
   doi:10.1006/nimg.2001.0933; ``fmrilm`` of fmristat.
.. [2] Shaman & Stine, Journal of the American Statistical Association 83 (1988)
   842-848, whose coefficients those here approach in long series.
"""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import toeplitz

from ..core.linalg import dot
from ..core.struct import struct
from ._noise import Stretch, levinson, stationary
from ._sampling_error import (
    NoiseError,
    autocovariance,
    is_short,
    lag_errors,
    record_errors,
)

__all__ = [
    "Moments",
    "estimate",
    "estimate_error",
    "expected_products",
    "lag_sums",
    "moments",
]

_N_LAGS, _N_ITER = 100, 7
_SHARES = (-1.0, 0.9)  # further steps would leave some voxels without a solution
_GRID = np.tanh(np.linspace(-2.6, 2.6, 401))  # -0.989 to 0.989
_N_NODES = 1024
_STRETCH = 6  # lags


@struct
class Moments:
    """How the design turns autocovariances into lag products of residuals.

    Attributes
    ----------
    near : array (order + 1, order + 1)
        Inverse of the map from autocovariances to expected lag products.
    far : array (order + 1, n_lags)
        What longer lags add, after `near`.
    curve : array (n_nodes,)
        For order 1: coefficient at equidistant ratios of the lag products.
    ends : array (2,)
        First and last ratio of `curve`.
    unbias : array (order, order + 1)
        From a solution, and 1 below it, to what has no bias; for order 1 `curve` has
        it already.
    """

    near: np.ndarray
    far: np.ndarray
    curve: np.ndarray
    ends: np.ndarray
    unbias: np.ndarray


def moments(q: np.ndarray, part: Stretch, *, pooled: bool) -> Moments:
    """Find the expected lag products of residuals per unit of autocovariance (host).

    Parameters
    ----------
    q : array (n_times, rank)
        Orthonormal design.
    part : Stretch
        Gaps, the filter started from zero.
    pooled : bool
        Whether ratios of lag products are averaged over targets: the mean has the
        bias of each ratio, but not that of what is made of a single one.

    Returns
    -------
    Moments
        In float64.
    """
    order = part.order
    number = np.cumsum(~part.same[0])  # stretches, in order
    m = expected_products(q, number, order)
    n_lags = m.shape[1]
    near = np.linalg.inv(m[:, : order + 1])
    powers = np.vander(_GRID, n_lags, increasing=True)
    expected = powers @ m[:2].T
    ratio = np.maximum.accumulate(expected[:, 1] / expected[:, 0])
    ends = ratio[[0, -1]]
    curve = np.interp(np.linspace(ratio[0], ratio[-1], _N_NODES), ratio, _GRID)
    unbias = _unbias(q, m, number, pooled=pooled)
    if order == 1:
        curve = np.clip(unbias[0, 0] * curve + unbias[0, 1], _GRID[0], _GRID[-1])
    return Moments(
        near=near, far=near @ m[:, order + 1 :], curve=curve, ends=ends, unbias=unbias
    )


def expected_products(q: np.ndarray, number: np.ndarray, order: int) -> np.ndarray:
    """Find the map from autocovariances to lag products of residuals (host).

    Parameters
    ----------
    q : array (n_times, rank)
        Orthonormal design.
    number : int array (n_times,)
        Stretch of each scan.
    order : int
        Longest lag of the products.

    Returns
    -------
    array (order + 1, n_lags)
        Of autocovariances at lags 0, 1, ..., all that matter.
    """
    n_times = q.shape[0]
    n_lags = min(n_times, max(_N_LAGS, order + 1))
    m = np.zeros((order + 1, n_lags))
    for j in range(order + 1):
        late, ahead = _shift(q, number, j), _ahead(q, number, j)
        # R D_j' R less D_j' itself is a product of two tall matrices.
        left = np.concatenate([q @ (q.T @ ahead) - ahead, -q], axis=1)
        right = np.concatenate([q, late], axis=1)
        m[j] = _diagonal_sums(left, right, number, n_lags)
        m[j, j] += np.sum(number[j:] == number[: n_times - j])
    return m


def _unbias(
    q: np.ndarray, m: np.ndarray, number: np.ndarray, *, pooled: bool
) -> np.ndarray:
    """Invert ``ar + bias(ar)``, the bias being linear."""
    order = len(m) - 1
    if not is_short(len(q), order):
        return np.eye(order, order + 1)
    biases = []
    for point in np.vstack([np.zeros(order), np.eye(order) / 2]):
        of_ratios, of_curve, _ = lag_errors(point, m, q, number)
        biases.append(of_ratios if pooled else of_ratios + of_curve)
    slope = 2 * (np.array(biases[1:]) - biases[0]).T
    inverse = np.linalg.inv(np.eye(order) + slope)
    return np.column_stack([inverse, -inverse @ biases[0]])


def estimate_error(
    m: Moments, ar: np.ndarray, q: np.ndarray, part: Stretch
) -> NoiseError:
    """Find the errors of the coefficients of one target (host, float64).

    Parameters
    ----------
    m : Moments
        Of the design.
    ar : array (order,)
        Coefficients of the noise.
    q : array (n_times, rank)
        Orthonormal design.
    part : Stretch
        Gaps.

    Returns
    -------
    NoiseError
        For a long series by the formula of these, without the weights'.
    """
    number = np.cumsum(~part.same[0])
    order = ar.size
    if not is_short(len(q), order):
        gamma = toeplitz(autocovariance(ar, order))
        return record_errors(ar, np.linalg.inv(gamma) / len(q), q)
    expected = np.linalg.inv(m.near) @ np.column_stack([np.eye(order + 1), m.far])
    covariance = lag_errors(ar, expected, q, number)[2]
    turn = m.unbias[:, :-1]
    covariance = turn @ covariance @ turn.T
    together = number[:, None] == number

    def dense(values: np.ndarray) -> np.ndarray:
        return toeplitz(autocovariance(values, len(q))) * together

    return record_errors(ar, covariance, q, dense)


def _shift(x: np.ndarray, number: np.ndarray, lag: int) -> np.ndarray:
    """Take the scan `lag` before, zero beyond a gap."""
    out = np.zeros_like(x)
    out[lag:] = x[: len(x) - lag] * (number[lag:] == number[: len(x) - lag])[:, None]
    return out


def _ahead(x: np.ndarray, number: np.ndarray, lag: int) -> np.ndarray:
    """Take the scan `lag` after, zero beyond a gap."""
    return _shift(x[::-1], number[::-1], lag)[::-1]


def _diagonal_sums(
    left: np.ndarray, right: np.ndarray, number: np.ndarray, n_lags: int
) -> np.ndarray:
    """Sum ``left @ right.T`` along its diagonals, both sides, within stretches."""
    sums = np.zeros(n_lags)
    for start, stop in _bounds(number):
        size = 2 * (stop - start)
        a, b = (np.fft.rfft(x[start:stop], size, axis=0) for x in (left, right))
        cross = np.fft.irfft(np.sum(a * b.conj(), axis=1), size)
        both = cross + np.roll(cross[::-1], 1)
        both[0] = cross[0]
        count = min(n_lags, stop - start)
        sums[:count] += both[:count]
    return sums


def _bounds(number: np.ndarray) -> list[tuple[int, int]]:
    starts = np.flatnonzero(np.diff(number, prepend=number[0] - 1))
    edges = [int(start) for start in starts] + [number.size]
    return list(pairwise(edges))


def lag_sums(e: jax.Array, part: Stretch) -> jax.Array:
    """Sum products of residuals over the pairs that no gap separates.

    Parameters
    ----------
    e : array (n_times, n_targets)
        Residuals.
    part : Stretch
        Gaps.

    Returns
    -------
    array (order + 1, n_targets)
        At lags 0, 1, ...
    """
    sums = [jnp.sum(e**2, axis=0)]
    for k in range(1, part.order + 1):
        pair = e[k:] * e[:-k]
        if not part.plain[k - 1]:
            pair = jnp.where(part.same[k - 1, k:][:, None], pair, 0)
        sums.append(jnp.sum(pair, axis=0))
    return jnp.stack(sums)


def estimate(sums: jax.Array, m: Moments) -> jax.Array:
    """Solve the moment equations of AR(p) for every voxel.

    Parameters
    ----------
    sums : array (order + 1, n_targets)
        Lag products of residuals.
    m : Moments
        Of the design.

    Returns
    -------
    array (order, n_targets)
        Coefficients of a stationary model.
    """
    order = sums.shape[0] - 1
    if order == 1:
        low, high = m.ends[0], m.ends[1]
        ratio = jnp.clip(sums[1] / sums[0], low, high)
        position = (ratio - low) / (high - low) * (_N_NODES - 1)
        cell = jnp.clip(jnp.floor(position), 0, _N_NODES - 2)
        index, x = cell.astype(jnp.int32), position - cell
        curve = jnp.asarray(m.curve)
        ar = curve[index] * (1 - x) + curve[index + 1] * x
        return jnp.where(jnp.isnan(ratio), jnp.nan, ar)[None]
    first = dot(m.near, sums / sums[:1])

    def onward(gamma: jax.Array) -> jax.Array:
        tail = _continued(levinson(gamma), gamma[1:], m.far.shape[1])
        return first - dot(m.far, tail)

    def step(_: int, state: tuple) -> tuple:
        # Each step cuts the error by about the same factor, which two of them show.
        gamma, before, rest = state
        new = onward(gamma)
        away = new - gamma
        change = away - rest
        size = jnp.sum(change**2, axis=0)
        share = jnp.sum(change * away, axis=0) / jnp.where(size > 0, size, 1)
        share = jnp.clip(share, *_SHARES)
        return new - share[None] * (new - before), new, away

    start = onward(first)
    state = (start, start, start - first)
    ar = levinson(jax.lax.fori_loop(1, _N_ITER, step, state)[0])
    return stationary(dot(m.unbias[:, :-1], ar) + m.unbias[:, -1:])


def _continued(ar: jax.Array, gamma: jax.Array, n_lags: int) -> jax.Array:
    """Continue autocovariances (order, n_targets) by the model, to `n_lags` more.

    Stretch by stretch: what the values before one make of each of its own is the same
    for all stretches, and few steps in a row are left.
    """
    order, length = ar.shape[0], max(ar.shape[0], _STRETCH)

    def combined(weights: list, recent: list | tuple) -> jax.Array:
        parts = [w * r for w, r in zip(weights, recent, strict=True)]
        return sum(parts[1:], start=parts[0])

    # The last values one by one, newest first: moving them costs nothing.
    def one(recent: tuple, _: None) -> tuple[tuple, jax.Array]:
        new = combined([ar[i][None] for i in range(order)], recent)
        return (new, *recent[:-1]), new

    def stretch(recent: tuple, _: None) -> tuple[tuple, jax.Array]:
        weights = [response[:, i] for i in range(order)]
        new = combined(weights, [value[None] for value in recent])
        return tuple(new[length - 1 - i] for i in range(order)), new

    units = jnp.eye(order, dtype=ar.dtype)[:, :, None]
    units = tuple(jnp.broadcast_to(units, (order, *ar.shape)))
    response = jax.lax.scan(one, units, length=length)[1]  # (length, order, n)
    count = -(-n_lags // length)
    parts = jax.lax.scan(stretch, tuple(gamma[::-1]), length=count)[1]
    return parts.reshape(-1, ar.shape[1])[:n_lags]
