"""Sums of a recording that is larger than memory, read block by block."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ..core.batch import Sliceable, float_dtype, read
from ..core.progress import track
from ._lags import Lags
from ._sums import Frame, LaggedSums, accumulate, make_frame
from ._tiles import Tiles

__all__ = ["stream_sums"]


def stream_sums(
    X: Sliceable,
    Y: Sliceable,
    row_group: np.ndarray,
    tiles: Tiles,
    lags: Lags,
    *,
    pad: str,
    shift: bool,
    masked: bool,
    block_size: int,
    show_progress: bool = False,
) -> LaggedSums:
    """Reduce a recording on disk to the sums that determine its lagged moments.

    Parameters
    ----------
    X, Y : sliceable (n_times, n_features), (n_times, n_targets)
        Recording.
    row_group : int array (n_times,)
        Group of each row; -1 for rows that are not used.
    tiles : Tiles
        Tiles of the whole recording.
    lags : Lags
        Lag window.
    pad : {"zero", "mean", "drop"}
        What lies beyond a trial's edges. "mean" reads the recording twice.
    shift : bool
        Whether sums are taken relative to a shift near the mean.
    masked : bool
        Whether NaN in X marks a missing sample.
    block_size : int
        Time points that are read at once.
    show_progress : bool
        Whether to draw a progress bar over blocks.

    Returns
    -------
    LaggedSums
        As ``lagged_sums`` gives them.
    """
    dtype = float_dtype(X, x64=jnp.zeros(()).dtype == np.float64)
    block_size = max(block_size, tiles.width)
    first_lag, last_lag = int(lags.samples[0]), int(lags.samples[-1])
    before, after = max(last_lag, 0), max(-first_lag, 0)
    frame = _frame(X, Y, row_group, block_size, dtype, pad, shift, masked)
    packs = _packs(tiles, block_size)
    groups: list = [None] * tiles.table.shape[0]
    for group, pack in track(packs, show=show_progress, desc="blocks", unit="block"):
        low = int(pack[0, 0, 0]) - before
        high = low + before + block_size + after
        used = np.zeros(high - low, dtype=bool)
        inside = slice(max(low, 0), min(high, row_group.size))
        used[inside.start - low : inside.stop - low] = row_group[inside] == group
        local = np.where(pack[..., 2:] > 0, pack - low, 0).astype(np.int32)
        x, y = read(X, low, high, dtype), read(Y, low, high, dtype)
        # Reading overlaps with the work on the block before, and no further.
        jax.block_until_ready(groups[group])
        groups[group] = _add(
            groups[group],
            x,
            y,
            used,
            local,
            frame,
            lags=lags,
            width=tiles.width,
        )
    row, y_sum, yy, n = (jnp.stack(leaves) for leaves in zip(*groups, strict=True))
    source, edges = _edge_windows(X, np.asarray(tiles.edges), lags, dtype)
    return LaggedSums(
        row=row,
        y_sum=y_sum,
        yy=yy,
        n=n,
        source=jnp.asarray(source),
        edges=jnp.asarray(edges),
        frame=frame,
        lags=lags,
    )


@partial(jax.jit, static_argnames=("lags", "width"))
def _add(
    acc: tuple | None,
    X: jax.Array,
    Y: jax.Array,
    used: jax.Array,
    table: jax.Array,
    frame: Frame,
    *,
    lags: Lags,
    width: int,
) -> tuple:
    new = accumulate(X, Y, used, table, width, frame, lags)
    return new if acc is None else jax.tree.map(jnp.add, acc, new)


def _packs(tiles: Tiles, block_size: int) -> list[tuple[int, np.ndarray]]:
    """Gather tiles that a block holds: (group, tile table of fixed length)."""
    n_groups, _, n_tiles, _ = tiles.table.shape
    # Trials and folds end within tiles: leave room for some that are not full.
    most = -(-block_size // tiles.width) + 2
    n_chunks = -(-most // n_tiles)
    n_tiles = -(-most // n_chunks)
    packs = []
    for group in range(n_groups):
        table = np.asarray(tiles.table[group]).reshape(-1, 3).astype(np.int64)
        table = table[table[:, 2] > 0]
        begin = 0
        while begin < len(table):
            reach = table[begin, 0] + block_size - tiles.width
            end = int(np.searchsorted(table[:, 0], reach, side="right"))
            end = min(end, begin + most)
            pack = np.zeros((n_chunks * n_tiles, 3), dtype=np.int64)
            pack[: end - begin] = table[begin:end]
            packs.append((group, pack.reshape(n_chunks, n_tiles, 3)))
            begin = end
    return sorted(packs, key=lambda item: item[1][0, 0, 0])


def _frame(
    X: Sliceable,
    Y: Sliceable,
    row_group: np.ndarray,
    block_size: int,
    dtype: np.dtype,
    pad: str,
    shift: bool,
    masked: bool,
) -> Frame:
    """Take the shift from the first block, or the exact mean where `pad` needs it."""
    n_times = X.shape[0]
    stop = n_times if pad == "mean" else min(block_size, n_times)
    sums: list = [0.0, 0.0]
    counts: list = [0.0, 0.0]
    for low in range(0, stop, block_size):
        high = min(low + block_size, stop)
        y = read(Y, low, high, dtype)
        y[row_group[low:high] < 0] = np.nan
        for which, block in enumerate((read(X, low, high, dtype), y)):
            skip = masked or which == 1
            sums[which] += (np.nansum if skip else np.sum)(
                block, axis=0, dtype=np.float64
            )
            counts[which] += np.isfinite(block).sum(0) if skip else len(block)
    x_mean, y_mean = (
        (total / np.maximum(count, 1)).astype(dtype)
        for total, count in zip(sums, counts, strict=True)
    )
    return make_frame(
        jnp.asarray(x_mean)[None],
        jnp.asarray(y_mean)[None],
        pad=pad,
        shift=shift,
        skip_nan=False,
        masked=masked,
    )


def _edge_windows(
    X: Sliceable, edges: np.ndarray, lags: Lags, dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray]:
    """Keep only the samples that edge rows are made of, and point the edges there."""
    n_lags = lags.n_lags
    flat = edges.reshape(-1, 4).copy()
    source = np.zeros((flat.shape[0] * n_lags, *X.shape[1:]), dtype)
    for position, (time, start, stop, sign) in enumerate(flat):
        if sign == 0:
            continue
        low, base = int(time) - int(lags.samples[-1]), position * n_lags
        source[base : base + n_lags] = read(X, low, low + n_lags, dtype)
        flat[position, :3] = np.array([time, start, stop]) - low + base
    return source, flat.reshape(edges.shape)
