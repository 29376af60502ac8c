"""Generalised least squares on residuals, without a covariance per voxel.

Coordinates are such that ``X'X`` is the identity. For AR(1) without gaps they also
diagonalise the lag-1 products: ``X'V^-1 X`` is then diagonal plus the outer products
of the first and last scan, and no voxel needs a factorisation.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from ..core.linalg import after, dot, lower_solve
from ..core.struct import static, struct
from ._arma import ARMAGrid, grid_gram, grid_squares
from ._noise import pair_weights, step_down
from ._tukey import TukeySpectrum, tukey_factor

__all__ = [
    "Information",
    "Reduced",
    "factor_size",
    "gram",
    "information",
    "is_diagonal",
    "last_coordinates",
    "reduce",
    "solve",
    "squares",
    "toward",
    "turned",
]

# What a voxel's information is factored into: nothing; the inverse of a diagonal and a
# small inverse; or a factor and what was computed with it last.
Reduced = tuple[jax.Array, ...]

_MAX_EDGES = 2


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
    info = Information(products=products, diagonal=diagonal, edges=edges, orders=orders)
    return turned(info, turn), turn


def turned(info: Information, turn: np.ndarray) -> Information:
    """Change the coordinates of the fixed matrices (host).

    Parameters
    ----------
    info : Information
        Its diagonal and edges are taken as they are.
    turn : array (rank, rank)
        Orthogonal; the new coordinates are ``turn.T @ old``.

    Returns
    -------
    Information
        In the new coordinates.
    """
    return replace(info, products=tuple(turn.T @ s @ turn for s in info.products))


def last_coordinates(info: Information, rows: np.ndarray) -> tuple[np.ndarray, int]:
    """Find coordinates of which contrasts need only the last few (host).

    In these the triangular half of a solution is zero but for its last entries.

    Parameters
    ----------
    info : Information
        What is factored.
    rows : array (n_rows, rank)
        All contrasts; NaN where undetermined.

    Returns
    -------
    array (rank, rank)
        Orthogonal; the new rows are ``rows @ turn``.
    int
        How many columns of these are not zero.
    """
    size, rank = rows.shape
    if size >= rank or factor_size(info) == 0 or info.spectrum is not None:
        return np.eye(rank), rank
    q = np.linalg.qr(np.nan_to_num(rows).T, mode="complete")[0]
    return q[:, ::-1], size


def is_diagonal(info: Information) -> bool:
    """Say whether no target's information is factored.

    Parameters
    ----------
    info : Information
        What is solved with.

    Returns
    -------
    bool
        True for independent noise, and for AR(1) without gaps.
    """
    return info.grid is None and factor_size(info) == 0


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


def reduce(info: Information, ar: jax.Array) -> Reduced:
    """Factor the information of every voxel, where that is of use.

    Parameters
    ----------
    info : Information
        What is factored.
    ar : array (order, n_targets)
        Coefficients of the noise.

    Returns
    -------
    tuple of array
        For :func:`toward`.
    """
    if info.diagonal.size:
        return _diagonal(info, ar)
    if info.spectrum is not None:
        factor = tukey_factor(info.spectrum, ar)
    elif info.grid is not None or not info.products:
        return ()
    else:
        factor = jax.lax.linalg.cholesky(_matrix(info, ar), symmetrize_input=False)
    return factor, factor


def toward(info: Information, found: Reduced, rows: jax.Array) -> Reduced:
    """Prepare what contrasts need of a factored information, all at once.

    Parameters
    ----------
    info : Information
        What was factored.
    found : tuple of array
        As :func:`reduce` gives it.
    rows : array (n_rows, n_coordinates)
        All contrasts, along the last coordinates.

    Returns
    -------
    tuple of array
        For :func:`gram` and :func:`squares`: with a factor L, the triangular half
        ``L^-1 rows'`` (n_targets, n_coordinates, n_rows); else what it was.
    """
    if info.diagonal.size or not found:
        return found
    factor, last = found
    first = factor.shape[1] - rows.shape[1]
    corner = factor[:, first:, first:]
    half = jnp.broadcast_to(rows.T[None], (len(corner), *rows.T.shape))
    return (lower_solve(corner, after(half, last)),)


def _augmented(
    info: Information, ar: jax.Array, rhs: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Factors, and the solution of their lower half (n_targets, rank, 1).

    That solution is the last row of the factor of the matrix with the right-hand side
    as one row more, however large its corner.
    """
    corner = jnp.full((ar.shape[1], 1), jnp.finfo(rhs.dtype).max / 4, rhs.dtype)
    last = jnp.concatenate([rhs.T, corner], axis=1)
    # Only the lower triangle is read.
    wide = _matrix(info, ar, n_more=1).at[:, -1].set(last)
    factor = jax.lax.linalg.cholesky(wide, symmetrize_input=False)
    return factor[:, :-1, :-1], factor[:, -1, :-1, None]


