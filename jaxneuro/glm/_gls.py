"""Generalised least squares on residuals, without a covariance per voxel.

Coordinates are such that ``X'X`` is the identity. For AR(1) without gaps they also
diagonalise the lag-1 products: ``X'V^-1 X`` is then diagonal plus the outer products
of the first and last scan, and no voxel needs a factorisation.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from ..core.linalg import dot, lower_solve
from ..core.struct import static, struct
from ._arma import ARMAGrid, grid_gram, grid_squares
from ._noise import pair_weights, step_down
from ._tukey import TukeySpectrum, tukey_factor

__all__ = [
    "Information",
    "factor_size",
    "gram",
    "information",
    "solve",
    "squares",
    "whiten_rows",
]

_MAX_EDGES, _MAX_UNROLLED = 2, 8


@struct
class Information:
    """``X'V^-1 X`` of every voxel, as a function of its coefficients.

    Attributes
    ----------
    products : tuple of array (n_pairs, rank, rank)
        Fixed matrices, one stack per order; empty for independent noise.
    diagonal : array (rank,)
        For AR(1) without gaps: the lag-1 products, which the coordinates diagonalise.
    edges : array (rank, n_edges)
        First and last scan, for the same case.
    orders : tuple of int
        Orders of the stacks.
    grid : ARMAGrid or None
        For ARMA(1,1), instead of the rest.
    spectrum : TukeySpectrum or None
        For tapered autocorrelations, instead of the rest.
    """

    products: tuple[np.ndarray, ...]
    diagonal: np.ndarray
    edges: np.ndarray
    orders: tuple[int, ...] = static()  # type: ignore[assignment]  # a dataclass field
    grid: ARMAGrid | None = None
    spectrum: TukeySpectrum | None = None


def information(
    products: tuple[np.ndarray, ...], orders: tuple[int, ...]
) -> tuple[Information, np.ndarray]:
    """Choose the coordinates in which the information is cheapest (host).

    Parameters
    ----------
    products : tuple of array (n_pairs, rank, rank)
        Fixed matrices for an orthonormal design.
    orders : tuple of int
        Orders of the stacks.

    Returns
    -------
    Information
        In the new coordinates.
    array (rank, rank)
        Orthogonal; the new coordinates are ``turn.T @ old``.
    """
    rank = products[0].shape[1] if products else 0
    turn, diagonal, edges = np.eye(rank), np.zeros(0), np.zeros((rank, 0))
    if orders == (1,):
        missing = np.eye(rank) - products[0][2]
        size, vectors = np.linalg.eigh(missing)
        kept = size > 1e-12 * max(size.max(initial=0), 1e-300)
        if kept.sum() <= _MAX_EDGES:
            diagonal, turn = np.linalg.eigh(2 * products[0][1])
            edges = turn.T @ (vectors[:, kept] * np.sqrt(size[kept]))
    turned = tuple(turn.T @ stack @ turn for stack in products)
    return Information(
        products=turned, diagonal=diagonal, edges=edges, orders=orders
    ), turn


def factor_size(info: Information) -> int:
    """Count the numbers that a factorisation takes per voxel.

    Parameters
    ----------
    info : Information
        What is factored.

    Returns
    -------
    int
        Zero where nothing is factored.
    """
    if info.diagonal.size or info.grid is not None:
        return 0
    stacks = info.products if info.spectrum is None else (info.spectrum.products,)
    return 2 * stacks[0].shape[1] ** 2 if stacks else 0


def _diagonal(info: Information, ar: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Inverse of the diagonal part, and the small inverse of Woodbury's formula."""
    a = ar[0]
    inverse = 1 / (1 + (a**2)[None] - a[None] * info.diagonal[:, None])
    n_edges = info.edges.shape[1]
    if n_edges == 0:
        return inverse, jnp.zeros((0, 0, *a.shape), ar.dtype)
    pairs = info.edges[:, :, None] * info.edges[:, None]
    u = dot(pairs.reshape(-1, n_edges**2).T, inverse) * (a**2)[None]
    if n_edges == 1:
        return inverse, (a**2 / (1 - u[0]))[None, None]
    one, two, both = 1 - u[3], 1 - u[0], u[1]
    small = jnp.stack([jnp.stack([one, both]), jnp.stack([both, two])])
    return inverse, small * (a**2 / (one * two - both**2))[None, None]


