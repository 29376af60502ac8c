"""A recording's dSTRF piece by piece, and all measures without holding it."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ..core import check
from ..core.progress import track
from ..signal import Lags
from ..signal._trials import segments, trial_lengths
from ._alignment import shape_change
from ._consensus import consensus
from ._estimate import count_outputs, frames_at
from ._measures import complexity, default_span, gain_change, temporal_hold

__all__ = ["measures", "stream"]

_BLOCK = 200e6  # bytes of the receptive fields that are held at a time
_PIECE = 512  # frames of all members that are held at a time
_MEASURES: dict[str, Callable[[np.ndarray], ArrayLike]] = {
    "complexity": complexity,
    "gain_change": gain_change,
    "temporal_hold": temporal_hold,
    "shape_change": shape_change,
}


def stream(
    apply: Callable,
    variables: Any,
    X: ArrayLike,
    lags: Lags,
    *,
    trial_id: ArrayLike | None = None,
    targets: ArrayLike | None = None,
    n_members: int | None = None,
    quantile: float | None = None,
    mode: str = "auto",
) -> Iterator[np.ndarray]:
    """Compute the dSTRF of a recording piece after piece.

    Parameters
    ----------
    apply, variables, X, lags, trial_id, targets, mode
        As in :func:`estimate`.
    n_members, quantile
        As in :func:`measures`.

    Yields
    ------
    array (n_piece, n_targets, n_lags, n_features)
        The next 512 frames or fewer, in host memory.

    Raises
    ------
    ValueError
        As :func:`estimate` and :func:`measures`.
    """
    X = check.float_array("X", X, ndim=2)
    check.finite("X", X)
    members = [variables] if n_members is None else _members(variables, n_members)
    runs = segments(trial_id, X.shape[0])
    if targets is None:
        shape = (lags.n_lags, X.shape[1])
        targets = np.arange(count_outputs(apply, members[0], shape, X.dtype))
    group = np.asarray(targets, np.int32)
    for times in _pieces(0, X.shape[0]):
        yield _agreed(apply, members, X, lags, runs, times, group, mode, quantile)


def measures(
    apply: Callable,
    variables: Any,
    X: ArrayLike,
    lags: Lags,
    *,
    trial_id: ArrayLike | None = None,
    n_members: int | None = None,
    quantile: float | None = None,
    mode: str = "auto",
    show_progress: bool = False,
) -> dict[str, np.ndarray]:
    """Measure the nonlinearity of every target in every trial.

    The dSTRF is computed for a few targets of one trial at a time, measured, and
    forgotten.

    Parameters
    ----------
    apply : function
        As in :func:`estimate`.
    variables : pytree
        Parameters of the network; with `n_members`, of several, along a leading axis.
    X : array (n_times, n_features)
        Stimulus.
    lags : Lags
        Window that the network sees.
    trial_id : int array (n_times,), optional
        Trial of each sample. Default: one trial.
    n_members : int, optional
        Number of networks whose :func:`consensus` is measured. Default: one network.
    quantile : float, optional
        As in :func:`consensus`.
    mode : str
        As in :func:`estimate`.
    show_progress : bool
        Whether to draw a bar over trials and groups of targets.

    Returns
    -------
    dict of array (n_trials, n_targets)
        "complexity", "gain_change", "temporal_hold" (samples) and "shape_change",
        float64, in the order of the trials.

    Raises
    ------
    ValueError
        If `X` holds NaN, a trial is too short for the longest hold, or as
        :func:`estimate`.

    Notes
    -----
    Memory: 200 MB of receptive fields (at least one target of one trial), four times
    that while shapes are aligned, and beside it the products of
    :func:`complexity`.
    """
    X = check.float_array("X", X, ndim=2)
    check.finite("X", X)
    n_times, n_features = X.shape
    members = [variables] if n_members is None else _members(variables, n_members)
    shape = (lags.n_lags, n_features)
    n_targets = count_outputs(apply, members[0], shape, X.dtype)
    runs = segments(trial_id, n_times)
    lengths = trial_lengths(trial_id, n_times).tolist()
    needed = default_span(lags.n_lags)
    for trial, length in enumerate(lengths):
        if length <= needed:
            raise ValueError(
                f"trial {trial} has {length} time points but a hold of up to {needed} "
                "samples needs more; leave the trial out."
            )
    stops = np.cumsum(lengths).tolist()
    result = {name: np.full((len(lengths), n_targets), np.nan) for name in _MEASURES}
    frame = X.dtype.itemsize * lags.n_lags * n_features
    tasks = [
        (trial, group)
        for trial, length in enumerate(lengths)
        for group in _groups(n_targets, int(_BLOCK // (length * frame)))
    ]
    for trial, group in track(tasks, show=show_progress, desc="dSTRF"):
        start, stop = stops[trial] - lengths[trial], stops[trial]
        frames = np.empty((stop - start, group.size, *shape), X.dtype)
        for times in _pieces(start, stop):
            frames[times - start] = _agreed(
                apply, members, X, lags, runs, times, group, mode, quantile
            )
        for name, measure in _MEASURES.items():
            result[name][trial, group] = measure(frames)
        del frames  # before the next ones are made
    return result


def _agreed(
    apply: Callable,
    members: list,
    X: jax.Array,
    lags: Lags,
    runs: Any,
    times: np.ndarray,
    group: np.ndarray,
    mode: str,
    quantile: float | None,
) -> np.ndarray:
    """Consensus of the members at some times for some targets."""
    each = [
        frames_at(
            apply,
            variables,
            X,
            runs,
            times,
            jnp.asarray(group),
            lags=lags,
            mode=mode,
            chunk_size=None,
        )
        for variables in members
    ]
    if len(each) == 1 and quantile is None:
        return np.asarray(each[0])
    return np.asarray(consensus(jnp.stack(each), quantile=quantile))


def _members(variables: Any, n: int) -> list:
    sizes = {np.shape(leaf)[:1] for leaf in jax.tree.leaves(variables)}
    if sizes != {(n,)}:
        raise ValueError(
            f"n_members is {n} but the leading axes of variables have the lengths "
            f"{sorted(size[0] if size else 0 for size in sizes)}."
        )
    return [jax.tree.map(lambda leaf, k=k: leaf[k], variables) for k in range(n)]


def _groups(n_targets: int, size: int) -> list[np.ndarray]:
    """Targets in groups of nearly equal size."""
    n_groups = -(-n_targets // max(size, 1))
    return np.array_split(np.arange(n_targets, dtype=np.int32), n_groups)


def _pieces(start: int, stop: int) -> list[np.ndarray]:
    edges = range(start, stop, _PIECE)
    return [np.arange(a, min(a + _PIECE, stop), dtype=np.int32) for a in edges]
