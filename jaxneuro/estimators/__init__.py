"""Estimators with scikit-learn's interface: thin shells over the kernels."""

from ._glm import GLM
from ._trf import TRF

__all__ = ["GLM", "TRF"]
