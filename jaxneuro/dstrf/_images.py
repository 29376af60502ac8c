"""Receptive fields of networks that see images."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ..core import check
from ._estimate import count_outputs
from ._jacobian import forward_mode, reverse_mode

__all__ = ["gradient_fields"]


@partial(jax.jit, static_argnames=("apply", "mode"))
def gradient_fields(
    apply: Callable,
    variables: Any,
    images: ArrayLike,
    *,
    targets: ArrayLike | None = None,
    mode: str = "rev",
) -> jax.Array:
    """Compute the receptive field of every target at every image.

    The derivative of the response by each pixel; the mean over many images is the
    linear receptive field of the network.

    Parameters
    ----------
    apply : function
        ``apply(variables, images)`` is ``(n_images, n_targets)``, each image by itself.
    variables : pytree
        Parameters of the network.
    images : array (n_images, height, width, n_channels)
        Where to differentiate.
    targets : int array (n_chosen,), optional
        Targets to differentiate. Default: all.
    mode : {"rev", "fwd"}
        One evaluation per target, or one per pixel.

    Returns
    -------
    array (n_images, n_targets, height, width, n_channels)
        Gradients.

    Raises
    ------
    ValueError
        If `mode` is unknown, `images` has not four axes, or the output of the network
        is not ``(n_images, n_targets)``.
    """
    check.choice("mode", mode, ("rev", "fwd"))
    images = check.float_array("images", images, ndim=4)
    n_targets = count_outputs(apply, variables, images.shape[1:], images.dtype)
    chosen = jnp.arange(n_targets) if targets is None else jnp.asarray(targets)
    jacobian = forward_mode if mode == "fwd" else reverse_mode

    def one(image: jax.Array) -> jax.Array:
        return jacobian(lambda x: apply(variables, x)[:, chosen], image[None])[0]

    return jax.lax.map(one, images)
