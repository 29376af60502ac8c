"""A convolutional encoder as a scikit-learn estimator."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from .. import nn
from ..core import check
from ..core.members import over_members
from ..signal import Lags
from ._base import precision
from ._baselines import baselines, measure
from ._encoder_network import READOUTS, builder

__all__ = ["CNNEncoder"]

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
    front : {None, "gabor"}
        With "gabor", images pass through :class:`jaxneuro.nn.GaborFront`, and
        ``features[0]`` units that see all of its maps are the whole network: better
        than convolutions for recordings of some hundred images. `kernel_sizes`,
        `pooling`, `readout` and penalties on kernels then have no say.
    readout : {"gaussian", "factorized", "pyramid", "dense"}
        How a target reads the features of images; spectrograms have "dense".
        "gaussian" and "pyramid" learn a point by following slopes, which some complex
        cells never find; "factorized" has more weights and sees all places at once.
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
    learning_rate : float, optional
        Of Adam. Default: 0.003, or 0.0003 with `front`.
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
    front_ : nn.GaborFront or None
        The first stage, which ``fit_.apply`` contains.
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
        front: str | None = None,
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
        learning_rate: float | None = None,
        n_decays: int = 2,
        validation: float = 0.15,
        random_state: int = 0,
        dtype: str = "float32",
        show_progress: bool = False,
    ) -> None:
        self.features = features
        self.kernel_sizes = kernel_sizes
        self.pooling = pooling
        self.front = front
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
        self.learning_rate = learning_rate
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
        check.choice("readout", self.readout, tuple(READOUTS))
        if self.front is not None:
            check.choice("front", self.front, ("gabor",))
        stimuli = self._stimuli(X)
        y = self._responses(y)
        check.same_length("X", stimuli, "y", y, "samples")
        self.bytes_ = np.asarray(X).dtype == np.uint8
        self.mean_, self.scale_ = float(stimuli.mean()), float(stimuli.std()) or 1.0
        self.shape_ = stimuli.shape[1:]
        if self.lags is not None:
            self.shape_ = (self.lags.n_lags, *self.shape_)
        self.n_features_in_ = int(np.prod(stimuli.shape[1:]))
        self.front_ = None
        if self.front is not None:
            self.front_ = nn.GaborFront(self.shape_)
        with precision(self.dtype):
            self._train(self._seen(stimuli), y, trial_id)
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
                self._seen(stimuli),
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
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        metric: str = "correlation",
        trial_id: ArrayLike | None = None,
    ) -> np.ndarray:
        """Score each target.

        Parameters
        ----------
        X : array (n_samples, height, width[, channels]) or (n_times, n_features)
            Stimuli.
        y : array (n_samples, n_targets) or (n_repeats, n_samples, n_targets)
            Measured responses: of single trials, or their averages; all repeats, NaN
            where one is missing, for the last three metrics.
        metric : str
            "correlation", "r2" or "mse"; or, of :mod:`jaxneuro.reliability`, "feve",
            "average_correlation" or "trial_correlation".
        trial_id : int array (n_times,), optional
            As in :meth:`fit`.

        Returns
        -------
        array (n_targets,)
            NaN where undefined.

        Raises
        ------
        ValueError
            If shapes disagree or the metric is unknown.
        """
        return measure(metric, y, self.predict(X, trial_id))

    def compare(
        self,
        X: ArrayLike,
        y: ArrayLike,
        X_test: ArrayLike,
        y_test: ArrayLike,
        *,
        metric: str = "correlation",
        trial_id: ArrayLike | None = None,
        test_trial_id: ArrayLike | None = None,
    ) -> dict[str, np.ndarray]:
        """Score the network beside simple models, to see what it adds.

        Parameters
        ----------
        X, y, trial_id
            Samples of the fit, to which the simple models are fitted.
        X_test, y_test, test_trial_id
            Samples to score on, as in :meth:`score_targets`.
        metric : str
            As in :meth:`score_targets`.

        Returns
        -------
        dict of array (n_targets,)
            "network"; "linear", ridge on pixels or lags; "linear-nonlinear", the same
            and a curve; and for images "gabor energy", ridge on energy and mean
            colours. Each target's penalty is chosen by cross-validation.

        Raises
        ------
        ValueError
            If shapes disagree, the metric is unknown, or too few samples have all
            responses.
        """
        guesses = {"network": self.predict(X_test, test_trial_id)}
        with precision(self.dtype):
            fitted, test = (self._scaled(self._stimuli(x)) for x in (X, X_test))
            guesses |= baselines(
                fitted,
                self._responses(y),
                test,
                lags=self.lags,
                trial_id=trial_id,
                test_trial_id=test_trial_id,
            )
        return {name: measure(metric, y_test, g) for name, g in guesses.items()}

    def _responses(self, y: ArrayLike) -> np.ndarray:
        y = np.asarray(y, self.dtype)
        return y[:, None] if y.ndim == 1 else y

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

    def _seen(self, stimuli: np.ndarray) -> np.ndarray:
        """Give what the trained layers see."""
        x = self._scaled(stimuli)
        return x if self.front_ is None else np.asarray(self.front_(x))

    def _train(
        self, stimuli: np.ndarray, y: np.ndarray, trial_id: ArrayLike | None
    ) -> None:
        keys = jax.random.split(jax.random.key(self.random_state), self.n_members)
        options, front = self.get_params(), self.front_
        build = builder(options, self.shape_, np.nanmean(y, axis=0), front)
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
        fit = nn.train_ensemble(
            build,
            stimuli,
            y,
            part[whole],
            keys=keys,
            validation="left_out",
            loss=self.loss,
            penalty=penalty if front is None else None,
            optimizer=nn.adam(self.learning_rate or (3e-4 if front else 3e-3)),
            n_epochs=self.n_epochs,
            batch_size=self.batch_size,
            patience=self.patience,
            n_decays=self.n_decays,
            stop_on="correlation",
            lags=self.lags,
            trial_id=trial_id,
            show_progress=self.show_progress,
        )
        self._apply = fit.apply
        whole = fit.apply if front is None else front.network(fit.apply)
        self.fit_ = dataclasses.replace(fit, apply=whole)

    def _mean(self, x: np.ndarray) -> np.ndarray:
        def one(variables: Any) -> jax.Array:
            return self._apply(variables, jnp.asarray(x))

        return np.asarray(over_members(one, self.fit_.variables).mean(0))
