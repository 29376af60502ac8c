"""How far estimated noise is from the truth, and what that does to tests.

Everything is of second order in the errors of the estimates, with the design and the
gaps as they are, on dense covariances of one time by time: on the host, once per fit.
"""

from collections.abc import Callable

import numpy as np
from scipy.linalg import cho_factor, cho_solve, toeplitz
from scipy.signal import lfilter, lfiltic

from ..core.struct import struct

__all__ = [
    "NoiseError",
    "autocovariance",
    "is_short",
    "lag_covariance",
    "lag_errors",
    "likelihood_errors",
    "record_errors",
]

_STEP = 1e-4
_MAX_DENSE = 10_000_000  # numbers, of matrices of time by time


@struct
class NoiseError:
    """What is known of the errors of estimated noise, at the mean over targets.

    Attributes
    ----------
    ar : array (order,)
        Mean coefficients.
    covariance : array (order, order)
        Of a target's coefficients.
    weights : array (rank, rank)
        What their errors add to the covariance of a target's coordinates, per unit
        of the variance of the innovations.
    """

    ar: np.ndarray
    covariance: np.ndarray
    weights: np.ndarray


def autocovariance(ar: np.ndarray, n_lags: int) -> np.ndarray:
    """Autocovariance of an autoregression whose innovations have variance 1.

    Parameters
    ----------
    ar : array (order,)
        Stationary coefficients.
    n_lags : int
        How many lags, from 0.

    Returns
    -------
    array (n_lags,)
        At lags 0, 1, ...
    """
    order = ar.size
    system = np.eye(order + 1)
    for i in range(order + 1):
        for k in range(1, order + 1):
            system[i, abs(i - k)] -= ar[k - 1]
    first = np.linalg.solve(system, np.eye(order + 1)[0])
    if n_lags <= order + 1:
        return first[:n_lags]
    filter_ = np.append(1, -ar)
    state = lfiltic([1.0], filter_, first[:0:-1])
    rest = lfilter([1.0], filter_, np.zeros(n_lags - order - 1), zi=state)[0]
    return np.concatenate([first, rest])


def is_short(n_times: int, order: int) -> bool:
    """Say whether a series is short enough for dense matrices.

    Where it is not, the formulas of long series hold, and bias and the like are small.

    Parameters
    ----------
    n_times : int
        Scans.
    order : int
        Coefficients of the noise.

    Returns
    -------
    bool
        2236 scans for one coefficient, 1581 for three.
    """
    return (order + 1) * n_times**2 <= _MAX_DENSE


