"""What a fit needs of the data: a few sums per target.

Least squares needs the data along the design and their sum of squares. Generalised
least squares needs no more than lagged sums besides: within a stretch ``V^-1`` of an
autoregression has one number per lag, ``sum_k alpha_k alpha_{k+d}``, but for the first
and last scans, where two Hankel blocks are taken off. Data are therefore multiplied
once, with the design and its lagged copies, and neither residuals nor whitened data
are made where the sums of the data lose no digits to the design.

In memory of the host the sums are NumPy's: its products of few rows take half the time
of XLA's.
"""

from dataclasses import replace
from threading import local
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core.batch import aligned
from ..core.linalg import dot
from ..core.struct import struct
from ._noise import Stretch, hankel

__all__ = [
    "Recipe",
    "Scratch",
    "Sums",
    "centered",
    "gather",
    "make_recipe",
    "residuals",
    "weigh_sums",
]

_N_LEVEL = 16  # scans
_MAX_SHARE = 0.25  # of the scans
_LOST = 8  # three bits


@struct
class Recipe:
    """By what data are multiplied.

    Attributes
    ----------
    rows : int array (n_kept,) or None
        Scans that are used; None for all.
    columns : array ((order + 1) * rank, n_kept)
        Orthonormal design ``q``, then ``(D_k + D_k') q`` without what lies along the
        design, for lags k = 1, 2, ...; ``D_k`` takes the scan k before, zero beyond a
        gap.
    inside : array (order, rank, rank)
        ``q' D_k q``, symmetric.
    crossed : tuple of int array
        Scans whose partner at each lag is beyond a gap.
    ends : int array (order, n_ends)
        First scans of each stretch, where the noise is stationary from these on, and
        its last ones backwards.
    near : array (order * n_ends, rank)
        The design there.
    ones : array (n_kept,) or None
        Residual of a constant, None where the design explains it.
    """

    rows: np.ndarray | None
    columns: np.ndarray
    inside: np.ndarray
    crossed: tuple[np.ndarray, ...]
    ends: np.ndarray
    near: np.ndarray
    ones: np.ndarray | None


@struct
class Sums:
    """Sums of a block of targets.

    Attributes
    ----------
    level : array (n_targets,)
        What was taken off the data first.
    x : array (rank, n_targets)
        The rest along the design.
    lags : array (order + 1, n_targets)
        Lag products of the least squares residuals, within stretches.
    turns : array (order, rank, n_targets)
        ``q' (D_k + D_k') e`` of the residuals.
    ends : array (order, n_ends, n_targets)
        Residuals at the ends of stretches.
    """

    level: Any
    x: Any
    lags: Any
    turns: Any
    ends: Any


def make_recipe(
    q: np.ndarray,
    rows: np.ndarray | None,
    ones: np.ndarray | None,
    parts: tuple[Stretch, ...],
    order: int,
) -> Recipe | None:
    """Prepare the products (host, float64).

    Parameters
    ----------
    q : array (n_kept, rank)
        Design in orthonormal columns.
    rows : int array (n_kept,) or None
        Scans that are used.
    ones : array (n_kept,) or None
        Residual of a constant.
    parts : tuple of Stretch
        Gaps.
    order : int
        Of the autoregression; 0 for independent noise.

    Returns
    -------
    Recipe or None
        None where a stretch is shorter than the order, or the ends of stretches are a
        good part of the scans: whitening the residuals is then cheaper.
    """
    if order == 0:
        return _recipe(q, rows, ones, [], (), np.zeros((0, 0), dtype=int))
    part = parts[0]
    if part.order < order:
        return None
    stops = np.append(np.flatnonzero(~part.same[0])[1:], len(q)) - 1
    last = stops[None] - np.arange(order)[:, None]
    ends = np.concatenate([part.heads, last], axis=1)
    if ends.size > _MAX_SHARE * len(q):
        return None
    both = []
    for k, same in enumerate(part.same, 1):
        past = np.roll(q, k, axis=0) * same[:, None]
        ahead = np.roll(q * same[:, None], -k, axis=0)
        both.append(past + ahead)
    crossed = tuple(
        k + np.flatnonzero(~same[k:]) for k, same in enumerate(part.same, 1)
    )
    return _recipe(q, rows, ones, both, crossed, ends)


