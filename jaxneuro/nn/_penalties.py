"""Penalties on the weights of a network."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ..core import check
from ._functional import Network

__all__ = ["Penalty", "group_sparsity", "l1", "laplace", "l2"]


def laplace(
    kernel: ArrayLike,
    *,
    power: int = 2,
    padding: int = 1,
    normalize: bool = False,
    weight: ArrayLike | None = None,
) -> jax.Array:
    """Roughness of convolution kernels: the size of their discrete Laplacian.

    Parameters
    ----------
    kernel : array (height, width, n_channels, n_features)
        Weights.
    power : {1, 2}
        Mean of absolute values, or half the mean of squares.
    padding : {0, 1}
        Whether the kernel is zero beyond its edges, or the edges do not count.
    normalize : bool
        With power 2: the sum of squares over that of the kernel itself, which does
        not reward small weights.
    weight : array (height, width), optional
        What the square, or the absolute value, counts at each place.

    Returns
    -------
    array ()
        The penalty.

    Raises
    ------
    ValueError
        If `power` is unknown or the kernel is too small for `padding` 0.

    References
    ----------
    .. [1] neuralpredictors ``LaplaceL2``, ``LaplaceL1``, ``LaplaceL2norm``.
    """
    kernel = check.float_array("kernel", kernel, ndim=4)
    if power not in (1, 2):
        raise ValueError(f"power is {power!r} but must be 1 or 2.")
    if not padding and min(kernel.shape[:2]) < 3:
        raise ValueError(
            f"kernel has {kernel.shape[0]} x {kernel.shape[1]} pixels but the "
            "Laplacian needs 3 x 3; take padding=1."
        )
    edge = 2 * padding
    wide = jnp.pad(kernel, ((padding,) * 2, (padding,) * 2, (0, 0), (0, 0)))
    height, width = kernel.shape[0] + edge - 2, kernel.shape[1] + edge - 2

    def moved(i: int, j: int) -> jax.Array:
        return wide[1 + i : 1 + i + height, 1 + j : 1 + j + width]

    curve = 4 * moved(0, 0) - moved(1, 0) - moved(-1, 0) - moved(0, 1) - moved(0, -1)
    factor = jnp.ones((), kernel.dtype)
    if weight is not None:
        factor = jnp.asarray(weight, kernel.dtype)[:, :, None, None]
    if power == 1:
        return (jnp.abs(curve) * factor).mean()
    if normalize:
        return (curve**2 * factor).sum() / (kernel**2).sum()
    return (curve**2 * factor).mean() / 2


def group_sparsity(kernels: list | tuple) -> jax.Array:
    """Mean length of the kernels, layer by layer: whole kernels become zero.

    Parameters
    ----------
    kernels : sequence of array (height, width, n_channels, n_features)
        Weights of the hidden layers.

    Returns
    -------
    array ()
        Mean over layers; 0 without a layer.

    References
    ----------
    .. [1] neuralpredictors ``Stacked2dCore.group_sparsity``.
    """
    if len(kernels) == 0:
        return jnp.zeros(())
    # The root's slope at zero is infinite; a kernel that is zero stays there.
    lengths = [_root((jnp.asarray(k) ** 2).sum((0, 1))).mean() for k in kernels]
    return jnp.stack(lengths).mean()


def l1(weights: Any) -> jax.Array:
    """Sum of absolute values.

    Parameters
    ----------
    weights : pytree of array (...)
        Any weights.

    Returns
    -------
    array ()
        Sum over all of them.
    """
    return jnp.stack([jnp.abs(w).sum() for w in jax.tree.leaves(weights)]).sum()


def l2(weights: Any) -> jax.Array:
    """Sum of squares.

    Parameters
    ----------
    weights : pytree of array (...)
        Any weights.

    Returns
    -------
    array ()
        Sum over all of them.
    """
    return jnp.stack([(w**2).sum() for w in jax.tree.leaves(weights)]).sum()


@dataclasses.dataclass(frozen=True)
class Penalty:
    """Penalty on an encoder: smooth first kernels, few hidden ones, small readouts.

    Parameters
    ----------
    apply : Network
        The encoder.
    laplace : float
        Strength of :func:`laplace` on the first layer's kernels.
    group_sparsity : float
        Strength of :func:`group_sparsity` on those of the hidden layers.
    readout_l1 : float
        Strength of the readouts' ``l1``, summed over targets.
    readout_laplace : float
        Strength of :func:`laplace` on the maps of factorised readouts.
    """

    apply: Network
    laplace: float = 0.0
    group_sparsity: float = 0.0
    readout_l1: float = 0.0
    readout_laplace: float = 0.0

    def __call__(self, variables: Any) -> jax.Array:
        """Compute the penalty.

        Parameters
        ----------
        variables : dict
            Of the encoder.

        Returns
        -------
        array ()
            Weighted sum of the terms.
        """
        module = self.apply.module(variables)
        layers = list(getattr(module.core, "layers", ()))
        total = jnp.zeros(())
        if self.laplace and layers:
            total = total + self.laplace * laplace(layers[0].kernel[...])
        if self.group_sparsity and len(layers) > 1:
            hidden = [
                layer.depth[...][:, :, :, None]
                if layer.separable
                else layer.kernel[...]
                for layer in layers[1:]
            ]
            total = total + self.group_sparsity * group_sparsity(hidden)
        for readout in module.readouts:
            if self.readout_l1:
                total = total + self.readout_l1 * readout.l1()
            if self.readout_laplace and hasattr(readout, "mask"):
                maps = readout.places()[:, :, None]
                n = readout.n_targets
                total = total + self.readout_laplace * n * laplace(maps)
        return total


def _root(x: jax.Array) -> jax.Array:
    positive = x > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1)), 0)
