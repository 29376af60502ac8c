"""Moments of the lagged design, without ever building it.

Row ``t`` of the design holds ``x[t - lag]`` for every lag. Two facts make its
products cheap. The products of all lags with one signal are a cross-correlation,
which blocks of FFTs give at a cost that hardly depends on the number of lags. And
the products of lags ``(i + 1, j + 1)`` differ from those of ``(i, j)`` only by the
rows at which the set of used samples begins or ends: at edges of trials, folds and
masks. So the first block row and a few edge rows hold everything, exactly.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ..core.linalg import dot
from ..core.moments import Moments
from ..core.struct import struct
from ._lags import Lags
from ._sums import LaggedSums, gather, lagged_sums

__all__ = ["Products", "lagged_moments", "products"]

# Edge rows that are multiplied at once.
_EDGE_BLOCK = 512


@struct
class Products:
    """Products of the lagged design relative to a shift, before centring.

    Attributes
    ----------
    n : array ()
        Number of rows.
    x_sum, y_sum : array (n_lags * n_features,), (n_targets,)
        Sums of the shifted signals.
    xx, xy, yy : array
        As in ``core.moments.Moments``, of the shifted signals.
    x_shift, y_shift : array (n_lags * n_features,), (n_targets,)
        The shift.
    """

    n: jax.Array
    x_sum: jax.Array
    y_sum: jax.Array
    xx: jax.Array
    xy: jax.Array
    yy: jax.Array
    x_shift: jax.Array
    y_shift: jax.Array

    def minus(self, part: "Products") -> "Products":
        """Remove a disjoint part of the rows.

        The sums have no common offset, so nothing large cancels.

        Parameters
        ----------
        part : Products
            Of some of the rows.

        Returns
        -------
        Products
            Of the others.
        """
        names = ("n", "x_sum", "y_sum", "xx", "xy", "yy")
        return replace(
            self, **{name: getattr(self, name) - getattr(part, name) for name in names}
        )

    def moments(self, center: str = "lagged") -> Moments:
        """Centre the products.

        Parameters
        ----------
        center : {"lagged", "shift"}
            At the means of the lagged columns, or at the shift.

        Returns
        -------
        Moments
            Of the lagged design.
        """
        if center == "shift":
            return Moments(
                n=self.n,
                x_mean=self.x_shift,
                y_mean=self.y_shift,
                xx=self.xx,
                xy=self.xy,
                yy=self.yy,
            )
        safe = jnp.where(self.n == 0, 1, self.n)
        x_mean, y_mean = self.x_sum / safe, self.y_sum / safe
        return Moments(
            n=self.n,
            x_mean=self.x_shift + x_mean,
            y_mean=self.y_shift + y_mean,
            xx=self.xx - self.n * jnp.outer(x_mean, x_mean),
            xy=self.xy - self.n * jnp.outer(x_mean, y_mean),
            yy=jnp.maximum(self.yy - self.n * y_mean**2, 0),
        )


def lagged_moments(
    X: ArrayLike,
    Y: ArrayLike,
    lags: Lags,
    *,
    trial_id: ArrayLike | None = None,
    fold_id: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    pad: str = "zero",
) -> Moments:
    """Compute the moments of the lagged design without building it.

    The result equals ``core.moments.moments(lagged(X, lags), Y)`` with the lags
    and features of the design flattened to one axis. The cost is that of a
    cross-correlation by FFT, the memory that of the result.

    Parameters
    ----------
    X : array (n_times, n_features)
        Predictors.
    Y : array (n_times, n_targets)
        Responses.
    lags : Lags
        Lag window.
    trial_id : int array (n_times,), optional
        Trial of each sample, concrete. Lags do not cross trials. Default: one.
    fold_id : int array (n_times,), optional
        Fold of each sample, concrete, from 0. Default: no fold axis.
    mask : bool array (n_times,), optional
        Rows to use, concrete. Others weigh zero; NaN in Y is allowed there.
    pad : {"zero", "mean", "drop"}
        What lies beyond a trial's edges: zeros, the mean of X, or nothing (rows
        with an incomplete window are dropped).

    Returns
    -------
    Moments
        ``n_lags * n_features`` features, lags first. With `fold_id` a leading
        axis ``n_folds``, each fold centred at its own mean.

    Raises
    ------
    ValueError
        If shapes disagree, `pad` is unknown or no row is left.
    """
    sums = lagged_sums(
        X, Y, lags, trial_id=trial_id, group_id=fold_id, mask=mask, pad=pad
    )
    if fold_id is None:
        return products(sums).moments()
    return _each_group(sums)


@jax.jit
def _each_group(sums: LaggedSums) -> Moments:
    groups = jnp.arange(sums.n.shape[0])
    return jax.lax.map(lambda group: products(sums, group).moments(), groups)


@jax.jit
def products(sums: LaggedSums, group: ArrayLike | None = None) -> Products:
    """Expand the sums of one group, or of all, to products of the lagged design.

    Parameters
    ----------
    sums : LaggedSums
        One entry per group.
    group : int, optional
        Which group. Default: all rows together.

    Returns
    -------
    Products
        ``n_lags * n_features`` features, lags first.
    """
    if group is None:

        def take(leaf: jax.Array) -> jax.Array:
            return leaf.sum(0)

        def take_edges(leaf: jax.Array) -> jax.Array:
            return leaf.reshape(-1, leaf.shape[-1])

    else:

        def take(leaf: jax.Array) -> jax.Array:
            return leaf[group]

        take_edges = take

    row = take(sums.row)
    n_lags, n_features = row.shape[:2]
    size = n_lags * n_features
    change = _edge_gram(sums, take_edges(sums.edges), size)
    return Products(
        n=take(sums.n),
        x_sum=row[:, :, -1].reshape(size),
        y_sum=take(sums.y_sum),
        xx=_toeplitz_like(row[:, :, :n_features], change),
        xy=row[:, :, n_features:-1].reshape(size, -1),
        yy=take(sums.yy),
        x_shift=jnp.tile(sums.frame.x_shift, n_lags),
        y_shift=sums.frame.y_shift,
    )


def _edge_gram(sums: LaggedSums, edges: jax.Array, size: int) -> jax.Array:
    """Sum the signed products of the rows at which used rows begin or end."""
    lag = jnp.asarray(sums.lags.samples, dtype=jnp.int32)[None]

    def block(edge: jax.Array) -> jax.Array:
        time, start, stop, sign = jnp.split(edge, 4, axis=1)  # (n_edges, 1)
        rows = gather(sums.source, time - lag, start, stop, sums.frame)
        rows = rows.reshape(edge.shape[0], size)
        return dot((sign.astype(rows.dtype) * rows).T, rows)

    if edges.shape[0] <= _EDGE_BLOCK:
        return block(edges)
    # Blocks keep the memory below that of the result.
    extra = -edges.shape[0] % _EDGE_BLOCK
    blocks = jnp.pad(edges, ((0, extra), (0, 0))).reshape(-1, _EDGE_BLOCK, 4)
    empty = jnp.zeros((size, size), sums.row.dtype)
    return jax.lax.scan(lambda acc, edge: (acc + block(edge), None), empty, blocks)[0]


def _toeplitz_like(first: jax.Array, change: jax.Array) -> jax.Array:
    """Rebuild all products from the first block row and the diagonal changes."""
    n_lags, n_features = first.shape[:2]
    size = n_lags * n_features
    change = change.reshape(n_lags, n_features, n_lags, n_features)
    first = first.at[0].set((first[0] + first[0].T) / 2)  # undo rounding
    # first[j, f, g] is the product of (lag j, feature f) and (lag 0, feature g).
    top = jnp.moveaxis(first, 2, 0)  # (g, j, f): block row of lag 0

    def step(above: jax.Array, item: tuple) -> tuple[jax.Array, jax.Array]:
        below_first, delta = item
        shifted = (above + delta)[:, :-1]
        here = jnp.concatenate([below_first[:, None], shifted], axis=1)
        return here, here

    rest = jax.lax.scan(step, top, (first[1:], change[:-1]))[1]
    return jnp.concatenate([top[None], rest]).reshape(size, size)
