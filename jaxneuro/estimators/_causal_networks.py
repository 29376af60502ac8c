"""Networks from a spectrogram to responses: how they are made, fitted and scaled."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from .. import nn, trf
from ..core.linalg import dot
from ..signal import Lags

__all__ = ["Deep", "Linear", "fit_deep", "fit_linear"]

Variables = dict[str, Any]
_CLIP, _SLOWER = 10.0, 0.996  # norm of gradients; learning rate from epoch to epoch


@dataclasses.dataclass(frozen=True)
class Linear:
    """A linear network: one kernel over lags and features, and constants."""

    def __call__(self, variables: Variables, x: jax.Array) -> jax.Array:
        """Predict from windows (batch, n_lags, n_features), lags ascending."""
        kernel, bias = variables["params"]["kernel"], variables["params"]["bias"]
        rows = x.reshape(x.shape[0], -1)
        return dot(rows, kernel.reshape(rows.shape[1], -1)) + bias[None]

    def sequence(self, variables: Variables, x: jax.Array) -> jax.Array:
        """Predict every sample of trials (n_trials, n_times, n_features)."""
        kernel, bias = variables["params"]["kernel"], variables["params"]["bias"]
        y = jax.lax.conv_general_dilated(
            x,
            kernel[::-1],
            window_strides=(1,),
            padding=[(kernel.shape[0] - 1, 0)],
            dimension_numbers=("NWC", "WIO", "NWC"),
            precision="highest",
        )
        return y + bias[None, None]

    def layers(self, variables: Variables) -> tuple[nn.CausalLayer]:
        """Describe it as a causal convolution, the newest tap last."""
        kernel, bias = variables["params"]["kernel"], variables["params"]["bias"]
        layer = nn.CausalLayer(
            kernel=kernel[::-1], bias=bias, dilation=1, activation=_same
        )
        return (layer,)


@dataclasses.dataclass(frozen=True)
class Deep:
    """How to make a deep encoder: causal convolutions without constants, a readout.

    Parameters
    ----------
    hidden : tuple of int
        Channels of each layer.
    kernel_size : int
        Taps of each layer.
    dilations : tuple of int
        Samples from tap to tap.
    n_lags, n_features, n_targets : int
        Window, bands, responses.
    """

    hidden: tuple[int, ...]
    kernel_size: int
    dilations: tuple[int, ...]
    n_lags: int
    n_features: int
    n_targets: int

    def __call__(self, rngs: Any) -> nn.Encoder:
        """Make one network."""
        core = nn.CausalCore(
            self.hidden,
            kernel_size=self.kernel_size,
            dilations=self.dilations,
            use_bias=False,
        )
        return nn.Encoder(
            core=core,
            readout=nn.DenseReadout(self.n_targets),
            shape=(self.n_lags, self.n_features),
            output="identity",
            rngs=rngs,
        )

    def linear(self) -> Variables:
        """Variables of a :class:`Linear` network of the same window, all zero."""
        kernel = jnp.zeros((self.n_lags, self.n_features, self.n_targets))
        return {"params": {"kernel": kernel, "bias": jnp.zeros(self.n_targets)}}


def _same(y: jax.Array) -> jax.Array:
    return y


def fit_linear(
    X: jax.Array, Y: jax.Array, lags: Lags, trial_id: np.ndarray, weight_decay: float
) -> Variables:
    """Minimise mean squared error plus half of `weight_decay` times squared weights.

    Parameters
    ----------
    X, Y : array (n_times, n_features), (n_times, n_targets)
        Stimulus and responses.
    lags : Lags
        Window.
    trial_id : int array (n_times,)
        Trial of each sample.
    weight_decay : float
        Penalty.

    Returns
    -------
    dict
        Variables of :class:`Linear`.
    """
    alpha = 0.5 * weight_decay * Y.size
    fit = trf.fit(X, Y, lags, alpha, trial_id=trial_id)
    return {"params": {"kernel": fit.coef, "bias": fit.intercept}}


def fit_deep(
    build: Deep,
    X: jax.Array,
    Y: jax.Array,
    trial_id: np.ndarray,
    fold: np.ndarray,
    sets: Sequence[tuple[int, ...]],
    keys: jax.Array,
    *,
    learning_rate: float,
    weight_decay: float,
    n_epochs: int,
    batch_size: int,
    **options: Any,
) -> tuple[Variables, np.ndarray]:
    """Train one network for each set of folds that it does not see.

    Stimulus and responses are brought to unit size for the training, and the weights
    back to the units that came.

    Parameters
    ----------
    build : Deep
        Makes a network.
    X, Y, trial_id
        As in :func:`fit_linear`.
    fold : int array (n_times,)
        Fold of each sample.
    sets : sequence of tuple of int
        Folds that each network leaves out.
    keys : key array (n_networks,)
        Seeds.
    learning_rate, weight_decay, n_epochs, batch_size
        Of the training; batches are of trials.
    **options
        Of :func:`jaxneuro.nn.train_ensemble`.

    Returns
    -------
    variables : dict of array (n_networks, ...)
        Trained.
    array (n_networks, n_epochs)
        Losses in units of the variance of the responses.
    """
    size = float(jnp.sqrt((X**2).mean())) or 1.0
    mean, spread = np.asarray(Y.mean(0)), np.asarray(Y.std(0))
    spread = np.where(spread > 0, spread, 1).astype(mean.dtype)
    lengths = np.bincount(trial_id)
    trial_fold = fold[np.cumsum(lengths) - lengths]
    n_seen = min(int((~np.isin(trial_fold, one)).sum()) for one in sets)
    n_steps = max(n_seen // min(batch_size, max(n_seen, 1)), 1)
    fit = nn.train_ensemble(
        build,
        np.asarray(X) / X.dtype.type(size),
        (np.asarray(Y) - mean) / spread,
        fold,
        keys=keys,
        leave_out=sets,
        loss="gaussian",
        optimizer=_radam(learning_rate, weight_decay, n_steps),
        n_epochs=n_epochs,
        batch_size=batch_size,
        sample_weight=(1 / lengths)[trial_id],  # trials count alike
        trial_id=trial_id,
        **options,
    )
    params = fit.variables["params"]
    kernels, readout = params["core"]["kernels"], params["readouts"][0]
    readout = {
        "features": readout["features"] * spread[None, None],
        "bias": readout["bias"] * spread[None] + mean[None],
    }
    core = params["core"] | {"kernels": kernels | {0: kernels[0] / size}}
    return {"params": {"core": core, "readouts": {0: readout}}}, fit.train_loss


@cache
def _radam(
    learning_rate: float, weight_decay: float, n_steps: int
) -> optax.GradientTransformation:
    """Make one object for equal settings, so that nothing is compiled twice."""
    rate: Callable = optax.exponential_decay(
        learning_rate, n_steps, _SLOWER, staircase=True
    )
    return optax.chain(
        optax.clip_by_global_norm(_CLIP),
        optax.add_decayed_weights(weight_decay),
        optax.radam(rate),
    )
