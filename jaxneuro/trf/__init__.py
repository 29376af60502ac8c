"""Temporal receptive fields: encoding forward, reconstruction backward."""

from ._banded import fit_banded_cv
from ._fit import fit, fit_cv, fit_gcv
from ._predict import predict
from ._system import TRFFit

__all__ = ["TRFFit", "fit", "fit_banded_cv", "fit_cv", "fit_gcv", "predict"]
