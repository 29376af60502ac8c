"""Estimators with scikit-learn's interface: thin shells over the kernels."""

from ._glm import GLM
from ._lasso import LassoCV, LassoLarsCV
from ._trf import TRF

__all__ = ["GLM", "TRF", "LassoCV", "LassoLarsCV"]
