"""Degrees of freedom that estimated autoregressive coefficients leave.

A contrast's standard error is as uncertain as the coefficients that it is made of.
By Satterthwaite's rule the variance of its log takes degrees of freedom away:
``1 / dof + g' C g / 2`` replaces ``1 / dof``, with ``g`` the slope of the log variance
along the coefficients and ``C`` their sampling covariance. For nearly white noise
this is the rule of Worsley et al. [1]_. It is taken at the map's mean coefficients.

References
----------
.. [1] Worsley et al., NeuroImage 15 (2002) 1-15, section 2.5,
   doi:10.1006/nimg.2001.0933.
"""

import numpy as np
from scipy.linalg import solve, toeplitz

from ._arma import normal, spread
from ._gls import Information
from ._noise import pairs, step_down
from ._tukey import tukey_normal, tukey_spread

__all__ = ["effective_dof"]

_STEP = 1e-4


def effective_dof(
    info: Information, ar: np.ndarray, tests: list[np.ndarray], dof: float, rank: int
) -> tuple[float, ...]:
    """Find the degrees of freedom of each test (host, float64).

    Parameters
    ----------
    info : Information
        Of the design.
    ar : array (order,)
        Coefficients of the noise, as a fit has them.
    tests : list of array (n_rows, rank)
        Contrasts in the coordinates of `info`; t has one row.
    dof : float
        Scans less the rank of the design.
    rank : int
        Of the design.

    Returns
    -------
    tuple of float
        One per test, at most `dof`, rounded down to a tenth.
    """
    center = np.linalg.inv(_matrix(info, ar))
    slopes = []
    for step in _STEP * np.eye(ar.size):
        rise = _matrix(info, ar + step) - _matrix(info, ar - step)
        slopes.append(-center @ rise @ center / (2 * _STEP))
    covariance = _sampling_covariance(info, ar) / (dof + rank)
    found = []
    for rows in tests:
        root = np.linalg.cholesky(rows @ center @ rows.T)
        white = np.linalg.solve(root, rows)
        g = np.stack([np.einsum("ik,kl,il->i", white, s, white) for s in slopes])
        extra = np.mean(np.einsum("ji,jk,ki->i", g, covariance, g)) / 2
        found.append(float(np.floor(10 / (1 / dof + extra)) / 10))
    return tuple(found)


def _matrix(info: Information, ar: np.ndarray) -> np.ndarray:
    """Information at one set of coefficients."""
    if info.grid is not None:
        return normal(info.grid, ar)
    if info.spectrum is not None:
        return tukey_normal(info.spectrum, ar)
    total = np.zeros(info.products[0].shape[1:])
    models = step_down(ar[:, None], info.orders)
    for stack, (alpha, ratio) in zip(info.products, models, strict=True):
        for matrix, (k, j) in zip(stack, pairs(alpha.shape[0] - 1), strict=True):
            weight = (1 if k == j else 2) * alpha[k, 0] * alpha[j, 0] * ratio[0]
            total += weight * matrix
    return total


def _sampling_covariance(info: Information, ar: np.ndarray) -> np.ndarray:
    """Covariance of the estimates times the number of scans.

    For Yule-Walker's it is the inverse of the autocovariance matrix in units of the
    innovations.
    """
    if info.grid is not None:
        return spread(ar)
    if info.spectrum is not None:
        return tukey_spread(info.spectrum, ar)
    order = ar.size
    system = np.eye(order + 1)
    for i in range(order + 1):
        for k in range(1, order + 1):
            system[i, abs(i - k)] -= ar[k - 1]
    gamma = solve(system, np.eye(order + 1)[0])
    return np.linalg.inv(toeplitz(gamma[:order]))
