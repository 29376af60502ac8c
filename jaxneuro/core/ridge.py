"""All ridge solves: from moments, from the kernel, from the singular values.

Ridge minimises ``|Y - X b|^2 + alpha b'R b`` for every target, with ``R`` the
identity unless a penalty is given. The intercept, which the centring of the
moments stands for, is never penalised.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from . import check
from .linalg import dot
from .moments import Moments
from .struct import struct

__all__ = [
    "CVFit",
    "Spectrum",
    "pick_method",
    "ridge_path",
    "shrink",
    "solve",
    "solve_dual",
    "solve_svd",
    "spectrum",
]

# One eigendecomposition costs about as much as 14 Cholesky factorisations of a
# large matrix; below about 1000 features it is always worth it.
_EIGH_ALPHAS, _EIGH_FEATURES = 14, 1000


@struct
class CVFit:
    """A cross-validated fit.

    Attributes
    ----------
    fit : record
        The refit on all samples at the chosen penalties.
    scores : array (n_folds, n_alphas, n_targets)
        Held-out score; NaN where undefined. One fold for generalised
        cross-validation.
    alphas : array (n_alphas,)
        The grid.
    converged : bool array (n_targets,)
        False where no penalty had a defined score.
    """

    fit: Any
    scores: jax.Array
    alphas: jax.Array
    converged: jax.Array


@struct
class Spectrum:
    """Basis in which both ``xx`` and the penalty are diagonal.

    Attributes
    ----------
    basis : array (n_features, n_features)
        ``Q`` with ``Q' xx Q = diag(gain)`` and ``Q' R Q = diag(cost)``.
    gain, cost : array (n_features,)
        Not negative.
    """

    basis: jax.Array
    gain: jax.Array
    cost: jax.Array


def spectrum(xx: jax.Array, penalty: ArrayLike | None = None) -> Spectrum:
    """Diagonalise the products and the penalty together.

    Parameters
    ----------
    xx : array (n_features, n_features)
        Centred products.
    penalty : array (n_features,) or (n_features, n_features), optional
        Diagonal or full quadratic penalty ``R``; it may be singular. Default:
        identity.

    Returns
    -------
    Spectrum
        Solutions for every alpha are ``Q diag(1 / (gain + alpha cost)) Q' xy``.
    """
    if penalty is None:
        gain, basis = jnp.linalg.eigh(xx)
        return Spectrum(
            basis=basis, gain=jnp.maximum(gain, 0), cost=jnp.ones_like(gain)
        )
    penalty = jnp.asarray(penalty, xx.dtype)
    full = jnp.diag(penalty) if penalty.ndim == 1 else penalty
    x_scale, r_scale = jnp.trace(xx), jnp.trace(full)
    # The scaled sum is positive definite unless both are singular together.
    factor = jnp.linalg.cholesky(xx / x_scale + full / r_scale)
    half = _lower_solve(factor, xx / x_scale)
    share, vectors = jnp.linalg.eigh(_lower_solve(factor, half.T))
    share = jnp.clip(share, 0, 1)
    return Spectrum(
        basis=_lower_solve(factor, vectors, transpose=True),
        gain=share * x_scale,
        cost=(1 - share) * r_scale,
    )


@jax.jit
def solve(
    m: Moments, alpha: ArrayLike, *, penalty: ArrayLike | None = None
) -> jax.Array:
    """Solve ridge regression from moments.

    Parameters
    ----------
    m : Moments
        Centred moments, no fold axis.
    alpha : float or array (n_targets,)
        Penalty strength: one for all (one Cholesky factorisation) or one per
        target (one eigendecomposition for all).
    penalty : array (n_features,) or (n_features, n_features), optional
        Quadratic penalty. Default: identity.

    Returns
    -------
    array (n_features, n_targets)
        Coefficients. NaN where the system is singular.

    Raises
    ------
    ValueError
        If `alpha` is neither a scalar nor one value per target.
    """
    n_targets = m.xy.shape[1]
    alpha = jnp.asarray(alpha, m.xx.dtype)
    if alpha.ndim == 0:
        return _cholesky_solve(m, alpha, penalty)
    if alpha.shape != (n_targets,):
        raise ValueError(
            f"alpha has shape {alpha.shape} but must be a number or have shape "
            f"({n_targets},), one value per target."
        )
    s = spectrum(m.xx, penalty)
    z = dot(s.basis.T, m.xy)
    return dot(s.basis, z * shrink(s, alpha[None, :]))


@partial(jax.jit, static_argnames="method")
def ridge_path(
    m: Moments,
    alphas: ArrayLike,
    *,
    penalty: ArrayLike | None = None,
    method: str = "auto",
) -> jax.Array:
    """Solve ridge regression for a grid of penalty strengths.

    Parameters
    ----------
    m : Moments
        Centred moments, no fold axis.
    alphas : array (n_alphas,)
        Penalty strengths.
    penalty : array (n_features,) or (n_features, n_features), optional
        Quadratic penalty. Default: identity.
    method : {"auto", "eigh", "cholesky"}
        "auto" takes one eigendecomposition for 14 or more alphas or up to 1000
        features, else one Cholesky factorisation per alpha.

    Returns
    -------
    array (n_alphas, n_features, n_targets)
        Coefficients.

    Raises
    ------
    ValueError
        If `method` is unknown.
    """
    alphas = jnp.asarray(alphas, m.xx.dtype)
    if pick_method(method, alphas.size, m.xx.shape[0]) == "cholesky":
        return jax.lax.map(lambda a: _cholesky_solve(m, a, penalty), alphas)
    s = spectrum(m.xx, penalty)
    z = dot(s.basis.T, m.xy)
    return jax.lax.map(lambda a: dot(s.basis, z * shrink(s, a[None, None])), alphas)


@jax.jit
def solve_dual(X: ArrayLike, Y: ArrayLike, alpha: ArrayLike) -> jax.Array:
    """Solve ridge regression through the kernel ``X X'``.

    Cheaper than moments when there are more features than samples; nothing of
    size n_features x n_features is formed.

    Parameters
    ----------
    X : array (n_samples, n_features)
        Centred predictors.
    Y : array (n_samples, n_targets)
        Centred responses.
    alpha : float or array (n_targets,)
        Penalty strength. Where the kernel is singular, ``alpha = 0`` gives the
        solution of least norm.

    Returns
    -------
    array (n_features, n_targets)
        Coefficients.
    """
    X, Y = check.float_array("X", X, ndim=2), check.float_array("Y", Y, ndim=2)
    check.same_length("X", X, "Y", Y, "samples")
    alpha = jnp.atleast_1d(jnp.asarray(alpha, X.dtype))
    s = spectrum(dot(X, X.T))
    weights = dot(s.basis, dot(s.basis.T, Y) * shrink(s, alpha[None, :]))
    return dot(X.T, weights)


@jax.jit
def solve_svd(X: ArrayLike, Y: ArrayLike, alpha: ArrayLike) -> jax.Array:
    """Solve ridge regression through the singular values of X.

    The accurate path: the condition number is that of X, not its square.

    Parameters
    ----------
    X : array (n_samples, n_features)
        Centred predictors.
    Y : array (n_samples, n_targets)
        Centred responses.
    alpha : float or array (n_targets,)
        Penalty strength. Where X is rank-deficient, ``alpha = 0`` gives the
        solution of least norm.

    Returns
    -------
    array (n_features, n_targets)
        Coefficients.
    """
    X, Y = check.float_array("X", X, ndim=2), check.float_array("Y", Y, ndim=2)
    check.same_length("X", X, "Y", Y, "samples")
    alpha = jnp.atleast_1d(jnp.asarray(alpha, X.dtype))[None, :]
    u, sv, vt = jnp.linalg.svd(X, full_matrices=False)
    cutoff = sv.max(initial=0) * max(X.shape) * jnp.finfo(X.dtype).eps
    sv = sv[:, None]
    kept = sv > cutoff
    gain = jnp.where(kept, sv / jnp.where(kept, sv**2 + alpha, 1), 0)
    return dot(vt.T, gain * dot(u.T, Y))


def pick_method(method: str, n_alphas: int, n_features: int) -> str:
    """Choose how to solve for a grid of penalties.

    Parameters
    ----------
    method : {"auto", "eigh", "cholesky"}
        Anything but "auto" is taken as it is.
    n_alphas, n_features : int
        Size of the problem.

    Returns
    -------
    str
        "eigh" or "cholesky".

    Raises
    ------
    ValueError
        If `method` is unknown.
    """
    check.choice("method", method, ("auto", "eigh", "cholesky"))
    if method != "auto":
        return method
    many = n_alphas >= _EIGH_ALPHAS or (n_alphas > 1 and n_features <= _EIGH_FEATURES)
    return "eigh" if many else "cholesky"


def _cholesky_solve(
    m: Moments, alpha: jax.Array, penalty: ArrayLike | None
) -> jax.Array:
    if penalty is None:
        system = m.xx + alpha * jnp.eye(m.xx.shape[0], dtype=m.xx.dtype)
    else:
        penalty = jnp.asarray(penalty, m.xx.dtype)
        full = jnp.diag(penalty) if penalty.ndim == 1 else penalty
        system = m.xx + alpha * full
    # Symmetric, so nothing to symmetrize; the transpose is the same matrix in the
    # column-major layout of LAPACK, which saves a copy.
    factor = jax.lax.linalg.cholesky(system.T, symmetrize_input=False)
    return _lower_solve(factor, _lower_solve(factor, m.xy), transpose=True)


def _lower_solve(
    factor: jax.Array, b: jax.Array, *, transpose: bool = False
) -> jax.Array:
    return jax.lax.linalg.triangular_solve(
        factor, b, left_side=True, lower=True, transpose_a=transpose
    )


def shrink(s: Spectrum, alpha: jax.Array) -> jax.Array:
    """Invert ``gain + alpha cost``.

    Parameters
    ----------
    s : Spectrum
        Diagonalised products and penalty.
    alpha : array () or (1, n_targets)
        Penalty strength.

    Returns
    -------
    array (n_features,) or (n_features, n_targets)
        Zero where ``alpha`` is zero and `gain` is rounding error, which gives the
        solution of least norm.
    """
    gain, cost = s.gain, s.cost
    if alpha.ndim:
        gain, cost = gain[:, None], cost[:, None]
    denominator = gain + alpha * cost
    limit = s.gain.max(initial=0) * s.gain.size * jnp.finfo(s.gain.dtype).eps
    kept = denominator > jnp.where(alpha == 0, limit, 0)
    return jnp.where(kept, 1 / jnp.where(kept, denominator, 1), 0)
