"""Batches for training, gathered from memory or from disk as they are needed."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike

from ..core import check
from ..signal import Lags
from ..signal._trials import trial_lengths

__all__ = ["Batch", "Samples"]

Batch = tuple[Any, np.ndarray, np.ndarray]  # stimuli, responses, weights


class Samples:
    """Stimuli and responses, as samples, lag windows or whole trials.

    Nothing is read until a batch asks for it; a memory map stays on disk.

    Parameters
    ----------
    X : array (n_samples, ...) or dict of these
        Stimuli; integers of 8 bits are images from 0 to 255 and become 0 to 1.
    Y : array (n_samples, n_targets)
        Responses; NaN where missing.
    lags : Lags, optional
        A sample is then the window of `X` around it.
    trial_id : int array (n_samples,), optional
        Trial of each sample. Without `lags`, trials are the samples.
    sample_weight : array (n_samples,) or (n_samples, n_targets), optional
        What each response counts.
    dtype : dtype
        Float of what comes out.

    Raises
    ------
    ValueError
        If lengths or shapes disagree.
    """

    def __init__(
        self,
        X: Any,
        Y: ArrayLike,
        *,
        lags: Lags | None = None,
        trial_id: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        dtype: np.dtype,
    ) -> None:
        check.has_ndim("Y", Y, 2)
        self.dtype = np.dtype(dtype)
        self.X = _host(X)
        self.Y = np.asarray(Y) if isinstance(Y, (list, jax.Array)) else Y
        n = check.shape_of(self.Y)[0]
        for name, part in self._parts():
            check.same_length(name, part, "Y", self.Y, "samples")
            if part.dtype == object:
                raise TypeError(
                    f"{name} has dtype object: are images of mixed sizes? Bring them "
                    "to one size first."
                )
        self.weight = None
        if sample_weight is not None:
            weight = np.asarray(sample_weight, self.dtype)
            check.same_length("Y", self.Y, "sample_weight", weight, "samples")
            self.weight = weight if weight.ndim == 2 else weight[:, None]
        self.lags = lags
        lengths = trial_lengths(trial_id, n)
        stop = np.cumsum(lengths)
        self.start, self.stop = stop - lengths, stop
        self.trials = lags is None and trial_id is not None
        self.n_units = lengths.size if self.trials else n
        self._of = np.repeat(np.arange(lengths.size), lengths)

    def _parts(self) -> list[tuple[str, Any]]:
        if isinstance(self.X, Mapping):
            return [(f"X[{name!r}]", part) for name, part in self.X.items()]
        return [("X", self.X)]

    @property
    def n_targets(self) -> int:
        """Number of responses per sample."""
        return check.shape_of(self.Y)[1]

    def units(self, rows: np.ndarray) -> np.ndarray:
        """Turn a selection of samples into one of trials, where trials are the units.

        Parameters
        ----------
        rows : bool array (n_samples,)
            Selected samples; a trial is selected if its first sample is.

        Returns
        -------
        int array (n_units,)
            Numbers of the units.
        """
        return np.flatnonzero(rows[self.start] if self.trials else rows)

    def fetch(self, units: np.ndarray, targets: np.ndarray | None = None) -> Batch:
        """Gather a batch for every member.

        Parameters
        ----------
        units : int array (n_members, batch)
            Samples or trials; -1 is padding of weight 0.
        targets : int array (n_members, n_targets), optional
            Responses of each member. Default: all.

        Returns
        -------
        X : array (n_members, batch, ...) or dict of these
            Stimuli.
        Y, weight : array (n_members, batch, ..., n_targets)
            Responses, 0 where missing, and what each counts.
        """
        real = units >= 0
        if self.trials:
            length = int((self.stop - self.start).max())
            rows = self.start[units][..., None] + np.arange(length)
            real = real[..., None] & (rows < self.stop[units][..., None])
        else:
            rows = units
        rows = np.clip(rows, 0, self.stop[-1] - 1)
        y = np.asarray(_take(self.Y, rows), self.dtype)
        weight = np.isfinite(y) & real[..., None]
        y = np.where(weight, y, 0)
        weight = weight.astype(self.dtype)
        if self.weight is not None:
            weight = weight * self.weight[rows]
        if targets is not None:
            shape = (len(targets),) + (1,) * (y.ndim - 2) + (targets.shape[1],)
            chosen = targets.reshape(shape)
            y, weight = (np.take_along_axis(a, chosen, -1) for a in (y, weight))
        if self.lags is not None:
            x = self._windows(rows)
        else:
            x = jax.tree.map(lambda part: self._float(_take(part, rows)), self.X)
            if self.trials:
                x = x * real[..., None]
        return x, y, weight

    def _windows(self, rows: np.ndarray) -> np.ndarray:
        assert self.lags is not None
        source = rows[..., None] - self.lags.samples
        of = self._of[rows][..., None]
        inside = (source >= self.start[of]) & (source < self.stop[of])
        x = self._float(_take(self.X, np.clip(source, 0, self.stop[-1] - 1)))
        return np.where(inside[..., None], x, 0)

    def _float(self, x: np.ndarray) -> np.ndarray:
        scale = 255 if x.dtype == np.uint8 else 1
        x = np.asarray(x, self.dtype)
        return x / x.dtype.type(scale) if scale > 1 else x


def _host(X: Any) -> Any:
    """Arrays in host memory or on disk; those of JAX are only looked at on a CPU."""
    if isinstance(X, Mapping):
        return {name: _host(part) for name, part in X.items()}
    return X if isinstance(X, np.ndarray) or hasattr(X, "chunks") else np.asarray(X)


def _take(source: Any, rows: np.ndarray) -> np.ndarray:
    """Read rows in any order; files want them ascending and once."""
    if isinstance(source, np.ndarray):
        return np.asarray(source[rows])
    unique, place = np.unique(rows, return_inverse=True)
    return np.asarray(source[unique])[place.reshape(rows.shape)]
