"""Estimators with scikit-learn's interface: thin shells over the kernels."""

from ._trf import TRF

__all__ = ["TRF"]