def _recipe(
    q: np.ndarray,
    rows: np.ndarray | None,
    ones: np.ndarray | None,
    both: list[np.ndarray],
    crossed: tuple[np.ndarray, ...],
    ends: np.ndarray,
) -> Recipe:
    rank = q.shape[1]
    along = [q.T @ each for each in both]
    rest = [each - q @ part for each, part in zip(both, along, strict=True)]
    return Recipe(
        rows=rows,
        columns=np.ascontiguousarray(np.concatenate([q, *rest], axis=1).T),
        inside=np.reshape(along, (len(both), rank, rank)) / 2,
        crossed=crossed,
        ends=ends,
        near=q[ends].reshape(ends.size, rank),
        ones=ones,
    )


class Scratch(local):
    """Memory of each thread, which its next block uses again."""

    def take(self, name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Give the memory of a name, new where another size is wanted.

        Parameters
        ----------
        name : str
            What it is for.
        shape : tuple of int
            Of the array.
        dtype : dtype
            Of its elements.

        Returns
        -------
        array
            Not filled.
        """
        memory = vars(self).get(name)
        if memory is None or (memory.shape, memory.dtype) != (shape, dtype):
            memory = vars(self)[name] = aligned(shape, dtype)
        return memory


def centered(y: Any, scratch: Scratch | None = None) -> tuple[Any, Any]:
    """Take off a level near the mean: that of a few scans costs one pass less.

    Parameters
    ----------
    y : array (n_times, n_targets)
        Data, of NumPy or JAX.
    scratch : Scratch, optional
        Memory for the rest of NumPy data.

    Returns
    -------
    array (n_times, n_targets)
        The rest; a constant becomes exactly zero.
    array (n_targets,)
        The level.
    """
    few = y[:: max(1, y.shape[0] // _N_LEVEL)]
    # The limits keep the compiler, too, from fusing the mean's product into the
    # difference: its uses would differ by what a large offset rounds.
    level = few.mean(axis=0).clip(few.min(axis=0), few.max(axis=0))
    if scratch is not None:
        return np.subtract(y, level, out=scratch.take("z", y.shape, y.dtype)), level
    return y - level[None], level


def residuals(q: Any, ones: Any, z: Any, x: Any, level: Any) -> Any:
    """Make least squares residuals.

    Parameters
    ----------
    q : array (n_kept, rank)
        Design in orthonormal columns.
    ones : array (n_kept,) or None
        Residual of a constant, None where the design explains it.
    z : array (n_kept, n_targets)
        Data less `level`, of NumPy or JAX.
    x : array (rank, n_targets)
        Their coordinates along `q`.
    level : array (n_targets,)
        What was taken off.

    Returns
    -------
    array (n_kept, n_targets)
        What the design leaves of the data.
    """
    e = z - _product(q, x)
    return e if ones is None else e + ones[:, None] * level[None]


def gather(recipe: Recipe, y: Any, scratch: Scratch | None = None) -> Sums:
    """Sum one block of targets.

    Parameters
    ----------
    recipe : Recipe
        In the float and of the kind, NumPy or JAX, of the data.
    y : array (n_times, n_targets)
        Data.
    scratch : Scratch, optional
        Memory for NumPy data, in which some of the sums then are.

    Returns
    -------
    Sums
        Of the kind of the data.
    """
    if recipe.rows is not None:
        y = y[recipe.rows]
    z, level = centered(y, scratch)
    if recipe.ones is not None:
        x = _product(_design(recipe), z)
        return _exact(recipe, z, level, x)
    raw = _products(recipe, z, level, scratch)
    sums = _of_residuals(recipe, raw)
    lost = sums.lags[0] < raw.lags[0] / _LOST
    if isinstance(y, np.ndarray):
        return _exact(recipe, z, level, raw.x) if lost.any() else sums
    # Half the work, where no difference loses more than three bits.
    return jax.lax.cond(
        jnp.any(lost), lambda: _exact(recipe, z, level, raw.x), lambda: sums
    )


def weigh_sums(
    recipe: Recipe, sums: Sums, alpha: jax.Array, ratio: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Whiten: sums of squares, and products with the design.

    Parameters
    ----------
    recipe : Recipe
        Of the sums.
    sums : Sums
        Of residuals.
    alpha : array (order + 1, n_targets)
        Prediction error filter, the first 1.
    ratio : array (n_targets,)
        Scale of the stretch.

    Returns
    -------
    array (n_targets,)
        ``e' V^-1 e``.
    array (rank, n_targets)
        ``q' V^-1 e``.
    """
    order = alpha.shape[0] - 1
    weights = [
        jnp.sum(alpha[: order + 1 - d] * alpha[d:], axis=0) for d in range(order + 1)
    ]
    squares = weights[0] * sums.lags[0]
    for d in range(1, order + 1):
        squares = squares + 2 * weights[d] * sums.lags[d]
    inner = jnp.zeros_like(sums.x)
    for weight, turn in zip(weights[1:], sums.turns, strict=True):
        inner = inner + weight[None] * turn
    once = hankel(alpha, sums.ends)
    squares = squares - jnp.sum(once**2, axis=(0, 1))
    twice = hankel(alpha, once).reshape(-1, alpha.shape[1])
    inner = inner - dot(recipe.near.T, twice)
    return ratio * squares, ratio[None] * inner


def _design(recipe: Recipe) -> Any:
    return recipe.columns[: recipe.inside.shape[1]]


def _product(a: Any, b: Any) -> Any:
    """Multiply matrices of NumPy with NumPy."""
    return a @ b if isinstance(b, np.ndarray) else dot(a, b)


def _column_sums(a: Any, b: Any) -> Any:
    """Sum products over the first axis."""
    if isinstance(a, np.ndarray):
        return np.einsum("ij,ij->j", a, b)
    return jnp.sum(a * b, axis=0)


def _products(
    recipe: Recipe, z: Any, level: Any, scratch: Scratch | None = None
) -> Sums:
    """Sum the data themselves, but for `turns`, which the design is no part of."""
    order, rank = recipe.inside.shape[:2]
    if scratch is not None:
        shape = (len(recipe.columns), z.shape[1])
        along = scratch.take("along", shape, z.dtype)
        np.matmul(recipe.columns, z, out=along)
    else:
        along = _product(recipe.columns, z)
    lags = [_column_sums(z, z)]
    for k, gaps in enumerate(recipe.crossed, 1):
        product = _column_sums(z[k:], z[:-k])
        if gaps.size:
            product = product - _column_sums(z[gaps], z[gaps - k])
        lags.append(product)
    return Sums(
        level=level,
        x=along[:rank],
        lags=_stacked(lags),
        turns=along[rank:].reshape(order, rank, z.shape[1]),
        ends=z[recipe.ends],
    )


def _of_residuals(recipe: Recipe, raw: Sums) -> Sums:
    """Take sums of the residuals from those of the data."""
    x = raw.x
    lags = [raw.lags[0] - _column_sums(x, x)]
    for k, inside in enumerate(recipe.inside):
        both = _product(inside, x) + raw.turns[k]
        lags.append(raw.lags[k + 1] - _column_sums(x, both))
    ends = raw.ends - _product(recipe.near, x).reshape(raw.ends.shape)
    return replace(raw, lags=_stacked(lags), ends=ends)


def _stacked(rows: list) -> Any:
    return np.stack(rows) if isinstance(rows[0], np.ndarray) else jnp.stack(rows)


def _exact(recipe: Recipe, z: Any, level: Any, x: Any) -> Sums:
    """Make the residuals, and sum them."""
    e = residuals(_design(recipe).T, recipe.ones, z, x, level)
    return replace(_products(recipe, e, level), x=x)
