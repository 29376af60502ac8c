"""The dSTRF of fitted networks: in memory, on disk, measured."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from .. import dstrf
from ..signal import Lags
from ._base import Data, check_trials, precision, predictors

__all__ = ["Frames"]


class Frames:
    """What an estimator of several causal networks knows about its dSTRF."""

    dtype: str
    show_progress: bool
    fit_: Callable
    variables_: Any
    left_out_: list[tuple[int, ...]]
    fold_id_: np.ndarray
    lags_: Lags

    def estimate(
        self, X: Data, *, held_out: bool = False, quantile: float | None = None
    ) -> Any:
        """Compute the dSTRF on which the networks agree.

        Parameters
        ----------
        X : array (n_times, n_features), or list of these
            Spectrograms.
        held_out : bool
            As in :meth:`predict`.
        quantile : float, optional
            Share of the networks that must agree on a sign, as in
            :func:`jaxneuro.dstrf.consensus`.

        Returns
        -------
        array (n_times, n_targets, n_lags, n_features), or list of these
            Lags ascending. It is long: see :meth:`save` and :meth:`measures`.

        Raises
        ------
        ValueError
            As :meth:`predict`, or if `quantile` is outside (0.5, 1].
        """
        trials, listed = self._spectrograms(X)
        found = []
        for x, chosen in zip(trials, self._choose(trials, held_out), strict=True):
            found.append(np.concatenate(list(self._pieces(x, chosen, quantile))))
        return found if listed else found[0]

    def save(
        self,
        X: Data,
        folder: str | os.PathLike,
        *,
        held_out: bool = False,
        quantile: float | None = None,
        dtype: str = "float16",
    ) -> list[Path]:
        """Write the dSTRF of each trial to disk, without holding one in memory.

        Parameters
        ----------
        X, held_out, quantile
            As in :meth:`estimate`.
        folder : path
            Gets ``dstrf-000.npy`` and so on; files that exist stay as they are.
        dtype : str
            Float of the files.

        Returns
        -------
        list of Path
            Files, which ``numpy.load(path, mmap_mode="r")`` opens.

        Raises
        ------
        ValueError
            As :meth:`estimate`.
        """
        trials, _ = self._spectrograms(X)
        folder, paths = Path(folder), []
        folder.mkdir(parents=True, exist_ok=True)
        for index, chosen in enumerate(self._choose(trials, held_out)):
            paths.append(folder / f"dstrf-{index:03d}.npy")
            if paths[-1].exists():
                continue
            part, at, file = paths[-1].with_suffix(".part"), 0, None
            for piece in self._pieces(trials[index], chosen, quantile):
                if file is None:
                    shape = (len(trials[index]), *piece.shape[1:])
                    file = np.lib.format.open_memmap(part, "w+", dtype, shape)
                file[at : at + len(piece)] = piece
                at += len(piece)
            del file  # writes what is left
            part.replace(paths[-1])
        return paths

    def measures(
        self, X: Data, *, held_out: bool = False, quantile: float | None = None
    ) -> dict[str, np.ndarray]:
        """Measure the nonlinearity of every target in every trial.

        Parameters
        ----------
        X, held_out, quantile
            As in :meth:`estimate`.

        Returns
        -------
        dict of array (n_trials, n_targets)
            As :func:`jaxneuro.dstrf.measures`, which never holds a dSTRF whole.

        Raises
        ------
        ValueError
            As :meth:`estimate`, or if a trial is too short for the longest hold.
        """
        trials, _ = self._spectrograms(X)
        found = []
        with precision(self.dtype):
            for x, chosen in zip(trials, self._choose(trials, held_out), strict=True):
                found.append(
                    dstrf.measures(
                        self.fit_,
                        self._members(chosen),
                        np.asarray(x, self.dtype),
                        self.lags_,
                        n_members=chosen.size,
                        quantile=quantile,
                        show_progress=self.show_progress,
                    )
                )
        return {name: np.concatenate([d[name] for d in found]) for name in found[0]}

    def _spectrograms(self, X: Data) -> tuple[list, bool]:
        check_is_fitted(self, "variables_")
        trials, listed = predictors(self, X)
        check_trials("X", trials)
        return trials, listed

    def _choose(self, trials: list, held_out: bool) -> list[np.ndarray]:
        """Networks for each trial."""
        if not held_out:
            return [np.arange(len(self.left_out_))] * len(trials)
        if len(trials) != len(self.fold_id_):
            raise ValueError(
                f"X has {len(trials)} trials but the fit had {len(self.fold_id_)}; "
                "held_out takes the trials of the fit in their order."
            )
        chosen = []
        for trial, fold in enumerate(self.fold_id_):
            unseen = [k for k, one in enumerate(self.left_out_) if fold in one]
            if not unseen:
                raise ValueError(
                    f"no network has left out trial {trial}; fit with leave_out='one' "
                    "or 'two', or give held_out=False."
                )
            chosen.append(np.array(unseen))
        return chosen

    def _members(self, chosen: np.ndarray) -> Any:
        return jax.tree.map(lambda leaf: leaf[chosen], self.variables_)

    def _pieces(
        self, x: ArrayLike, chosen: np.ndarray, quantile: float | None
    ) -> Iterator[np.ndarray]:
        with precision(self.dtype):
            yield from dstrf.stream(
                self.fit_,
                self._members(chosen),
                np.asarray(x, self.dtype),
                self.lags_,
                n_members=chosen.size,
                quantile=quantile,
            )
