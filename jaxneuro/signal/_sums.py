"""One pass over a recording: the sums that determine its lagged moments."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check
from ..core.linalg import dot
from ..core.struct import static, struct
from ._lags import Lags
from ._tiles import Tiles, plan, row_groups
from ._trials import trial_lengths

__all__ = ["PADS", "Frame", "LaggedSums", "accumulate", "gather", "lagged_sums"]

PADS = ("zero", "mean", "drop")
# Up to this many lags the shifted products cost less than the Fourier transforms.
_DIRECT_LAGS = 4


@struct
class Frame:
    """Origin of the sums.

    Attributes
    ----------
    x_shift, fill : array (n_features,)
        What is subtracted from X, and what lies beyond a trial's edges after that.
    y_shift : array (n_targets,)
        What is subtracted from Y.
    masked : bool
        Whether NaN in X marks a missing sample.
    """

    x_shift: jax.Array
    fill: jax.Array
    y_shift: jax.Array
    masked: bool = static()  # type: ignore[assignment]  # a dataclass field


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
    edges : int array (n_groups, n_edges, 4)
        Where used rows begin and end: the row before, its trial's first sample and
        the one after its last as positions in `source`, and +1 where they begin,
        -1 where they end, 0 for padding.
    frame : Frame
        Shifts, and the value beyond a trial's edges.
    lags : Lags
        Lag window.
    """

    row: jax.Array
    y_sum: jax.Array
    yy: jax.Array
    n: jax.Array
    source: jax.Array
    edges: jax.Array
    frame: Frame
    lags: Lags = static()  # type: ignore[assignment]  # a dataclass field


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
    block_size: int | None = None,
    show_progress: bool = False,
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
    block_size : int, optional
        Time points that are read and held at once; X and Y may then be anything
        that can be sliced along time. Default: everything.
    show_progress : bool
        Whether to draw a progress bar over blocks.

    Returns
    -------
    LaggedSums
        One entry per group.

    Raises
    ------
    ValueError
        If shapes disagree, `pad` is unknown or no row is left.
    """
    X, Y = _checked(X, Y, mask, block_size)
    check.choice("pad", pad, PADS)
    n_times, n_features = check.shape_of(X)
    lengths = trial_lengths(trial_id, n_times)
    x_known = None
    if mask is not None:
        x_known = np.asarray(np.isfinite(np.asarray(X)).all(axis=1))
    row_group = row_groups(
        n_times,
        lags,
        lengths=lengths,
        group_id=group_id,
        mask=mask,
        x_known=x_known,
        drop=pad == "drop",
    )
    n_columns = n_features + check.shape_of(Y)[1] + 1
    tiles = plan(row_group, lengths, lags, n_columns)
    options = {"pad": pad, "shift": shift, "masked": mask is not None}
    if block_size is not None:
        from ._stream import stream_sums

        return stream_sums(
            X,  # type: ignore[arg-type]  # sliceable, as checked
            Y,  # type: ignore[arg-type]  # as above
            row_group,
            tiles,
            lags,
            block_size=block_size,
            show_progress=show_progress,
            **options,
        )
    return _sums(X, Y, jnp.asarray(row_group), tiles, lags=lags, **options)


def _checked(
    X: ArrayLike, Y: ArrayLike, mask: ArrayLike | None, block_size: int | None
) -> tuple[ArrayLike, ArrayLike]:
    if block_size is None:
        X = check.float_array("X", X, ndim=2)
        Y = check.float_array("Y", Y, ndim=2)
        if X.dtype != Y.dtype:
            raise TypeError(
                f"Y has dtype {Y.dtype} but X has dtype {X.dtype}; convert one of them."
            )
    elif mask is not None:
        raise ValueError(
            "mask is given together with block_size, but finding the missing samples "
            "needs the whole recording; leave out one of them."
        )
    else:
        check.has_ndim("X", X, 2)
        check.has_ndim("Y", Y, 2)
    check.same_length("X", X, "Y", Y)
    return X, Y


@partial(jax.jit, static_argnames=("lags", "pad", "shift", "masked"))
def _sums(
    X: jax.Array,
    Y: jax.Array,
    row_group: jax.Array,
    tiles: Tiles,
    *,
    lags: Lags,
    pad: str,
    shift: bool,
    masked: bool,
) -> LaggedSums:
    used = (row_group >= 0)[:, None]
    frame = make_frame(
        X,
        jnp.where(used, Y, jnp.nan),
        pad=pad,
        shift=shift,
        masked=masked,
        skip_nan=masked or pad == "drop",
    )

    def one_group(item: tuple) -> tuple:
        group, table = item
        return accumulate(X, Y, row_group == group, table, tiles.width, frame, lags)

    groups = jnp.arange(tiles.table.shape[0], dtype=jnp.int32)
    row, y_sum, yy, n = jax.lax.map(one_group, (groups, tiles.table))
    return LaggedSums(
        row=row,
        y_sum=y_sum,
        yy=yy,
        n=n,
        source=X,
        edges=tiles.edges,
        frame=frame,
        lags=lags,
    )


def make_frame(
    X: jax.Array, Y: jax.Array, *, pad: str, shift: bool, masked: bool, skip_nan: bool
) -> Frame:
    """Choose the origin of the sums: the means, or zero.

    Parameters
    ----------
    X, Y : array (n_times, n_features), (n_times, n_targets)
        Recording, or its first block.
    pad : {"zero", "mean", "drop"}
        What lies beyond a trial's edges.
    shift : bool
        Whether to take the means.
    masked : bool
        Whether NaN in X marks a missing sample.
    skip_nan : bool
        Whether the means pass over NaN.

    Returns
    -------
    Frame
        Shifts and fill.
    """
    x_shift, y_shift = jnp.zeros_like(X[0]), jnp.zeros_like(Y[0])
    if shift:
        x_shift, y_shift = _mean(X, skip_nan), _mean(Y, skip_nan)
    fill = jnp.zeros_like(x_shift) if pad == "mean" else -x_shift
    return Frame(x_shift=x_shift, fill=fill, y_shift=y_shift, masked=masked)


def _mean(x: jax.Array, skip_nan: bool) -> jax.Array:
    mean = jnp.nanmean if skip_nan else jnp.mean
    first = mean(x, axis=0)
    # A second pass takes the rounding error of the first out of the mean.
    return first + mean(x - first[None], axis=0)


def accumulate(
    X: jax.Array,
    Y: jax.Array,
    used: jax.Array,
    table: jax.Array,
    width: int,
    frame: Frame,
    lags: Lags,
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Correlate X at every lag with (X at the first lag, Y, 1) over tiles.

    Parameters
    ----------
    X, Y : array (n_times, n_features), (n_times, n_targets)
        Recording, or a block of it.
    used : bool array (n_times,)
        Rows that count.
    table : int array (n_chunks, n_tiles, 3)
        First row, first sample of the trial and the one after its last.
    width : int
        Rows per tile.
    frame : Frame
        Shifts and fill.
    lags : Lags
        Lag window.

    Returns
    -------
    row, y_sum, yy, n : array
        One group's entries of :class:`LaggedSums`.
    """
    n_lags, length = lags.n_lags, width + lags.n_lags - 1
    last = lags.first + n_lags - 1
    n_features, n_columns = X.shape[1], X.shape[1] + Y.shape[1] + 1
    direct = n_lags <= _DIRECT_LAGS
    n_fft = length if direct else 1 << (length - 1).bit_length()
    product = _lag_products if direct else _spectral_products
    shape = (n_lags if direct else n_fft // 2 + 1, n_features, n_columns)
    dtype = X.dtype if direct else np.result_type(X.dtype, np.complex64)
    ahead = jnp.arange(length, dtype=jnp.int32)[None]
    y_columns = slice(n_features, -1)

    def chunk(acc: tuple, tile: jax.Array) -> tuple[tuple, None]:
        first, start, stop = jnp.split(tile, 3, axis=1)  # (n_tiles, 1)
        window = gather(X, first - last + ahead, start, stop, frame)
        rows = first + ahead[:, :width]
        kept = used.at[rows].get(mode="clip") & (rows < stop)
        y = Y.at[rows].get(mode="clip") - frame.y_shift[None, None]
        one = jnp.ones((*rows.shape, 1), X.dtype)
        target = jnp.concatenate([window[:, n_lags - 1 :], y, one], axis=2)
        # A product with zero would not remove NaN.
        target = jnp.where(kept[..., None], target, 0)
        column, square = target.sum((0, 1)), (target[..., y_columns] ** 2).sum((0, 1))
        new = (product(window, target, n_fft), column, square)
        return jax.tree.map(jnp.add, acc, new), None

    empty = (
        jnp.zeros(shape, dtype),
        jnp.zeros(n_columns, X.dtype),
        jnp.zeros(Y.shape[1], X.dtype),
    )
    acc, column, square = jax.lax.scan(chunk, empty, table)[0]
    if not direct:
        acc = jnp.fft.irfft(acc, n_fft, axis=0)[:n_lags]
    # Offset d of the window is lag ``last - d``.
    return acc[::-1], column[y_columns], square, column[-1]


def gather(
    X: jax.Array, times: jax.Array, start: jax.Array, stop: jax.Array, frame: Frame
) -> jax.Array:
    """Take shifted samples, with the fill beyond the edges of their trial.

    Parameters
    ----------
    X : array (n_times, n_features)
        Recording.
    times : int array (n_windows, length)
        Which samples.
    start, stop : int array (n_windows, 1)
        First sample of the window's trial and the one after its last.
    frame : Frame
        Shifts and fill.

    Returns
    -------
    array (n_windows, length, n_features)
        Missing samples are at the shift, that is 0.
    """
    inside = (times >= start) & (times < stop)
    window = X.at[times].get(mode="clip") - frame.x_shift[None, None]
    if frame.masked:
        window = jnp.where(jnp.isfinite(window), window, 0)
    return jnp.where(inside[..., None], window, frame.fill[None, None])


def _lag_products(window: jax.Array, target: jax.Array, n_fft: int) -> jax.Array:
    width, n_columns = target.shape[1:]
    flat = target.reshape(-1, n_columns)
    return jnp.stack(
        [
            dot(window[:, d : d + width].reshape(flat.shape[0], -1).T, flat)
            for d in range(n_fft - width + 1)
        ]
    )


def _spectral_products(window: jax.Array, target: jax.Array, n_fft: int) -> jax.Array:
    x = jnp.fft.rfft(window, n_fft, axis=1)
    y = jnp.conj(jnp.fft.rfft(target, n_fft, axis=1))
    # Sum over tiles, one product per frequency: (n_freqs, n_features, n_columns).
    contract = (((0,), (0,)), ((1,), (1,)))
    return jax.lax.dot_general(x, y, contract, precision="highest")
