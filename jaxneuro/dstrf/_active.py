"""Frames of networks many of whose units are off at a time, on a CPU."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core.batch import aligned
from ..signal import Lags
from ..signal._trials import Segments
from ._samples import Plan, add_ways, plan_stack, products, slopes, upper

__all__ = ["active_frames"]

_BYTES = 18e6  # of a block's products of the lowest layers, the largest array in it
_BLOCK = 64  # samples: lengths are multiples, for fewer programs; the longest block
_TARGETS = 128  # whose derivatives are held together
_PARTS = 16  # of a layer: as many units are taken as are in some of them
_WORTH = 1e10  # multiplications: fewer are not worth another program
_GAIN = 0.75  # of the multiplications, at most, is a gain


def active_frames(
    apply: Any,
    variables: Any,
    X: jax.Array,
    runs: Segments,
    chosen: jax.Array,
    times: np.ndarray,
    *,
    lags: Lags,
) -> tuple[np.ndarray | None, np.ndarray]:
    """Compute the frames where so few units are active that it is a gain.

    Parameters
    ----------
    apply, variables, X, runs, chosen, times, lags
        As :func:`frames_at` takes them; nothing is traced.

    Returns
    -------
    out : array (n_frames, n_chosen, n_lags, n_features), or None
        In host memory; None where no frame is computed.
    left : int array
        The frames that are not.
    """
    plan = plan_stack(apply, variables, lags)
    if plan is None:
        return None, np.arange(times.size)
    out, left = None, np.ones(times.size, bool)
    first, targets = np.asarray(runs.start)[times], np.arange(chosen.size)
    for at in _consecutive(times, first):
        n_frames, width = at.stop - at.start, plan.shapes[1][2]
        if not _gains(plan, n_frames, chosen.size, width // 4):  # at best
            continue
        stimulus = _stimulus(X, int(first[at.start]), times[at], plan)
        known = slopes(apply, variables, stimulus)
        active = np.asarray(known[1]) != 0
        part = -(-width // _PARTS)
        n_units = min(max(-(-int(active.sum(1).max()) // part), 1) * part, width)
        if not _gains(plan, n_frames, chosen.size, n_units):
            continue
        if out is None:
            shape = times.size, chosen.size, lags.n_lags, X.shape[1]
            out = aligned(shape, X.dtype, small_pages=True)
        # The active units first.
        units = np.argsort(~active, axis=1, kind="stable")[:, :n_units]
        # Before a trial all of them are off, if layers have no bias.
        wake = int(active.any(1).argmax()) if active.any() else len(active)
        given = known, jnp.asarray(units.astype(np.int32)), plan, n_frames, wake
        for group in np.array_split(targets, -(-targets.size // _TARGETS)):
            blocks = _blocks(apply, variables, chosen[group], *given)
            _place(out[at, group[0] : group[-1] + 1], blocks, -lags.first, plan)
        left[at] = False
    return out, np.flatnonzero(left)


def _gains(plan: Plan, n_frames: int, n_targets: int, n_units: int) -> bool:
    by_frames, by_samples = plan.count(n_frames, n_targets, n_units)
    return by_frames > _WORTH and by_samples < _GAIN * by_frames


def _consecutive(times: np.ndarray, first: np.ndarray) -> Iterator[slice]:
    """Split frames where their times jump or another trial begins."""
    jump = (np.diff(times) != 1) | (np.diff(first) != 0)
    edges = [0, *(np.flatnonzero(jump) + 1).tolist(), times.size]
    return (slice(a, b) for a, b in pairwise(edges) if b > a)


def _lead(plan: Plan) -> int:
    """Hold before the first frame twice what it sees, and a block."""
    return 2 * plan.seen + _BLOCK


def _stimulus(X: jax.Array, first: int, times: np.ndarray, plan: Plan) -> np.ndarray:
    """Stimulus of consecutive times and before them, zero before the trial begins."""
    start, stop, lead = int(times[0]), int(times[-1]) + 1, _lead(plan)
    low = max(first, start - lead)
    n_blocks = -(-(stop - start) // _BLOCK) + 1
    rows = np.zeros((lead + n_blocks * _BLOCK, X.shape[1]), X.dtype)
    rows[lead - start + low : lead - start + stop] = np.asarray(X)[low:stop]
    return rows


def _blocks(
    apply: Any,
    variables: Any,
    chosen: jax.Array,
    known: tuple[jax.Array, jax.Array, jax.Array],
    units: jax.Array,
    plan: Plan,
    n_frames: int,
    wake: int,
) -> Iterator[tuple[int, Sequence[jax.Array]]]:
    """Yield samples from the first frame on, and frames' derivatives by each.

    The latest block of samples comes first, since others need its products.
    """
    (_, n_in, _), _, (n_taps, _, n_top) = plan.shapes[:3]
    low, middle, top = plan.reach
    *slope, drive = known
    zeros = partial(jnp.zeros, dtype=drive.dtype)
    silent = zeros((plan.n_ages[1], chosen.size, len(plan.low), n_in))
    size = min(max(int(_BYTES // silent.nbytes), 1), _BLOCK)
    beyond = zeros((size, plan.n_ages[2], chosen.size, n_top))
    above = (beyond,) * (-(-top // size) + 1)
    between = (zeros((plan.n_ages[2], chosen.size, n_taps, units.shape[1])),) * middle
    below = (silent,) * low
    start = _lead(plan)
    last = start + -(-n_frames // size) * size - size
    for at in range(last, start - plan.seen - size, -size):
        new = [silent] * size
        if at + size > wake:
            given = drive, chosen, at, size, plan
            framed = at + size > start
            above = (
                upper(apply, variables, *given) if framed else beyond,
                *above[:-1],
            )
            found = products(
                apply, variables, (*slope, units), above, between, at, plan
            )
            between, new = (*found[0], *between)[:middle], found[1]
        yield at - start, add_ways((*new, *below), plan)
        below = (*new, *below)[:low]


def _place(
    out: np.ndarray,
    blocks: Iterator[tuple[int, Sequence[jax.Array]]],
    now: int,
    plan: Plan,
) -> None:
    """Put derivatives by samples of the stimulus into the frames that see them.

    While a block is put there, the next one is computed.
    """
    out[:, :, :now] = 0
    out[:, :, now + plan.seen + 1 :] = 0
    stride, (n_frames, n_targets, _, n_in) = plan.steps[0], out.shape
    by_frame, by_target, by_lag, by_channel = out.strides
    strides = stride * (by_frame + by_lag), by_target, by_channel
    for (start, parts), _ in pairwise(chain(blocks, [(0, ())])):
        for i, part in enumerate(parts):
            # Age `first + stride * k` in the frame `sample + first + stride * k`.
            sample, first = start + i // stride, i % stride
            low = max(-((sample + first) // stride), 0)
            age = first + stride * low
            n = (min(n_frames - sample, plan.seen + 1) - age - 1) // stride + 1
            if n > 0:
                there = np.lib.stride_tricks.as_strided(
                    out[sample + age :, :, now + age :], (n, n_targets, n_in), strides
                )
                there[...] = np.asarray(part)[low : low + n]