def lag_errors(
    ar: np.ndarray, m: np.ndarray, q: np.ndarray, number: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bias and covariance of coefficients that solve the moment equations.

    The lag products of residuals are quadratic forms of Gaussian noise, whose
    covariances are traces. Coefficients are a function of the ratios of these
    products: their bias is that of the ratios and that of the function's curvature.

    Parameters
    ----------
    ar : array (order,)
        Coefficients of the noise.
    m : array (order + 1, n_lags)
        From autocovariances to expected lag products.
    q : array (n_times, rank)
        Orthonormal design.
    number : int array (n_times,)
        Stretch of each scan.

    Returns
    -------
    array (order,), array (order,)
        Bias that the ratios bring, and that of the curvature.
    array (order, order)
        Covariance.
    """
    order = ar.size
    cov = toeplitz(autocovariance(ar, len(q))) * (number[:, None] == number)
    sums = lag_covariance(cov, q, number, order)

    def ratios(values: np.ndarray) -> np.ndarray:
        expected = m @ autocovariance(values, m.shape[1])
        return expected[1:] / expected[0]

    size = np.vdot(m[0], autocovariance(ar, m.shape[1]))
    here, steps = ratios(ar), _STEP * np.eye(order)
    ahead = np.array([ratios(ar + one) for one in steps])
    behind = np.array([ratios(ar - one) for one in steps])
    inverse = np.linalg.inv((ahead - behind).T / (2 * _STEP))
    slope = np.column_stack([-here, np.eye(order)]) / size
    of_ratios = inverse @ (here * sums[0, 0] - sums[1:, 0]) / size**2
    spread = inverse @ slope @ sums @ slope.T @ inverse.T
    bend = np.zeros(order)
    for i, one in enumerate(steps):
        for j, two in enumerate(steps):
            corner = ratios(ar + one + two) - ratios(ar + one - two)
            corner = corner - ratios(ar - one + two) + ratios(ar - one - two)
            bend += spread[i, j] * corner / (4 * _STEP**2)
    return of_ratios, -inverse @ bend / 2, spread


def lag_covariance(
    cov: np.ndarray, q: np.ndarray, number: np.ndarray, order: int
) -> np.ndarray:
    """Covariance of the lag products of residuals.

    Parameters
    ----------
    cov : array (n_times, n_times)
        Covariance of the noise.
    q : array (n_times, rank)
        Orthonormal design.
    number : int array (n_times,)
        Stretch of each scan.
    order : int
        Longest lag.

    Returns
    -------
    array (order + 1, order + 1)
        Of Gaussian noise.
    """
    n_times = len(q)
    cov = cov - q @ (q.T @ cov)
    cov -= (cov @ q) @ q.T
    sides = [cov]
    for lag in range(1, order + 1):
        same = (number[lag:] == number[: n_times - lag])[:, None]
        side = np.zeros_like(cov)
        np.copyto(side[lag:], cov[: n_times - lag], where=same)
        early = side[: n_times - lag]
        np.add(early, cov[lag:], out=early, where=same)
        side /= 2
        sides.append(side)
    total = np.empty((order + 1, order + 1))
    for lag, side in enumerate(sides):
        for other, late in enumerate(sides[lag:], lag):
            turned = late.T if lag else late  # the first is symmetric
            total[lag, other] = total[other, lag] = np.vdot(side, turned)
    return 2 * total


def likelihood_errors(
    dense: Callable[[np.ndarray], np.ndarray], ar: np.ndarray, q: np.ndarray
) -> np.ndarray:
    """Covariance of coefficients of greatest restricted likelihood.

    The inverse of the expected information, the scale being estimated, too.

    Parameters
    ----------
    dense : function of array (order,)
        Covariance (n_times, n_times) of the noise.
    ar : array (order,)
        Coefficients of the noise.
    q : array (n_times, rank)
        Design.

    Returns
    -------
    array (order, order)
        Covariance.
    """
    factor = cho_factor(dense(ar), overwrite_a=True)
    white = cho_solve(factor, q)
    change = [np.eye(len(q))]
    for one in _STEP * np.eye(ar.size):
        slope = (dense(ar + one) - dense(ar - one)) / (2 * _STEP)
        change.append(cho_solve(factor, slope, overwrite_b=True))
    # What regression takes out of each: P V_i instead of V^-1 V_i.
    hat = np.linalg.solve(q.T @ white, q.T)
    change = [each - white @ (hat @ each) for each in change]
    both = np.array([[np.vdot(one, two.T) for two in change] for one in change])
    return 2 * np.linalg.inv(both)[1:, 1:]


def record_errors(
    ar: np.ndarray,
    covariance: np.ndarray,
    q: np.ndarray,
    dense: Callable[[np.ndarray], np.ndarray] | None = None,
) -> NoiseError:
    """Record the errors of estimates, and what they do to weights.

    Parameters
    ----------
    ar : array (order,)
        Coefficients of the noise.
    covariance : array (order, order)
        Of their estimates.
    q : array (n_times, rank)
        Design.
    dense : function of array (order,), optional
        As :func:`_weight_errors` takes it. Without it, as for a long series, the
        weights count as known.

    Returns
    -------
    NoiseError
        In float64.
    """
    if dense is None:
        weights = np.zeros((q.shape[1], q.shape[1]))
    else:
        weights = _weight_errors(dense, ar, covariance, q)
    return NoiseError(ar=ar, covariance=covariance, weights=weights)


def _weight_errors(
    dense: Callable[[np.ndarray], np.ndarray],
    ar: np.ndarray,
    covariance: np.ndarray,
    q: np.ndarray,
) -> np.ndarray:
    """Find what errors of the weights add to the covariance of the estimates.

    Generalised least squares with estimated weights varies more than with the true
    ones [1]_.

    Parameters
    ----------
    dense : function of array (order,)
        Covariance (n_times, n_times) of the noise, its innovations having variance 1.
    ar : array (order,)
        Coefficients of the noise.
    covariance : array (order, order)
        Of their estimates.
    q : array (n_times, rank)
        Design.

    Returns
    -------
    array (rank, rank)
        Per unit of the variance of the innovations.

    References
    ----------
    .. [1] Kackar & Harville, Journal of the American Statistical Association 79
       (1984) 853-862; Kenward & Roger, Biometrics 53 (1997) 983-997.
    """
    factor = cho_factor(dense(ar), overwrite_a=True)
    white = cho_solve(factor, q)
    unit = np.linalg.inv(q.T @ white)
    moved = []
    for one in _STEP * np.eye(ar.size):
        moved.append((dense(ar + one) - dense(ar - one)) @ white / (2 * _STEP))
    solved = [cho_solve(factor, each) for each in moved]
    total = np.zeros_like(unit)
    for i, one in enumerate(moved):
        for j, two in enumerate(solved):
            inner = one.T @ two - (one.T @ white) @ unit @ (white.T @ moved[j])
            total += covariance[i, j] * inner
    return unit @ (total + total.T) @ unit / 2
