"""Voxelwise encoding: linear models of many targets at once."""

from ._lars_cv import lasso_lars_cv
from ._lasso import lasso, lasso_path
from ._lasso_cv import lasso_cv
from ._lasso_system import LassoFit
from ._predict import predict
from ._records import LinearFit
from ._ridge import ridge
from ._ridge_cv import ridge_cv

__all__ = [
    "LassoFit",
    "LinearFit",
    "lasso",
    "lasso_cv",
    "lasso_lars_cv",
    "lasso_path",
    "predict",
    "ridge",
    "ridge_cv",
]
