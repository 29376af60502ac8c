"""Encoders of sounds whose receptive field is known at every moment."""

import os
from collections.abc import Sequence
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin

from .. import nn
from ..core import check, score
from ..core.members import over_members
from ..signal import Lags
from ._base import (
    Data,
    Prepared,
    as_trials,
    check_pairs,
    precision,
    prepare,
)
from ._causal_networks import Deep, Linear, fit_deep, fit_linear
from ._dstrf_frames import Frames
from ._shelf import Shelf

__all__ = ["DSTRF"]

_LENGTH = 1024  # samples; trials are padded to a multiple of it


class DSTRF(Frames, MultiOutputMixin, RegressorMixin, BaseEstimator):
    """Deep encoders of spectrograms, and their receptive field at every moment.

    The defaults are those of the DSTRF toolbox [1]_: five causal layers of 128
    channels and five taps that see 65 samples, rectified and without constants.

    Parameters
    ----------
    sfreq : float
        Samples per second, in hertz.
    network : {"deep", "linear"}
        "linear" is the exact minimum of the same objective without hidden layers.
    hidden : sequence of int
        Channels of each layer.
    kernel_size : int
        Taps of each layer.
    dilations : sequence of int
        Samples from tap to tap, one per layer; with `kernel_size` they make the
        receptive field, of linear networks too.
    leave_out : {"none", "one", "two"}
        Which folds a network does not see: none, each one (cross-validation or
        jackknife), each pair (both).
    n_seeds : int
        Networks per set of folds left out.
    n_epochs, batch_size : int
        Passes over the trials, and trials per step.
    learning_rate : float
        Of rectified Adam; it falls by 0.4 % per epoch.
    weight_decay : float, optional
        Half of it times the squared weights is added to the mean squared error.
        Default: 0.03 for deep and 30 for linear networks.
    folder : path, optional
        Where networks are kept, one file per set such as ``model-003_012.npz``. What
        exists is not trained again; files ``.pt`` of the toolbox are read as well. A
        training that was killed continues.
    random_state : int
        Seed.
    dtype : {"float32", "float64"}
        Arithmetic.
    show_progress : bool
        Whether to draw bars.

    Attributes
    ----------
    fit_ : function
        ``apply`` of all networks, as :func:`jaxneuro.dstrf.estimate` takes it.
    variables_ : dict of array (n_networks, ...)
        Parameters, in the units of the data.
    left_out_ : list of tuple of int
        Folds that each network has not seen.
    fold_id_ : int array (n_trials,)
        Fold of each trial.
    train_loss_ : array (n_trained, n_epochs)
        Losses of networks that were trained in this fit, in variances of the responses.
    lags_ : Lags
        Window.
    n_features_in_ : int
        Bands.

    References
    ----------
    .. [1] Keshishian et al., eLife, 2020, doi:10.7554/eLife.53445; naplab/DSTRF.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> spec = [rng.random((60, 4)) for _ in range(3)]
    >>> resp = [x[:, :2] for x in spec]
    >>> model = DSTRF(hidden=(3,), kernel_size=2, dilations=(1,), n_epochs=2)
    >>> model = model.set_params(leave_out="one").fit(spec, resp)
    >>> model.score_targets(spec, resp).shape
    (3, 2)
    >>> model.estimate(spec[0]).shape
    (60, 2, 2, 4)
    """

    def __init__(
        self,
        sfreq: float = 100.0,
        *,
        network: str = "deep",
        hidden: Sequence[int] = (128, 128, 128, 128, 128),
        kernel_size: int = 5,
        dilations: Sequence[int] = (1, 1, 2, 4, 8),
        leave_out: str = "none",
        n_seeds: int = 1,
        n_epochs: int = 1000,
        batch_size: int = 64,
        learning_rate: float = 0.003,
        weight_decay: float | None = None,
        folder: str | os.PathLike | None = None,
        random_state: int = 0,
        dtype: str = "float32",
        show_progress: bool = False,
    ) -> None:
        self.sfreq = sfreq
        self.network = network
        self.hidden = hidden
        self.kernel_size = kernel_size
        self.dilations = dilations
        self.leave_out = leave_out
        self.n_seeds = n_seeds
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.folder = folder
        self.random_state = random_state
        self.dtype = dtype
        self.show_progress = show_progress

    def fit(self, X: Data, y: Data, fold_id: ArrayLike | None = None) -> "DSTRF":
        """Train the networks that do not exist yet, all of them together.

        Parameters
        ----------
        X, y : list of array (n_times_i, n_features) and (n_times_i, n_targets)
            Spectrograms and responses, one per trial.
        fold_id : int array (n_trials,), optional
            Trials of equal number are left out together. Default: each by itself.

        Returns
        -------
        DSTRF
            This estimator.

        Raises
        ------
        ValueError, TypeError
            If shapes, values or options are wrong, a trial is shorter than the
            receptive field, or `folder` holds networks of other data.
        """
        check.choice("network", self.network, ("deep", "linear"))
        check.choice("leave_out", self.leave_out, ("none", "one", "two"))
        if len(self.hidden) != len(self.dilations):
            raise ValueError(
                f"dilations has {len(self.dilations)} entries but hidden has "
                f"{len(self.hidden)}; give one per layer."
            )
        n_lags = 1 + (self.kernel_size - 1) * sum(self.dilations)
        with precision(self.dtype):
            data = prepare(self, X, y, None, n_lags=n_lags)
            self.lags_ = Lags(0.0, (n_lags - 1) / self.sfreq, self.sfreq)
            n_trials = int(data.trial_id[-1]) + 1
            folds = np.arange(n_trials) if fold_id is None else np.asarray(fold_id)
            if folds.shape != (n_trials,):
                raise ValueError(
                    f"fold_id has shape {folds.shape} but must be ({n_trials},): one "
                    "number per trial."
                )
            self.fold_id_ = folds
            sets = _sets(np.unique(folds).tolist(), self.leave_out)
            found = self._trained(data, sets)
            self.variables_ = jax.tree.map(
                lambda *parts: jnp.concatenate(parts), *found
            )
        self.left_out_ = [one for one in sets for _ in range(self.n_seeds)]
        return self

    def predict(self, X: Data, *, held_out: bool = False) -> Any:
        """Predict responses, averaged over networks.

        Parameters
        ----------
        X : array (n_times, n_features), or list of these
            Spectrograms.
        held_out : bool
            Whether `X` holds the trials of the fit: each is predicted by the networks
            that have not seen it.

        Returns
        -------
        array (n_times, n_targets), or list of these
            Responses.

        Raises
        ------
        ValueError
            If `X` has other bands or holds NaN, or a trial was seen by all networks.
        """
        trials, listed = self._spectrograms(X)
        found = [
            self._each(x, chosen).mean(0)
            for x, chosen in zip(trials, self._choose(trials, held_out), strict=True)
        ]
        return found if listed else found[0]

    def score(self, X: Data, y: Data) -> float:
        """Mean R2 over targets, of all trials together.

        Parameters
        ----------
        X, y : list of array (n_times_i, n_features) and (n_times_i, n_targets)
            Spectrograms and responses.

        Returns
        -------
        float
            Targets whose R2 is undefined do not count.
        """
        guess, _ = as_trials("X", self.predict(X))
        true, _ = as_trials("y", y)
        check_pairs("X", guess, "y", true)
        pair = (
            np.concatenate(true).reshape(-1, guess[0].shape[1]),
            np.concatenate(guess),
        )
        return float(np.nanmean(np.asarray(score.r2(*map(np.float32, pair)))))

    def score_targets(
        self,
        X: Data,
        y: Data,
        *,
        held_out: bool | None = None,
        average: str = "prediction",
    ) -> np.ndarray:
        """Correlate predicted with measured responses.

        Parameters
        ----------
        X, y : list of array (n_times_i, n_features) and (n_times_i, n_targets)
            Spectrograms and responses.
        held_out : bool, optional
            As in :meth:`predict`. Default: whether networks have left trials out.
        average : {"prediction", "score"}
            Correlate the mean prediction of the networks, or average their
            correlations.

        Returns
        -------
        array (n_trials, n_targets)
            NaN where undefined.

        Raises
        ------
        ValueError
            As :meth:`predict`, or if shapes disagree.
        """
        check.choice("average", average, ("prediction", "score"))
        trials, _ = self._spectrograms(X)
        measured, _ = as_trials("y", y)
        check_pairs("X", trials, "y", measured)
        held_out = self.leave_out != "none" if held_out is None else held_out
        result = []
        with precision(self.dtype):
            for x, true, chosen in zip(
                trials, measured, self._choose(trials, held_out), strict=True
            ):
                guess = self._each(x, chosen)
                true = np.asarray(true, self.dtype).reshape(guess.shape[1:])
                if average == "prediction":
                    guess = guess.mean(0, keepdims=True)
                r = [np.asarray(score.correlation(true, one)) for one in guess]
                result.append(np.mean(r, axis=0))
        return np.stack(result)

    def _each(self, x: ArrayLike, chosen: np.ndarray) -> np.ndarray:
        """Predictions (n_networks, n_times, n_targets) of one trial."""
        x = np.asarray(x, self.dtype)
        # Silence after the end changes nothing before it, and few lengths compile.
        padded = np.pad(x, ((0, -len(x) % _LENGTH), (0, 0)))[None]
        with precision(self.dtype):
            found = _predict(self.fit_, self._members(chosen), padded)
            return np.asarray(found)[:, 0, : len(x)]

    def _trained(self, data: Prepared, sets: list[tuple[int, ...]]) -> list[Any]:
        """Variables of each set (n_seeds, ...), read or trained."""
        build = Deep(
            tuple(self.hidden),
            self.kernel_size,
            tuple(self.dilations),
            self.lags_.n_lags,
            data.X.shape[1],
            data.Y.shape[1],
        )
        deep = self.network == "deep"
        self.fit_, one = nn.functional(build(0)) if deep else (Linear(), build.linear())
        shelf = Shelf(self, data, one)
        found = [shelf.read(names) for names in sets]
        missing = [k for k, tree in enumerate(found) if tree is None]
        if missing:
            keys = jax.random.split(
                jax.random.key(self.random_state), (len(sets), self.n_seeds)
            )
            train = self._train_deep if deep else self._train_linear
            chosen = [sets[k] for k in missing]
            new = train(data, build, chosen, keys[np.array(missing)], shelf.checkpoint)
            for k, tree in zip(missing, new, strict=True):
                found[k] = tree
                shelf.write(sets[k], tree)
            shelf.forget_checkpoint()
        return found

    def _train_deep(
        self,
        data: Prepared,
        build: Deep,
        sets: list[tuple[int, ...]],
        keys: jax.Array,
        checkpoint: Path | None,
    ) -> list[Any]:
        variables, self.train_loss_ = fit_deep(
            build,
            data.X,
            data.Y,
            data.trial_id,
            self.fold_id_[data.trial_id],
            [names for names in sets for _ in range(self.n_seeds)],
            keys.reshape(-1),
            learning_rate=self.learning_rate,
            weight_decay=0.03 if self.weight_decay is None else self.weight_decay,
            n_epochs=self.n_epochs,
            batch_size=self.batch_size,
            checkpoint=checkpoint,
            show_progress=self.show_progress,
        )
        rows = np.arange(keys.size).reshape(keys.shape)
        return [jax.tree.map(lambda leaf, r=r: leaf[r], variables) for r in rows]

    def _train_linear(
        self, data: Prepared, _: Deep, sets: list[tuple[int, ...]], *__: object
    ) -> list[Any]:
        decay = 30.0 if self.weight_decay is None else self.weight_decay
        fold = self.fold_id_[data.trial_id]
        found = []
        for names in sets:
            seen = ~np.isin(fold, names)
            X, Y, trial_id = data.X[seen], data.Y[seen], data.trial_id[seen]
            one = fit_linear(X, Y, self.lags_, trial_id, decay)
            found.append(
                jax.tree.map(lambda leaf: jnp.stack([leaf] * self.n_seeds), one)
            )
        return found


@partial(jax.jit, static_argnums=0)
def _predict(apply: Any, members: Any, x: jax.Array) -> jax.Array:
    return over_members(lambda one: apply.sequence(one, x), members)


def _sets(folds: list[int], leave_out: str) -> list[tuple[int, ...]]:
    """Folds that each network does not see."""
    if leave_out == "none":
        return [()]
    size = 1 if leave_out == "one" else 2
    if len(folds) <= size:
        raise ValueError(
            f"X has {len(folds)} folds but leave_out is {leave_out!r}, which needs "
            f"{size + 1} or more."
        )
    return list(combinations(folds, size))
