"""Causal convolutions at the times that an output depends on, and no others."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core.linalg import dot
from ..signal import Lags

__all__ = ["needed_ages", "one_tap", "sparse_forward"]


def sparse_forward(
    layers: Sequence[Any], lags: Lags, windows: jax.Array, *, frozen: bool = False
) -> jax.Array:
    """Evaluate a stack of causal convolutions at the newest sample.

    A layer whose taps are `dilation` samples apart is needed at few of the lags: 1, 5,
    13, 29 and 61 for five layers of five taps with dilations 1, 1, 2, 4 and 8. This
    makes the derivative as cheap as that.

    Parameters
    ----------
    layers : sequence of records
        From the stimulus to the output, each with `kernel` ``(n_taps, n_channels,
        n_features)`` whose last tap meets the newest sample, `bias` ``(n_features,)``
        or None, `dilation` and `activation`.
    lags : Lags
        Of the windows.
    windows : array (n, n_lags, n_channels)
        Stimulus, lags ascending.
    frozen : bool
        Whether only windows are differentiated, in reverse: products are then quicker
        on a CPU.

    Returns
    -------
    array (n, n_features)
        Output at lag 0.

    Raises
    ------
    ValueError
        If the window does not hold the receptive field, or a layer looks ahead.
    """
    needed = needed_ages(layers, lags)
    product = one_tap if frozen else dot
    x = windows[:, _slice(needed[0] - lags.first)]
    for layer, have, want in zip(layers, needed[:-1], needed[1:], strict=True):
        n_taps, _, n_features = layer.kernel.shape
        age = layer.dilation * np.arange(n_taps - 1, -1, -1)
        taps = [x[:, _slice(np.searchsorted(have, want + a))] for a in age]
        x = product(jnp.concatenate(taps, axis=2), layer.kernel.reshape(-1, n_features))
        if layer.bias is not None:
            x = x + layer.bias[None, None]
        x = layer.activation(x)
    return x[:, 0]


def needed_ages(layers: Sequence[Any], lags: Lags) -> list[np.ndarray]:
    """Find the ages at which the stimulus and each layer are needed.

    Parameters
    ----------
    layers, lags
        As :func:`sparse_forward` takes them.

    Returns
    -------
    list of int array
        Samples before the newest, ascending: of the stimulus, of the first layer's
        output, and so on to the last one's, which is needed at 0.

    Raises
    ------
    ValueError
        As :func:`sparse_forward`.
    """
    for number, layer in enumerate(layers):
        if layer.dilation < 1:
            raise ValueError(
                f"layer {number} has dilation {layer.dilation} and would look ahead, "
                "but layers must be causal; use mode 'rev' or 'fwd'."
            )
    needed = [np.zeros(1, int)]
    for layer in reversed(layers):
        taps = layer.dilation * np.arange(layer.kernel.shape[0])
        needed.insert(0, np.unique(needed[0][:, None] + taps[None]))
    oldest = needed[0][-1]
    if lags.first > 0 or lags.samples[-1] < oldest:
        raise ValueError(
            f"lags reach from {lags.first} to {lags.samples[-1]} samples but the "
            f"network sees 0 to {oldest}; widen tmin and tmax."
        )
    return needed


def one_tap(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Multiply by a kernel that nobody differentiates.

    As a convolution of one tap, which keeps XLA's CPU from the library that it takes
    for products: in turns with other work that is a tenth slower. The derivative is a
    product of the same form, where the convolution's own would not be.

    Parameters
    ----------
    x : array (n, n_times, n_channels)
        Signals.
    kernel : array (n_channels, n_features)
        Weights.

    Returns
    -------
    array (n, n_times, n_features)
        Product.
    """
    dtype = jnp.result_type(x, kernel)
    return _frozen_product(x.astype(dtype), kernel.astype(dtype))


@jax.custom_vjp
def _frozen_product(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return jax.lax.conv_general_dilated(
        x,
        kernel[None],
        (1,),
        "VALID",
        dimension_numbers=("NWC", "WIO", "NWC"),
        precision="highest",
    )


def _frozen_forward(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, jax.Array]:
    return _frozen_product(x, kernel), kernel


def _frozen_reverse(kernel: jax.Array, slope: jax.Array) -> tuple[jax.Array, None]:
    return _frozen_product(slope, kernel.T), None


_frozen_product.defvjp(_frozen_forward, _frozen_reverse)


def _slice(index: np.ndarray) -> slice | np.ndarray:
    """Make positions a slice where they are evenly spaced: its gradient is cheaper."""
    step = np.unique(np.diff(index))
    if step.size > 1:
        return index
    return slice(int(index[0]), int(index[-1]) + 1, int(step[0]) if step.size else 1)
