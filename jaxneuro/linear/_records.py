"""What a linear fit gives back."""

import jax

from ..core.struct import struct

__all__ = ["LinearFit"]


@struct
class LinearFit:
    """A fitted linear model of every target.

    Attributes
    ----------
    coef : array (n_features, n_targets)
        Change of the prediction per unit of each predictor.
    intercept : array (n_targets,)
        Prediction where every predictor is zero.
    alpha : array (n_targets,) or (n_bands, n_targets)
        Penalty strength of each target.
    """

    coef: jax.Array
    intercept: jax.Array
    alpha: jax.Array
