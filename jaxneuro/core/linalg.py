"""Products and factorisations."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from . import check
from .struct import static, struct

__all__ = ["Factor", "LeastSquares", "after", "dot", "factor", "lower_solve", "lstsq"]

# Accelerators round the factors of a float32 product unless told not to.
dot = partial(jnp.matmul, precision="highest")

_MAX_REFINE = 10


@struct
class Factor:
    """A matrix as an orthonormal frame of its columns, on the host in float64.

    Attributes
    ----------
    q : array (n_samples, rank)
        Orthonormal, with the span of the matrix.
    basis : array (n_features, rank)
        ``X @ basis`` is `q`; ``basis @ q.T`` is the pseudo-inverse of ``X``.
    rank : int
        Number of independent columns.
    condition : float
        Largest over smallest singular value kept, columns scaled to one length.
    """

    q: np.ndarray
    basis: np.ndarray
    rank: int = static()  # type: ignore[assignment]  # a dataclass field
    condition: float = static()  # type: ignore[assignment]  # a dataclass field


@struct
class LeastSquares:
    """A least squares solution, on the host in float64.

    Attributes
    ----------
    coef : array (n_features, n_targets)
        Of least norm where the columns are dependent.
    residuals : array (n_samples, n_targets)
        What the columns do not explain.
    rank : int
        Number of independent columns.
    condition : float
        Of the matrix with columns scaled to one length.
    """

    coef: np.ndarray
    residuals: np.ndarray
    rank: int = static()  # type: ignore[assignment]  # a dataclass field
    condition: float = static()  # type: ignore[assignment]  # a dataclass field


def factor(X: ArrayLike, *, rtol: float | None = None) -> Factor:
    """Factor a small matrix on the host, revealing its rank.

    The columns are scaled to one length first: units do not decide the rank.

    Parameters
    ----------
    X : array (n_samples, n_features)
        Finite values.
    rtol : float, optional
        Singular values of the scaled matrix below ``rtol`` times the largest count
        as zero. Default: the larger side times the rounding of float64.

    Returns
    -------
    Factor
        In float64.

    Raises
    ------
    ValueError
        If `X` is not two-dimensional or not finite.
    """
    check.has_ndim("X", X, 2)
    matrix = np.asarray(X, dtype=np.float64)
    check.finite("X", matrix)
    scale = np.linalg.norm(matrix, axis=0)
    scale[scale == 0] = 1
    u, sv, vt = np.linalg.svd(matrix / scale, full_matrices=False)
    limit = max(matrix.shape) * np.finfo(np.float64).eps if rtol is None else rtol
    rank = int((sv > limit * sv.max(initial=0)).sum())
    q, sv, v = u[:, :rank], sv[:rank], vt[:rank].T / scale[:, None]
    basis = v / sv
    if rank < matrix.shape[1]:
        # Least norm in the units of X: stay within the span of its rows.
        rows = np.linalg.qr(vt[:rank].T * scale[:, None])[0]
        basis = rows @ (rows.T @ basis)
    condition = float(sv[0] / sv[-1]) if rank else 1.0
    return Factor(q=q, basis=basis, rank=rank, condition=condition)


def lstsq(X: ArrayLike, Y: ArrayLike, *, rtol: float | None = None) -> LeastSquares:
    """Solve least squares on the host to nearly all digits that the data hold.

    The coefficients and the residuals are refined together, as one square system,
    with products in extended precision where the machine has it [1]_. The error is
    then of the order of rounding unless the condition number approaches 1e16.

    Parameters
    ----------
    X : array (n_samples, n_features)
        Predictors; ``numpy.longdouble`` keeps its digits in the products.
    Y : array (n_samples, n_targets)
        Responses.
    rtol : float, optional
        As in :func:`factor`.

    Returns
    -------
    LeastSquares
        Coefficients and residuals.

    Raises
    ------
    ValueError
        If shapes disagree or values are not finite.

    References
    ----------
    .. [1] Bjorck, BIT 7 (1967) 257-278, doi:10.1007/BF01939321.
    """
    check.has_ndim("Y", Y, 2)
    check.same_length("X", X, "Y", Y, "samples")
    check.finite("Y", np.asarray(Y))
    f = factor(X, rtol=rtol)
    wide_x, wide_y = (np.asarray(array, dtype=np.longdouble) for array in (X, Y))
    coef = np.zeros((wide_x.shape[1], wide_y.shape[1]), np.longdouble)
    residuals = np.zeros_like(wide_y)
    last = np.inf
    for _ in range(_MAX_REFINE):
        missing = (wide_y - residuals - wide_x @ coef).astype(np.float64)
        slope = (wide_x.T @ residuals).astype(np.float64)
        z = f.q.T @ missing + f.basis.T @ slope
        step = f.basis @ z
        size = float(np.abs(step).max(initial=0))
        if not size < last / 2:
            break
        coef, residuals, last = coef + step, residuals + (missing - f.q @ z), size
    return LeastSquares(
        coef=coef.astype(np.float64),
        residuals=residuals.astype(np.float64),
        rank=f.rank,
        condition=f.condition,
    )


@partial(jax.jit, static_argnames="transpose")
def lower_solve(
    factor: jax.Array, b: jax.Array, *, transpose: bool = False
) -> jax.Array:
    """Solve triangular systems.

    Parameters
    ----------
    factor : array (..., n_features, n_features)
        Lower triangular.
    b : array (..., n_features, n_columns)
        Right-hand sides.
    transpose : bool
        Solve with the transpose of `factor`.

    Returns
    -------
    array (..., n_features, n_columns)
        ``factor^-1 b``.
    """
    return jax.lax.linalg.triangular_solve(
        factor, b, left_side=True, lower=True, transpose_a=transpose
    )


def after(x: jax.Array, done: jax.Array) -> jax.Array:
    """Give an array as it is, but not before another has been computed.

    On a CPU, XLA computes side by side what does not depend on each other. A batch of
    factorisations holds one of its threads while it waits for parts that need threads:
    as many such batches as there are threads wait for ever. Batches in one program
    must therefore come one after the other, which this makes them do.

    Parameters
    ----------
    x : array
        What a batch takes.
    done : array
        What the batch before gave.

    Returns
    -------
    array
        `x`.
    """
    # The compiler must not see that this adds nothing; no sum of finite numbers feels
    # the least float.
    late = jax.lax.stop_gradient(done).ravel()[0] == jnp.inf
    return x + jnp.where(late, jnp.finfo(x.dtype).tiny, 0).astype(x.dtype)
