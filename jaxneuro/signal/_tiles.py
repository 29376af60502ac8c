"""How a recording is cut for its lagged moments: tiles of rows and their edges."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core.struct import static, struct
from ._lags import Lags

__all__ = ["Tiles", "plan", "row_groups"]

# Bytes of one chunk of tiles with its transforms; enough tiles for wide products.
_CHUNK_BYTES = 48_000_000
_MIN_FFT = 256


@struct
class Tiles:
    """Rows of a recording in tiles of equal width, sorted by group.

    Attributes
    ----------
    table : int array (n_groups, n_chunks, n_tiles, 3)
        First row of each tile, first sample of its trial and the one after its
        last. Empty tiles are zero.
    edges : int array (n_groups, n_edges, 4)
        Edges of the used rows, see :class:`LaggedSums`.
    width : int
        Rows per tile.
    """

    table: jax.Array
    edges: jax.Array
    width: int = static()  # type: ignore[assignment]  # a dataclass field


def plan(
    row_group: np.ndarray, lengths: np.ndarray, lags: Lags, n_columns: int
) -> Tiles:
    """Cut the used rows of every group into tiles.

    Parameters
    ----------
    row_group : int array (n_times,)
        Group of each row; -1 for rows that are not used.
    lengths : int array (n_trials,)
        Samples of each trial.
    lags : Lags
        Lag window.
    n_columns : int
        Signals that a tile holds, to size the chunks.

    Returns
    -------
    Tiles
        On the device.
    """
    trial_stop = np.cumsum(lengths)
    run = _runs(row_group, trial_stop)
    trial = np.searchsorted(trial_stop, run[:, 0], side="right")
    bounds = np.stack([trial_stop[trial] - lengths[trial], trial_stop[trial]], axis=1)
    longest = int(lengths.max())
    n_fft = max(_MIN_FFT, 1 << (4 * lags.n_lags - 1).bit_length())
    n_fft = min(n_fft, 1 << (longest + lags.n_lags - 2).bit_length())
    width = max(1, n_fft - lags.n_lags + 1)
    n_groups = int(row_group.max()) + 1
    tiles = [
        _cover(run[run[:, 2] == g], bounds[run[:, 2] == g], width)
        for g in range(n_groups)
    ]
    most = max(len(tile) for tile in tiles)
    n_tiles = int(np.clip(_CHUNK_BYTES // (8 * n_fft * n_columns), 1, min(64, most)))
    n_chunks = -(-most // n_tiles)
    n_tiles = -(-most // n_chunks)  # no chunk is left nearly empty
    table = np.zeros((n_groups, n_chunks * n_tiles, 3), dtype=np.int32)
    for group, tile in enumerate(tiles):
        table[group, : len(tile)] = tile
    return Tiles(
        table=jnp.asarray(table.reshape(n_groups, n_chunks, n_tiles, 3)),
        edges=jnp.asarray(_edges(run, bounds, n_groups)),
        width=width,
    )


def row_groups(
    n_times: int,
    lags: Lags,
    *,
    lengths: np.ndarray,
    group_id: ArrayLike | None,
    mask: ArrayLike | None,
    x_known: np.ndarray | None,
    drop: bool,
) -> np.ndarray:
    """Find which rows are used, and by which group.

    Parameters
    ----------
    n_times : int
        Length of the recording.
    lags : Lags
        Lag window.
    lengths : int array (n_trials,)
        Samples of each trial.
    group_id : int array (n_times,), optional
        Group of each row, from 0. Default: one group.
    mask : bool array (n_times,), optional
        Rows to use.
    x_known : bool array (n_times,), optional
        Samples of X that are not missing: windows that touch another weigh zero.
    drop : bool
        Whether rows whose window crosses a trial's edge are dropped.

    Returns
    -------
    int array (n_times,)
        Group of each row, -1 for rows that are not used.

    Raises
    ------
    ValueError
        If a length is wrong, a group number is negative or a group is left empty.
    """
    group = np.zeros(n_times, dtype=np.int32)
    if group_id is not None:
        group = np.array(group_id, dtype=np.int32)
        if group.shape != (n_times,) or group.min(initial=0) < 0:
            raise ValueError(
                f"fold_id has shape {group.shape} and least entry "
                f"{group.min(initial=0)} but must hold {n_times} numbers from 0."
            )
    n_groups = int(group.max(initial=0)) + 1
    used = np.ones(n_times, dtype=bool)
    if mask is not None:
        used = np.array(mask)
        if used.shape != (n_times,) or used.dtype != bool:
            raise ValueError(
                f"mask has shape {used.shape} and dtype {used.dtype} but must be a "
                f"boolean array of shape ({n_times},)."
            )
    past, future = max(lags.first + lags.n_lags - 1, 0), max(-lags.first, 0)
    stop = np.repeat(np.cumsum(lengths), lengths)
    start = stop - np.repeat(lengths, lengths)
    time = np.arange(n_times)
    if drop:
        used = used & (time - past >= start) & (time + future < stop)
    if x_known is not None and not x_known.all():
        # Windows cover [t - last lag, t - first lag]; count the missing inside.
        missing = np.concatenate([[0], np.cumsum(~x_known)])
        low = np.clip(time - lags.first - lags.n_lags + 1, start, stop)
        high = np.clip(time - lags.first + 1, start, stop)
        used = used & (missing[high] == missing[np.minimum(low, high)])
    group = np.where(used, group, -1)
    count = np.bincount(group[used], minlength=n_groups)
    if (count == 0).any():
        raise ValueError(
            f"fold {int(np.argmin(count))} has no sample left; "
            "check mask, pad and the lag window against the length of the trials."
        )
    return group


def _runs(row_group: np.ndarray, trial_stop: np.ndarray) -> np.ndarray:
    """List maximal stretches of used rows: (first, last + 1, group)."""
    border = np.zeros(row_group.size + 1, dtype=bool)
    border[1:-1] = np.diff(row_group) != 0
    border[trial_stop] = True
    border[0] = True
    at = np.flatnonzero(border)
    run = np.stack([at[:-1], at[1:], row_group[at[:-1]]], axis=1)
    return run[run[:, 2] >= 0]


def _cover(run: np.ndarray, bounds: np.ndarray, width: int) -> np.ndarray:
    """Cover the runs of one group by tiles: (first row, trial start, trial stop)."""
    tiles, covered = [], 0
    for (first, last, _), (start, stop) in zip(run, bounds, strict=True):
        for at in range(max(first, covered), last, width):
            tiles.append((at, start, stop))
            covered = min(at + width, stop)
    return np.array(tiles, dtype=np.int32).reshape(-1, 3)


def _edges(run: np.ndarray, bounds: np.ndarray, n_groups: int) -> np.ndarray:
    """List the rows before which the used rows begin or end, per group."""
    time = np.concatenate([run[:, 0] - 1, run[:, 1] - 1])
    sign = np.repeat([1, -1], len(run))
    group = np.tile(run[:, 2], 2)
    edge = np.column_stack([time, np.tile(bounds, (2, 1)), sign]).astype(np.int32)
    count = np.bincount(group, minlength=n_groups)
    table = np.zeros((n_groups, count.max(), 4), dtype=np.int32)
    for g in range(n_groups):
        table[g, : count[g]] = edge[group == g]
    return table
