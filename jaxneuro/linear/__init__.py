"""Voxelwise encoding: linear models of many targets at once."""

from ._banded import banded_ridge_cv
from ._bands import delay_bands
from ._lars_cv import lasso_lars_cv
from ._lasso import lasso, lasso_path
from ._lasso_cv import lasso_cv
from ._lasso_system import LassoFit
from ._predict import predict
from ._records import LinearFit
from ._ridge import ridge
from ._ridge_cv import ridge_cv
from ._split import split_scores, variance_partition

__all__ = [
    "LassoFit",
    "LinearFit",
    "banded_ridge_cv",
    "delay_bands",
    "lasso",
    "lasso_cv",
    "lasso_lars_cv",
    "lasso_path",
    "predict",
    "ridge",
    "ridge_cv",
    "split_scores",
    "variance_partition",
]
