"""A core for sounds and other signals, and which samples it needs."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ._conv import causal_conv
from ._layers import activation, default_float, shown

__all__ = ["CausalCore", "dilations_for", "positions", "sparse_step"]


@shown
class CausalCore(nnx.Module):
    """Dilated causal convolutions along time, for sounds and other signals.

    It sees windows ``(batch, n_lags, n_features)`` whose lag axis ascends, and
    computes only what the newest output needs; or whole trials
    ``(n_trials, n_times, n_features)``, which gives the same numbers at every time
    where the window holds the receptive field. Beyond the window, and before a
    trial, the input is zero.

    Parameters
    ----------
    features : sequence of int
        Channels of each layer.
    kernel_size : int
        Taps of each layer.
    dilations : sequence of int, optional
        Samples from tap to tap in each layer. Default: growing without gaps until
        the receptive field covers the window; 65 lags and five layers of five taps
        give 1, 1, 2, 4, 8, those of the DSTRF toolbox [1]_.
    use_bias : bool
        Whether layers have a constant. Without, and with "relu", the output is
        exactly the product of the dSTRF with the stimulus.
    activation : str
        A name of :data:`ACTIVATIONS`.

    References
    ----------
    .. [1] Keshishian et al., eLife 9 (2020) e53445, doi:10.7554/eLife.53445;
       naplab/DSTRF ``DeepEncoder``.
    """

    options: tuple[tuple[str, Any], ...]
    kernels: nnx.List
    biases: nnx.List
    dilations: tuple[int, ...]
    receptive_field: int
    n_lags: int
    out_shape: tuple[int, ...]

    def __init__(
        self,
        features: Sequence[int] = (128, 128, 128, 128, 128),
        *,
        kernel_size: int = 5,
        dilations: Sequence[int] | None = None,
        use_bias: bool = True,
        activation: str = "relu",
    ) -> None:
        if dilations is not None and len(dilations) != len(features):
            raise ValueError(
                f"dilations has {len(dilations)} entries but there are "
                f"{len(features)} layers; give one per layer."
            )
        self.options = tuple(
            dict(
                features=tuple(features),
                kernel_size=kernel_size,
                dilations=None if dilations is None else tuple(dilations),
                use_bias=use_bias,
                activation=activation,
            ).items()
        )

    def build(self, shape: Sequence[int], rngs: nnx.Rngs) -> "CausalCore":
        """Make the parameters for windows of a shape.

        Parameters
        ----------
        shape : (n_lags, n_features)
            One window.
        rngs : nnx.Rngs
            Random numbers.

        Returns
        -------
        CausalCore
            A core of its own, with `out_shape`.
        """
        core = CausalCore(**dict(self.options))
        o, (n_lags, n_in) = dict(self.options), shape
        activation(o["activation"])
        size, n = o["kernel_size"], len(o["features"])
        core.dilations = o["dilations"] or dilations_for(n_lags, size, n)
        core.n_lags = n_lags
        core.receptive_field = 1 + (size - 1) * sum(core.dilations)
        dtype = default_float()
        he = jax.nn.initializers.he_normal()
        kernels, biases = [], []
        for n_out in o["features"]:
            kernels.append(nnx.Param(he(rngs.params(), (size, n_in, n_out), dtype)))
            zeros = jnp.zeros(n_out, dtype)
            biases.append(nnx.Param(zeros) if o["use_bias"] else None)
            n_in = n_out
        core.kernels, core.biases = nnx.List(kernels), nnx.List(biases)
        core.out_shape = (n_in,)
        return core

    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        """Compute the features of the newest sample of each window.

        Parameters
        ----------
        x : array (batch, n_lags, n_features)
            Windows, newest sample first.
        train : bool
            Not used: nothing differs in training.

        Returns
        -------
        array (batch, out_features)
            Features.
        """
        needed = positions(self.dilations, dict(self.options)["kernel_size"])
        missing = int(needed[0][-1]) + 1 - x.shape[1]
        if missing > 0:
            x = jnp.pad(x, ((0, 0), (0, missing), (0, 0)))
        x = x[:, needed[0]]
        for index, dilation in enumerate(self.dilations):
            kernel = self.kernels[index][...]
            x = sparse_step(x, kernel, needed[index], needed[index + 1], dilation)
            x = self._bend(x, index)
        return x[:, 0]

    def sequence(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        """Compute the features at every sample of whole trials.

        Parameters
        ----------
        x : array (n_trials, n_times, n_features)
            Signals in time order.
        train : bool
            Not used: nothing differs in training.

        Returns
        -------
        array (n_trials, n_times, out_features)
            Features.
        """
        x = jnp.pad(x, ((0, 0), (self.receptive_field - 1, 0), (0, 0)))
        for index, dilation in enumerate(self.dilations):
            x = causal_conv(x, self.kernels[index][...], dilation=dilation)
            x = self._bend(x, index)
        return x

    def _bend(self, x: jax.Array, index: int) -> jax.Array:
        bias = self.biases[index]
        if bias is not None:
            x = x + bias[...][None, None]
        return activation(dict(self.options)["activation"])(x)


def dilations_for(n_lags: int, kernel_size: int, n_layers: int) -> tuple[int, ...]:
    """Choose dilations that cover a window without gaps.

    Parameters
    ----------
    n_lags : int
        Length of the window.
    kernel_size : int
        Taps of each layer.
    n_layers : int
        Number of layers.

    Returns
    -------
    tuple of int
        One per layer, growing; their receptive field may stay below `n_lags` where
        the layers are too few.
    """
    rest = max(-(-(n_lags - 1) // max(kernel_size - 1, 1)) - 1, 0)
    halves = []
    for layer in range(n_layers - 1, 0, -1):
        step = rest if layer == 1 else -(-rest // 2)
        halves.append(step)
        rest -= step
    chosen, field, short = [1], kernel_size, 0
    for step in reversed(halves):
        # A step beyond the field so far would leave samples unseen.
        chosen.append(min(max(step + short, 1), field))
        short = max(step + short - chosen[-1], 0)
        field += (kernel_size - 1) * chosen[-1]
    return tuple(chosen[:n_layers])


def positions(dilations: tuple[int, ...], kernel_size: int) -> list[np.ndarray]:
    """List the samples that the newest output needs, from the input to the output.

    Parameters
    ----------
    dilations : tuple of int
        Samples from tap to tap in each layer.
    kernel_size : int
        Taps of each layer.

    Returns
    -------
    list of int array
        Lags of each layer's input, ascending, and at last that of the output, 0.
    """
    needed = [np.zeros(1, int)]
    for dilation in reversed(dilations):
        taps = dilation * np.arange(kernel_size)
        needed.insert(0, np.unique(needed[0][:, None] + taps[None]))
    return needed


def sparse_step(
    x: jax.Array, kernel: jax.Array, have: np.ndarray, want: np.ndarray, dilation: int
) -> jax.Array:
    """Convolve at the samples that are wanted.

    Parameters
    ----------
    x : array (batch, n_have, n_channels)
        Values at the lags `have`.
    kernel : array (n_taps, n_channels, n_features)
        Weights; the last tap meets the newest sample.
    have, want : int array
        Lags, ascending.
    dilation : int
        Samples from tap to tap.

    Returns
    -------
    array (batch, n_want, n_features)
        Values at the lags `want`.
    """
    n_taps, _, n_features = kernel.shape
    parts = []
    for tap in range(n_taps - 1, -1, -1):
        index = np.searchsorted(have, want + dilation * tap)
        step = np.unique(np.diff(index)) if index.size > 1 else np.array([1])
        if step.size == 1:  # a slice, whose gradient is cheaper than a gather's
            stop = int(index[-1]) + 1
            parts.append(x[:, int(index[0]) : stop : int(step[0])])
        else:
            parts.append(x[:, index])
    return jnp.concatenate(parts, axis=2) @ kernel.reshape(-1, n_features)