def _matrix(info: Information, ar: jax.Array, n_more: int = 0) -> jax.Array:
    """Information of every voxel, with rows and columns more, all zero."""
    flats = []
    for stack, (alpha, ratio) in zip(
        info.products, step_down(ar, info.orders), strict=True
    ):
        wide = jnp.pad(stack, ((0, 0), (0, n_more), (0, n_more)))
        weights = pair_weights(alpha, ratio)
        flats.append(dot(weights.T, wide.reshape(wide.shape[0], -1)))
    size = info.products[0].shape[1] + n_more
    return sum(flats[1:], start=flats[0]).reshape(-1, size, size)


def solve(
    info: Information, ar: jax.Array, rhs: jax.Array
) -> tuple[jax.Array, jax.Array, Reduced]:
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
    tuple of array
        As :func:`reduce` gives it.
    """
    if info.diagonal.size:
        found = inverse, small = _diagonal(info, ar)
        x = inverse * rhs
        h = dot(info.edges.T, x)
        y = jnp.sum(small * h[None], axis=1)
        x = x + inverse * dot(info.edges, y)
    else:
        factor, half = _augmented(info, ar, rhs)
        x = lower_solve(factor, half, transpose=True)[..., 0].T
        found = factor, x
    return x, jnp.sum(x * rhs, axis=0), found


def gram(
    info: Information, ar: jax.Array, rows: jax.Array, found: Reduced, at: int = 0
) -> jax.Array:
    """Quadratic forms ``rows G^-1 rows'`` of the inverse information.

    Parameters
    ----------
    info : Information
        ``G``.
    ar : array (order, n_targets)
        Coefficients of the noise.
    rows : array (n_rows, n_coordinates)
        Contrasts, along the last coordinates.
    found : tuple of array
        As :func:`toward` gives it.
    at : int
        Position of the first row among those that it was given.

    Returns
    -------
    array (n_rows, n_rows, n_targets)
        Symmetric.
    """
    if info.grid is not None:
        return grid_gram(info.grid, ar, rows)
    if not info.diagonal.size:
        half = found[0][..., at : at + len(rows)]
        return jnp.moveaxis(dot(jnp.swapaxes(half, 1, 2), half), 0, 2)
    n_rows, rank = rows.shape
    inverse, small = found
    pairs = rows[:, None] * rows[None]
    out = dot(pairs.reshape(-1, rank), inverse).reshape(n_rows, n_rows, -1)
    h = _edge_products(info, inverse, rows)
    return out + jnp.einsum("ain,bjn,ijn->abn", h, h, small)


def squares(
    info: Information, ar: jax.Array, rows: jax.Array, found: Reduced, at: int = 0
) -> jax.Array:
    """Diagonal of :func:`gram`.

    Parameters
    ----------
    info, ar, rows, found, at
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
        return jnp.sum(found[0][..., at : at + len(rows)] ** 2, axis=1).T
    inverse, small = found
    h = _edge_products(info, inverse, rows)
    n_edges = info.edges.shape[1]
    edge = sum(
        h[:, i] * h[:, j] * small[i, j][None]
        for i in range(n_edges)
        for j in range(n_edges)
    )
    return dot(rows**2, inverse) + edge


def _edge_products(info: Information, inverse: jax.Array, rows: jax.Array) -> jax.Array:
    """Products of contrasts and edges in the diagonal metric (n_rows, n_edges, n)."""
    pairs = rows[:, None] * info.edges.T[None]
    flat = dot(pairs.reshape(-1, rows.shape[1]), inverse)
    return flat.reshape(rows.shape[0], -1, inverse.shape[1])
