"""A convolutional encoder as a scikit-learn estimator."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from .. import nn
from ..core import check, score
from ..core.members import over_members
from ..signal import Lags
from ._base import precision

__all__ = ["CNNEncoder"]

_READOUTS = {
    "gaussian": nn.GaussianReadout,
    "factorized": nn.FactorizedReadout,
    "pyramid": nn.PyramidReadout,
    "dense": nn.DenseReadout,
}
_CHUNK = 256  # stimuli predicted at a time


class CNNEncoder(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """Responses from images, or from a spectrogram, by a convolutional network.

    One core is shared by all targets. Several members, each with a seed and a
    held-out part of its own, are averaged.

    Parameters
    ----------
    features : sequence of int
        Feature maps, or channels, of each layer.
    kernel_sizes : int or sequence of int
        Sides of the kernels; for spectrograms one number, the taps of all layers.
    pooling : int or sequence of int
        Side of the squares averaged in each layer. Images only.
    readout : {"gaussian", "factorized", "pyramid", "dense"}
        How a target reads the features of images; spectrograms have "dense".
    output : {"elu1", "softplus", "identity"}
        What the responses pass through at the end.
    lags : Lags, optional
        Window of a spectrogram ``(n_times, n_features)``. Default: ``X`` is images.
    loss : {"poisson", "gaussian", "correlation"}
        What is made small.
    laplace, group_sparsity, readout_l1, readout_laplace : float
        Strengths of the terms of :class:`jaxneuro.nn.Penalty`.
    n_members : int
        Networks to average.
    n_epochs, batch_size, patience : int
        At most so many epochs, samples per step, and epochs without improvement of
        the held-out correlation before training stops.
    n_decays : int
        How often the rate is lowered before.
    validation : float
        Share of the samples on which a member stops.
    random_state : int
        Seed.
    dtype : {"float32", "float64"}
        Arithmetic.
    show_progress : bool
        Whether to draw a bar with the losses.

    Attributes
    ----------
    fit_ : nn.TrainResult
        The networks; ``fit_.apply`` and ``fit_.variables`` are what dSTRF and MEI
        take, with a leading member axis.
    mean_, scale_ : float
        By which stimuli are standardised.
    shape_ : tuple of int
        One stimulus as the network sees it.
    n_features_in_ : int
        Values of one stimulus.

    References
    ----------
    .. [1] Lurz et al., ICLR 2021, doi:10.1101/2020.10.05.326256.

    Examples
    --------
    >>> images = np.random.default_rng(0).random((40, 8, 9), dtype=np.float32)
    >>> model = CNNEncoder((4,), n_epochs=1).fit(images, images[:, 2:4, 3])
    >>> model.predict(images[:5]).shape
    (5, 2)
    """

    def __init__(
        self,
        features: Sequence[int] = (32, 32, 32),
        *,
        kernel_sizes: int | Sequence[int] = (5, 3),
        pooling: int | Sequence[int] = (2,),
        readout: str = "gaussian",
        output: str = "elu1",
        lags: Lags | None = None,
        loss: str = "poisson",
        laplace: float = 0.1,
        group_sparsity: float = 0.0,
        readout_l1: float = 1e-4,
        readout_laplace: float = 0.0,
        n_members: int = 1,
        n_epochs: int = 100,
        batch_size: int = 64,
        patience: int = 10,
        n_decays: int = 2,
        validation: float = 0.15,
        random_state: int = 0,
        dtype: str = "float32",
        show_progress: bool = False,
    ) -> None:
        self.features = features
        self.kernel_sizes = kernel_sizes
        self.pooling = pooling
        self.readout = readout
        self.output = output
        self.lags = lags
        self.loss = loss
        self.laplace = laplace
        self.group_sparsity = group_sparsity
        self.readout_l1 = readout_l1
        self.readout_laplace = readout_laplace
        self.n_members = n_members
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.patience = patience
        self.n_decays = n_decays
        self.validation = validation
        self.random_state = random_state
        self.dtype = dtype
        self.show_progress = show_progress

    def fit(
        self, X: ArrayLike, y: ArrayLike, trial_id: ArrayLike | None = None
    ) -> "CNNEncoder":
        """Train the networks.

        Parameters
        ----------
        X : array (n_samples, height, width[, channels]) or (n_times, n_features)
            Images, or a spectrogram where `lags` is given.
        y : array (n_samples, n_targets)
            Responses; NaN where missing.
        trial_id : int array (n_times,), optional
            Trial of each sample of a spectrogram. Default: one trial.

        Returns
        -------
        CNNEncoder
            This estimator.

        Raises
        ------
        ValueError, TypeError
            If shapes, values or options are wrong.
        """
        check.choice("readout", self.readout, tuple(_READOUTS))
        stimuli = self._stimuli(X)
        y = np.asarray(y, self.dtype)
        y = y[:, None] if y.ndim == 1 else y
        check.same_length("X", stimuli, "y", y, "samples")
        self.bytes_ = np.asarray(X).dtype == np.uint8
        self.mean_, self.scale_ = float(stimuli.mean()), float(stimuli.std()) or 1.0
        self.shape_ = stimuli.shape[1:]
        if self.lags is not None:
            self.shape_ = (self.lags.n_lags, *self.shape_)
        self.n_features_in_ = int(np.prod(stimuli.shape[1:]))
        with precision(self.dtype):
            self._train(self._scaled(stimuli), y, trial_id)
        return self

    def predict(self, X: ArrayLike, trial_id: ArrayLike | None = None) -> np.ndarray:
        """Predict responses, averaged over members.

        Parameters
        ----------
        X : array (n_samples, height, width[, channels]) or (n_times, n_features)
            Stimuli like those of the fit, in the same range.
        trial_id : int array (n_times,), optional
            As in :meth:`fit`.

        Returns
        -------
        array (n_samples, n_targets)
            Responses.

        Raises
        ------
        ValueError
            If stimuli have another shape or range than those of the fit.
        """
        check_is_fitted(self, "fit_")
        stimuli = self._stimuli(X)
        is_bytes = np.asarray(X).dtype == np.uint8
        if is_bytes != self.bytes_:
            came, wanted = ("bytes", "floats") if is_bytes else ("floats", "bytes")
            raise ValueError(
                f"X holds {came} but the model was fitted with {wanted}; bring both to "
                "one range."
            )
        one = self.shape_[1:] if self.lags is not None else self.shape_
        if stimuli.shape[1:] != one:
            raise ValueError(
                f"X has stimuli of shape {stimuli.shape[1:]} but the model was fitted "
                f"with {one}."
            )
        with precision(self.dtype):
            empty = np.zeros((len(stimuli), 1), self.dtype)
            data = nn.Samples(
                self._scaled(stimuli),
                empty,
                lags=self.lags,
                trial_id=trial_id,
                dtype=np.dtype(self.dtype),
            )
            rows = np.arange(len(stimuli))
            parts = [
                self._mean(data.fetch(rows[None, at : at + _CHUNK])[0][0])
                for at in range(0, rows.size, _CHUNK)
            ]
        return np.concatenate(parts)

    def score_targets(
        self, X: ArrayLike, y: ArrayLike, *, metric: str = "correlation"
    ) -> np.ndarray:
        """Score each target.

        Parameters
        ----------
        X : array (n_samples, height, width[, channels]) or (n_times, n_features)
            Stimuli.
        y : array (n_samples, n_targets)
            Measured responses: of single trials, or their averages.
        metric : {"correlation", "r2", "mse"}
            Which score.

        Returns
        -------
        array (n_targets,)
            NaN where undefined.

        Raises
        ------
        ValueError
            If shapes disagree or the metric is unknown.
        """
        check.choice("metric", metric, tuple(score.METRICS))
        with precision(self.dtype):
            guess = jnp.asarray(self.predict(X))
            measured = np.asarray(y, self.dtype).reshape(guess.shape)
            return np.asarray(score.METRICS[metric](measured, guess))

    def _stimuli(self, X: ArrayLike) -> np.ndarray:
        stimuli = np.asarray(X)
        if stimuli.dtype == object:
            raise TypeError(
                "X has dtype object: are images of mixed sizes? Bring them to one size."
            )
        check.has_ndim("X", stimuli, *((2,) if self.lags is not None else (3, 4)))
        check.finite("X", stimuli)
        if self.lags is None and stimuli.ndim == 3:
            stimuli = stimuli[..., None]
        return stimuli.astype(self.dtype)

    def _scaled(self, stimuli: np.ndarray) -> np.ndarray:
        return (stimuli - self.mean_) / np.asarray(self.scale_, self.dtype)

    def _train(
        self, stimuli: np.ndarray, y: np.ndarray, trial_id: ArrayLike | None
    ) -> None:
        keys = jax.random.split(jax.random.key(self.random_state), self.n_members)
        build = self._builder(y)
        # Every member holds out another part; what one does not see another does.
        n_parts = max(2, round(1 / self.validation))
        whole = np.arange(len(y)) if trial_id is None else np.asarray(trial_id)
        rng = np.random.default_rng(self.random_state)
        part = rng.permutation(int(whole.max()) + 1) % n_parts
        apply, _ = nn.functional(build(0))
        penalty = nn.Penalty(
            apply,
            laplace=self.laplace,
            group_sparsity=self.group_sparsity,
            readout_l1=self.readout_l1,
            readout_laplace=self.readout_laplace,
        )
        self.fit_ = nn.train_ensemble(
            build,
            stimuli,
            y,
            part[whole],
            keys=keys,
            validation="left_out",
            loss=self.loss,
            penalty=penalty,
            n_epochs=self.n_epochs,
            batch_size=self.batch_size,
            patience=self.patience,
            n_decays=self.n_decays,
            stop_on="correlation",
            lags=self.lags,
            trial_id=trial_id,
            show_progress=self.show_progress,
        )

    def _builder(self, y: np.ndarray) -> Any:
        mean = np.nanmean(y, axis=0)

        def build(rngs: Any) -> nn.Encoder:
            if self.lags is not None:
                sizes = self.kernel_sizes
                size = sizes if isinstance(sizes, int) else sizes[0]
                core = nn.CausalCore(self.features, kernel_size=size)
                readout = nn.DenseReadout(y.shape[1])
            else:
                core = nn.ConvCore(
                    self.features, kernel_sizes=self.kernel_sizes, pooling=self.pooling
                )
                readout = _READOUTS[self.readout](y.shape[1])
            net = nn.Encoder(
                core=core,
                readout=readout,
                shape=self.shape_,
                output=self.output,
                rngs=rngs,
            )
            net.start_at(mean)
            return net

        return build

    def _mean(self, x: np.ndarray) -> np.ndarray:
        def one(variables: Any) -> jax.Array:
            return self.fit_.apply(variables, jnp.asarray(x))

        return np.asarray(over_members(one, self.fit_.variables).mean(0))
