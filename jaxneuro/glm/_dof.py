"""What estimated noise costs tests: degrees of freedom, and wider estimates.

A contrast's standard error is as uncertain as the coefficients that it is made of.
By Satterthwaite's rule the variance of its log takes degrees of freedom away:
``1 / dof + g' C g / 2`` replaces ``1 / dof``, with ``g`` the slope of the log variance
along the coefficients and ``C`` their sampling covariance. For nearly white noise
this is the rule of Worsley et al. [1]_. Besides, estimates whose weights are estimated
vary more than those with true ones, and the mean of their squared standard errors is
another than the true one: it is curved in the coefficients, and the coefficients fit
the residuals. This factor is taken off the statistic where its p is read, as Kenward
and Roger do [2]_; t and F stay what they are. Both are taken at the map's mean
coefficients.

References
----------
.. [1] Worsley et al., NeuroImage 15 (2002) 1-15, section 2.5,
   doi:10.1006/nimg.2001.0933.
.. [2] Kenward & Roger, Biometrics 53 (1997) 983-997, doi:10.2307/2533558.
"""

import numpy as np

from ._arma import normal
from ._fit import GLMFit
from ._gls import Information
from ._noise import pairs, step_down
from ._tukey import tukey_normal

__all__ = ["effective_dof"]

_STEP = 1e-4
_BEND = 0.1  # standard deviations


def effective_dof(
    fit: GLMFit, tests: list[np.ndarray]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Find the degrees of freedom and the inflation of each test (host, float64).

    Parameters
    ----------
    fit : GLMFit
        Fitted model.
    tests : list of array (n_rows, n_regressors)
        Contrasts; t has one row. NaN where undetermined.

    Returns
    -------
    tuple of float
        Degrees of freedom, one per test, from 1 to those of the fit, rounded down to
        a tenth.
    tuple of float
        Variance of an estimate over the mean of its squared standard error.
    """
    if fit.error is None:
        return (fit.dof,) * len(tests), (1.0,) * len(tests)
    info, error = fit.information, fit.error
    ar = error.ar
    center = np.linalg.inv(_matrix(info, ar))
    slopes = []
    for step in _STEP * np.eye(ar.size):
        rise = _matrix(info, ar + step) - _matrix(info, ar - step)
        slopes.append(-center @ rise @ center / (2 * _STEP))
    bend = np.zeros_like(center)
    sizes, ways = np.linalg.eigh(error.covariance)
    for step in (_BEND * np.sqrt(np.maximum(sizes, 0)) * ways).T:
        sides = [np.linalg.inv(_matrix(info, ar + one)) for one in (step, -step)]
        bend += (sides[0] + sides[1] - 2 * center) / (2 * _BEND**2)
    n_times = fit.dof + fit.basis.shape[1]
    spent = 0 if info.spectrum is not None else ar.size / n_times
    found, wider = [], []
    for test in tests:
        rows, extra, factor = np.nan_to_num(test) @ fit.basis, 0.0, 1.0
        if rows.any():
            root = np.linalg.cholesky(rows @ center @ rows.T)
            white = np.linalg.solve(root, rows)
            g = np.stack([np.einsum("ik,kl,il->i", white, s, white) for s in slopes])
            extra = np.mean(np.einsum("ji,jk,ki->i", g, error.covariance, g)) / 2
            more, less = (
                np.mean(np.einsum("ik,kl,il->i", white, matrix, white))
                for matrix in (error.weights, bend)
            )
            factor = (1 + more) / ((1 + less) * (1 - spent))
        found.append(max(1.0, float(np.floor(10 / (1 / fit.dof + extra)) / 10)))
        # Beyond this the expansion does not hold.
        wider.append(float(np.clip(factor, 0.5, 2)))
    return tuple(found), tuple(wider)


def _matrix(info: Information, ar: np.ndarray) -> np.ndarray:
    """Information at one set of coefficients, per unit of the innovations."""
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
