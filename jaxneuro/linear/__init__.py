"""Voxelwise encoding: linear models of many targets at once."""

from ._predict import predict
from ._records import LinearFit
from ._ridge import ridge
from ._ridge_cv import ridge_cv

__all__ = ["LinearFit", "predict", "ridge", "ridge_cv"]
