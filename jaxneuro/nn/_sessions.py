"""Several recording sessions as one set of samples, read where it lies."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike

from ..core import check

__all__ = ["join_sessions"]


def join_sessions(
    sessions: Mapping[str, tuple[ArrayLike, ArrayLike]],
) -> tuple["_Joined", "_Joined"]:
    """Join the stimuli and responses of sessions, to train one core on all of them.

    Batches then mix the sessions, so that each step follows the sum of their
    gradients; responses to what another session showed are missing. Train an
    :class:`Encoder` whose readouts have the same names in the same order; it predicts
    all sessions side by side, and ``apply.session(name)`` one of them.

    Parameters
    ----------
    sessions : dict of (X, Y)
        Stimuli ``(n_samples, ...)``, of one shape in all sessions, and responses
        ``(n_samples, n_targets)``. Memory maps stay on disk, and nothing is copied.

    Returns
    -------
    X, Y
        What :func:`train` and :func:`train_ensemble` take: samples and targets are
        those of all sessions, one after the other.

    Raises
    ------
    ValueError
        If stimuli differ in shape or type, or lengths disagree.

    References
    ----------
    .. [1] Lurz et al., ICLR 2021, doi:10.1101/2020.10.05.326256.
    """
    if not sessions:
        raise ValueError("sessions is empty; give one pair (X, Y) or more.")
    pairs = {name: tuple(map(_source, pair)) for name, pair in sessions.items()}
    first = next(iter(pairs))
    for name, (X, Y) in pairs.items():
        check.has_ndim(f"Y of {name!r}", Y, 2)
        check.same_length(f"X of {name!r}", X, f"Y of {name!r}", Y, "samples")
        here, there = ((x.shape[1:], x.dtype) for x in (X, pairs[first][0]))
        if here != there:
            raise ValueError(
                f"X of {name!r} has stimuli of shape {here[0]} and dtype {here[1]} but "
                f"those of {first!r} have {there[0]} and {there[1]}; bring them to one."
            )
    stimuli, responses = zip(*pairs.values(), strict=True)
    return _Joined(stimuli), _Joined(responses, side_by_side=True)


class _Joined:
    """Arrays one below the other, or along a diagonal with NaN beside them."""

    chunks = None  # read like a file: by ascending rows

    def __init__(self, parts: tuple, side_by_side: bool = False) -> None:
        self.parts, self.side_by_side = parts, side_by_side
        self.start = np.cumsum([0, *(len(part) for part in parts)])
        inner = parts[0].shape[1:]
        if side_by_side:
            self.columns = np.cumsum([0, *(part.shape[1] for part in parts)])
            inner = (int(self.columns[-1]),)
        self.shape = (int(self.start[-1]), *inner)
        self.ndim = len(self.shape)
        self.dtype = np.dtype(np.result_type(*(part.dtype for part in parts)))
        if side_by_side and self.dtype.kind != "f":
            self.dtype = np.dtype(np.float32)  # counts, with NaN beside them

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        rows = np.arange(len(self))[rows]
        out = np.empty((rows.size, *self.shape[1:]), self.dtype)
        if self.side_by_side:
            out[:] = np.nan
        for index, part in enumerate(self.parts):
            here = (rows >= self.start[index]) & (rows < self.start[index + 1])
            columns = slice(None)
            if self.side_by_side:
                columns = slice(*self.columns[index : index + 2])
            if here.any():
                out[here, columns] = part[rows[here] - self.start[index]]
        return out


def _source(x: ArrayLike) -> Any:
    return np.asarray(x) if isinstance(x, (list, jax.Array)) else x
