"""What an optimisation of images gives."""

import jax

from ..core.struct import struct

__all__ = ["MEI"]


@struct
class MEI:
    """Optimised images, and how they came about.

    With several starts per target every array has a further axis of `n_restarts`
    after that of the targets.

    Attributes
    ----------
    images : array (n_targets, height, width, channels)
        The images. One that stopped early is the image it stopped at.
    responses : array (n_steps + 1, n_targets)
        Response to the image before each step, and at last to `images`.
    contrasts : array (n_steps + 1, n_targets)
        Standard deviation of the pixels of the same images.
    norms : array (n_steps + 1, n_targets)
        Square root of the sum of squares of the same images.
    n_iter : int array (n_targets,)
        Steps taken.
    converged : bool array (n_targets,)
        Whether the network has a gradient at all, everything stayed finite, and the
        response had stopped to rise.
    """

    images: jax.Array
    responses: jax.Array
    contrasts: jax.Array
    norms: jax.Array
    n_iter: jax.Array
    converged: jax.Array
