"""Moments of the lagged design, without ever building it.

Row ``t`` of the design holds ``x[t - lag]`` for every lag. Two facts make its
products cheap. The products of all lags with one signal are a cross-correlation,
which blocks of FFTs give at a cost that hardly depends on the number of lags. And
the products of lags ``(i + 1, j + 1)`` differ from those of ``(i, j)`` only by the
rows at which the set of used samples begins or ends: at edges of trials, folds and
masks. So the first block row and a few edge rows hold everything, exactly.
"""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check
from ..core.moments import Moments
from ..core.struct import static, struct
from ._lags import Lags
from ._tiles import Tiles, plan, row_groups
from ._trials import trial_lengths

__all__ = ["LaggedSums", "group_moments", "lagged_moments", "lagged_sums", "total_sums"]

# Up to this many lags the shifted products cost less than the Fourier transforms.
_DIRECT_LAGS = 4
# Edge rows that are multiplied at once.
_EDGE_BLOCK = 512

_dot = partial(jnp.matmul, precision="highest")


@struct
class LaggedSums:
    """Sums that determine the moments of a lagged design, per group of rows.

    All signals are taken relative to a shift near their mean, so that sums are of
    the size of the variances. Memory grows with the number of groups as
    ``n_lags * n_features * (n_features + n_targets)``, not with its square.

    Attributes
    ----------
    row : array (n_groups, n_lags, n_features, n_features + n_targets + 1)
        Products of every lag with the first lag, the targets and a constant.
    y_sum, yy : array (n_groups, n_targets)
        Sums and sums of squares of the targets.
    n : array (n_groups,)
        Number of rows.
    source : array (n_source, n_features)
        Samples that the edge rows are made of.
    edge_start, edge_stop, edge_time : int array (n_groups, n_edges)
        First sample of the trial, the one after its last, and the row, as
        positions in `source`.
    edge_sign : array (n_groups, n_edges)
        +1 where used rows begin after the edge, -1 where they end, 0 for padding.
    fill, x_shift : array (n_features,)
        Value beyond a trial's edges, relative to the shift; the shift.
    y_shift : array (n_targets,)
        Shift of the targets.
    lags : Lags
        Lag window.
    """

    row: jax.Array
    y_sum: jax.Array
    yy: jax.Array
    n: jax.Array
    source: jax.Array
    edge_start: jax.Array
    edge_stop: jax.Array
    edge_time: jax.Array
    edge_sign: jax.Array
    fill: jax.Array
    x_shift: jax.Array
    y_shift: jax.Array
    lags: Lags = static()  # type: ignore[assignment]  # a dataclass field


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
        return group_moments(sums, 0)
    return jax.lax.map(partial(group_moments, sums), jnp.arange(sums.n.shape[0]))


def lagged_sums(
    X: ArrayLike,
    Y: ArrayLike,
    lags: Lags,
    *,
    trial_id: ArrayLike | None = None,
    group_id: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    pad: str = "zero",
    shift: bool = True,
) -> LaggedSums:
    """Reduce a recording to the sums that determine its lagged moments.

    Parameters
    ----------
    X : array (n_times, n_features)
        Predictors.
    Y : array (n_times, n_targets)
        Responses.
    lags : Lags
        Lag window.
    trial_id, group_id : int array (n_times,), optional
        Trial and group (fold) of each sample, concrete.
    mask : bool array (n_times,), optional
        Rows to use, concrete.
    pad : {"zero", "mean", "drop"}
        What lies beyond a trial's edges.
    shift : bool
        Whether sums are taken relative to the mean. False only for a model
        without intercept.

    Returns
    -------
    LaggedSums
        One entry per group.

    Raises
    ------
    ValueError
        If shapes disagree, `pad` is unknown or no row is left.
    """
    X = check.float_array("X", X, ndim=2)
    Y = check.float_array("Y", Y, ndim=2)
    check.same_length("X", X, "Y", Y)
    if X.dtype != Y.dtype:
        raise TypeError(
            f"Y has dtype {Y.dtype} but X has dtype {X.dtype}; convert one of them."
        )
    check.choice("pad", pad, ("zero", "mean", "drop"))
    lengths = trial_lengths(trial_id, X.shape[0])
    x_known = None
    if mask is not None:
        x_known = np.isfinite(np.asarray(X)).all(1)
    row_group = row_groups(
        X.shape[0],
        lags,
        lengths=lengths,
        group_id=group_id,
        mask=mask,
        x_known=x_known,
        drop=pad == "drop",
    )
    tiles = plan(row_group, lengths, lags, X.shape[1] + Y.shape[1] + 1)
    masked = mask is not None
    return _sums(X, Y, tiles, lags=lags, pad=pad, shift=shift, masked=masked)