def _cholesky(info: Information, ar: jax.Array) -> jax.Array:
    """Factors (n_targets, rank, rank) of the information."""
    if info.spectrum is not None:
        return tukey_factor(info.spectrum, ar)
    return jax.lax.linalg.cholesky(_matrix(info, ar), symmetrize_input=False)


def _reduced(
    info: Information, ar: jax.Array, rhs: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Factors, and the solution of their lower half (n_targets, rank, 1).

    That solution is the last row of the factor of the matrix with the right-hand side
    as one row more, however large its corner.
    """
    if info.spectrum is not None:
        factor = _cholesky(info, ar)
        return factor, lower_solve(factor, rhs.T[..., None])
    corner = jnp.full((ar.shape[1], 1), jnp.finfo(rhs.dtype).max / 4, rhs.dtype)
    last = jnp.concatenate([rhs.T, corner], axis=1)[:, None]
    # Only the lower triangle is read.
    wide = jnp.pad(_matrix(info, ar), ((0, 0), (0, 0), (0, 1)))
    factor = jax.lax.linalg.cholesky(
        jnp.concatenate([wide, last], axis=1), symmetrize_input=False
    )
    return factor[:, :-1, :-1], factor[:, -1, :-1, None]


def _matrix(info: Information, ar: jax.Array) -> jax.Array:
    """Information of every voxel, (n_targets, rank, rank)."""
    rank = info.products[0].shape[1]
    flat = jnp.zeros((ar.shape[1], rank * rank), ar.dtype)
    for stack, (alpha, ratio) in zip(
        info.products, step_down(ar, info.orders), strict=True
    ):
        weights = pair_weights(alpha, ratio)
        flat = flat + dot(weights.T, stack.reshape(stack.shape[0], -1))
    return flat.reshape(-1, rank, rank)


def solve(
    info: Information, ar: jax.Array, rhs: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Solve the normal equations of every voxel.

    Parameters
    ----------
    info : Information
        Left-hand side.
    ar : array (order, n_targets)
        Coefficients of the noise.
    rhs : array (rank, n_targets)
        Right-hand side.

    Returns
    -------
    array (rank, n_targets)
        Solution.
    array (n_targets,)
        Its product with the right-hand side.
    """
    if info.diagonal.size:
        inverse, small = _diagonal(info, ar)
        x = inverse * rhs
        h = dot(info.edges.T, x)
        y = jnp.sum(small * h[None], axis=1)
        x = x + inverse * dot(info.edges, y)
    else:
        factor, half = _reduced(info, ar, rhs)
        x = lower_solve(factor, half, transpose=True)[..., 0].T
    return x, jnp.sum(x * rhs, axis=0)


def gram(info: Information, ar: jax.Array, rows: jax.Array) -> jax.Array:
    """Quadratic forms ``rows G^-1 rows'`` of the inverse information.

    Parameters
    ----------
    info : Information
        ``G``.
    ar : array (order, n_targets)
        Coefficients of the noise.
    rows : array (n_rows, rank)
        Contrasts.

    Returns
    -------
    array (n_rows, n_rows, n_targets)
        Symmetric.
    """
    n_rows, rank = rows.shape
    if info.grid is not None:
        return grid_gram(info.grid, ar, rows)
    if not info.diagonal.size:
        half = _half_rows(info, ar, rows)
        return jnp.moveaxis(dot(jnp.swapaxes(half, 1, 2), half), 0, 2)
    inverse, small = _diagonal(info, ar)
    pairs = rows[:, None] * rows[None]
    out = dot(pairs.reshape(-1, rank), inverse).reshape(n_rows, n_rows, -1)
    h = _edge_products(info, inverse, rows)
    return out + jnp.einsum("ain,bjn,ijn->abn", h, h, small)


def squares(info: Information, ar: jax.Array, rows: jax.Array) -> jax.Array:
    """Diagonal of :func:`gram`.

    Parameters
    ----------
    info, ar, rows
        As in :func:`gram`.

    Returns
    -------
    array (n_rows, n_targets)
        Variance of each contrast per unit of noise variance.
    """
    if info.grid is not None:
        return grid_squares(info.grid, ar, rows)
    if not ar.shape[0]:
        return jnp.broadcast_to(
            jnp.sum(rows**2, axis=1)[:, None], (rows.shape[0], ar.shape[1])
        )
    if not info.diagonal.size:
        return jnp.sum(_half_rows(info, ar, rows) ** 2, axis=1).T
    inverse, small = _diagonal(info, ar)
    h = _edge_products(info, inverse, rows)
    n_edges = info.edges.shape[1]
    edge = sum(
        h[:, i] * h[:, j] * small[i, j][None]
        for i in range(n_edges)
        for j in range(n_edges)
    )
    return dot(rows**2, inverse) + edge


def whiten_rows(
    covariance: jax.Array, effect: jax.Array, *, symmetric: bool = False
) -> jax.Array:
    """Scale correlated rows to unit covariance.

    Parameters
    ----------
    covariance : array (n_rows, n_rows, n_targets)
        Of the rows.
    effect : array (n_rows, n_targets)
        Rows.
    symmetric : bool
        Multiply by the symmetric inverse root, as nilearn does, instead of the
        inverse Cholesky factor.

    Returns
    -------
    array (n_rows, n_targets)
        Their sum of squares is that of Mahalanobis either way.
    """
    if symmetric:
        size, vectors = jnp.linalg.eigh(jnp.moveaxis(covariance, 2, 0))
        turned = jnp.einsum("nij,in->nj", vectors, effect) / jnp.sqrt(size)
        return jnp.einsum("nij,nj->in", vectors, turned)
    if covariance.shape[0] > _MAX_UNROLLED:
        factor = jnp.linalg.cholesky(jnp.moveaxis(covariance, 2, 0))
        return lower_solve(factor, effect.T[..., None])[..., 0].T
    lower: list[list[jax.Array]] = []
    out: list[jax.Array] = []
    for i in range(covariance.shape[0]):
        row: list[jax.Array] = []
        for j in range(i):
            done = sum((a * b for a, b in zip(row, lower[j], strict=False)), 0.0)
            row.append((covariance[i, j] - done) / lower[j][j])
        pivot = covariance[i, i] - sum((a * a for a in row), 0.0)
        rest = effect[i] - sum((a * b for a, b in zip(row, out, strict=True)), 0.0)
        row.append(jnp.sqrt(pivot))
        lower.append(row)
        out.append(rest / row[i])
    return jnp.stack(out)


def _edge_products(info: Information, inverse: jax.Array, rows: jax.Array) -> jax.Array:
    """Products of contrasts and edges in the diagonal metric (n_rows, n_edges, n)."""
    pairs = rows[:, None] * info.edges.T[None]
    flat = dot(pairs.reshape(-1, rows.shape[1]), inverse)
    return flat.reshape(rows.shape[0], -1, inverse.shape[1])


def _half_rows(info: Information, ar: jax.Array, rows: jax.Array) -> jax.Array:
    """Solve the triangular half, ``L^-1 rows'`` (n_targets, n_coordinates, n_rows).

    In coordinates of which the rows need only the last few, the rest of the solution
    is zero.
    """
    size, rank = rows.shape
    if size >= rank or info.spectrum is not None:
        size = rank
    else:
        known = jnp.where(jnp.isfinite(rows), rows, 0)
        turn = jnp.linalg.qr(known.T, mode="complete")[0][:, ::-1]
        stacks = (dot(dot(turn.T, stack), turn) for stack in info.products)
        info, rows = replace(info, products=tuple(stacks)), dot(rows, turn)
    factor = _cholesky(info, ar)[:, rank - size :, rank - size :]
    half = rows[:, rank - size :].T[None]
    return lower_solve(factor, jnp.broadcast_to(half, (len(factor), *half.shape[1:])))