@partial(jax.jit, static_argnames=("lags", "pad", "shift", "masked"))
def _sums(
    X: jax.Array,
    Y: jax.Array,
    tiles: Tiles,
    *,
    lags: Lags,
    pad: str,
    shift: bool,
    masked: bool,
) -> LaggedSums:
    used = tiles.row_group >= 0
    # Samples that no used row sees may be NaN: a zero weight would not remove it.
    known = jnp.isfinite(X).all(1) | (not masked)
    x_shift, y_shift = jnp.zeros_like(X[0]), jnp.zeros_like(Y[0])
    if shift:
        x_shift, y_shift = _mean(X, known), _mean(Y, used)
    X = jnp.where(known[:, None], X - x_shift[None], 0)
    Y = jnp.where(used[:, None], Y - y_shift[None], 0)
    fill = jnp.zeros_like(x_shift) if pad == "mean" else -x_shift
    row = _correlate(X, Y, fill, tiles, lags)
    groups = jnp.where(used, tiles.row_group, 0)
    n_groups = tiles.first.shape[0]

    def pool(values: jax.Array) -> jax.Array:
        return jax.ops.segment_sum(values, groups, num_segments=n_groups)

    return LaggedSums(
        row=row,
        y_sum=pool(Y),
        yy=pool(Y**2),
        n=pool(used.astype(X.dtype)),
        source=X,
        edge_start=tiles.edge_start,
        edge_stop=tiles.edge_stop,
        edge_time=tiles.edge_time,
        edge_sign=tiles.edge_sign.astype(X.dtype),
        fill=fill,
        x_shift=x_shift,
        y_shift=y_shift,
        lags=lags,
    )


def _mean(x: jax.Array, used: jax.Array) -> jax.Array:
    n = jnp.maximum(used.sum().astype(x.dtype), 1)
    mean = jnp.where(used[:, None], x, 0).sum(0) / n
    # A second pass takes the rounding error of the first out of the mean.
    return mean + jnp.where(used[:, None], x - mean[None], 0).sum(0) / n


def _correlate(
    X: jax.Array, Y: jax.Array, fill: jax.Array, tiles: Tiles, lags: Lags
) -> jax.Array:
    """Correlate X at every lag with (X at the first lag, Y, 1), per group."""
    n_lags, length = lags.n_lags, tiles.width + lags.n_lags - 1
    last = lags.first + n_lags - 1
    n_features, n_columns = X.shape[1], X.shape[1] + Y.shape[1] + 1
    direct = n_lags <= _DIRECT_LAGS
    n_fft = length if direct else 1 << (length - 1).bit_length()
    product = _lag_products if direct else _spectral_products
    shape = (n_lags if direct else n_fft // 2 + 1, n_features, n_columns)
    dtype = X.dtype if direct else np.result_type(X.dtype, np.complex64)

    def chunk(acc: jax.Array, item: tuple) -> tuple[jax.Array, None]:
        group, first, start, stop = item  # (), then (n_tiles,)
        times = first[:, None] - last + jnp.arange(length, dtype=jnp.int32)[None]
        inside = (times >= start[:, None]) & (times < stop[:, None])
        window = X.at[times].get(mode="clip")  # (n_tiles, length, n_features)
        window = jnp.where(inside[..., None], window, fill[None, None])
        rows = first[:, None] + jnp.arange(tiles.width, dtype=jnp.int32)[None]
        kept = tiles.row_group.at[rows].get(mode="clip") == group
        kept = kept & (rows < stop[:, None])
        one = jnp.ones((*rows.shape, 1), X.dtype)
        y = Y.at[rows].get(mode="clip")
        target = jnp.concatenate([window[:, n_lags - 1 :], y, one], axis=2)
        target = jnp.where(kept[..., None], target, 0)
        return acc + product(window, target, n_fft), None

    def one_group(item: tuple) -> jax.Array:
        group, *tables = item
        groups = jnp.full(tables[0].shape[0], group)
        acc = jax.lax.scan(chunk, jnp.zeros(shape, dtype), (groups, *tables))[0]
        if not direct:
            acc = jnp.fft.irfft(acc, n_fft, axis=0)[:n_lags]
        return acc[::-1]  # offset d of the window is lag ``last - d``

    groups = jnp.arange(tiles.first.shape[0], dtype=jnp.int32)
    return jax.lax.map(one_group, (groups, tiles.first, tiles.start, tiles.stop))


def _lag_products(window: jax.Array, target: jax.Array, n_fft: int) -> jax.Array:
    width, n_columns = target.shape[1:]
    flat = target.reshape(-1, n_columns)
    return jnp.stack(
        [
            _dot(window[:, d : d + width].reshape(flat.shape[0], -1).T, flat)
            for d in range(n_fft - width + 1)
        ]
    )


def _spectral_products(window: jax.Array, target: jax.Array, n_fft: int) -> jax.Array:
    x = jnp.fft.rfft(window, n_fft, axis=1)
    y = jnp.conj(jnp.fft.rfft(target, n_fft, axis=1))
    # Sum over tiles, one product per frequency: (n_freqs, n_features, n_columns).
    contract = (((0,), (0,)), ((1,), (1,)))
    return jax.lax.dot_general(x, y, contract, precision="highest")


def total_sums(sums: LaggedSums) -> LaggedSums:
    """Add up all groups.

    Parameters
    ----------
    sums : LaggedSums
        One entry per group.

    Returns
    -------
    LaggedSums
        One group that holds every row.
    """

    def add(leaf: jax.Array) -> jax.Array:
        return leaf.sum(0, keepdims=True)

    def join(leaf: jax.Array) -> jax.Array:
        return leaf.reshape(1, -1)

    return replace(
        sums,
        row=add(sums.row),
        y_sum=add(sums.y_sum),
        yy=add(sums.yy),
        n=add(sums.n),
        edge_start=join(sums.edge_start),
        edge_stop=join(sums.edge_stop),
        edge_time=join(sums.edge_time),
        edge_sign=join(sums.edge_sign),
    )


def group_moments(
    sums: LaggedSums, group: ArrayLike, *, center: str = "lagged"
) -> Moments:
    """Expand the sums of one group to its moments.

    Parameters
    ----------
    sums : LaggedSums
        One entry per group.
    group : int
        Which group.
    center : {"lagged", "shift"}
        Centre the lagged columns at their own means, or leave the sums relative
        to the shift.

    Returns
    -------
    Moments
        ``n_lags * n_features`` features, lags first, no fold axis.
    """
    return _group_moments(sums, jnp.asarray(group), center=center)


@partial(jax.jit, static_argnames="center")
def _group_moments(sums: LaggedSums, group: jax.Array, *, center: str) -> Moments:
    n_lags, n_features = sums.row.shape[1:3]
    size = n_lags * n_features
    row, n = sums.row[group], sums.n[group]
    xx = _toeplitz_like(row[:, :, :n_features], _edge_gram(sums, group))
    xy = row[:, :, n_features:-1].reshape(size, -1)
    x_sum, y_sum = row[:, :, -1].reshape(size), sums.y_sum[group]
    yy = sums.yy[group]
    x_shift = jnp.tile(sums.x_shift, n_lags)
    if center == "shift":
        return Moments(n=n, x_mean=x_shift, y_mean=sums.y_shift, xx=xx, xy=xy, yy=yy)
    safe = jnp.where(n == 0, 1, n)
    x_mean, y_mean = x_sum / safe, y_sum / safe
    return Moments(
        n=n,
        x_mean=x_shift + x_mean,
        y_mean=sums.y_shift + y_mean,
        xx=xx - n * jnp.outer(x_mean, x_mean),
        xy=xy - n * jnp.outer(x_mean, y_mean),
        yy=yy - n * y_mean**2,
    )


def _edge_gram(sums: LaggedSums, group: jax.Array) -> jax.Array:
    """Sum the signed products of the rows at which used rows begin or end."""
    edges = (sums.edge_start, sums.edge_stop, sums.edge_time, sums.edge_sign)
    edges = tuple(edge[group] for edge in edges)
    n_edges = edges[0].size
    if n_edges <= _EDGE_BLOCK:
        return _edge_block(sums, edges)
    # Blocks keep the memory below that of the result.
    extra = -n_edges % _EDGE_BLOCK
    edges = tuple(jnp.pad(edge, (0, extra)).reshape(-1, _EDGE_BLOCK) for edge in edges)
    size = sums.row.shape[1] * sums.row.shape[2]
    empty = jnp.zeros((size, size), sums.row.dtype)
    return jax.lax.scan(
        lambda acc, edge: (acc + _edge_block(sums, edge), None), empty, edges
    )[0]


def _edge_block(sums: LaggedSums, edge: tuple) -> jax.Array:
    start, stop, time, sign = edge  # (n_edges_in_block,)
    times = time[:, None] - jnp.asarray(sums.lags.samples, dtype=jnp.int32)[None]
    inside = (times >= start[:, None]) & (times < stop[:, None])
    rows = sums.source.at[times].get(mode="clip")
    rows = jnp.where(inside[..., None], rows, sums.fill[None, None])
    rows = rows.reshape(time.size, -1)
    return _dot((sign[:, None] * rows).T, rows)


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
