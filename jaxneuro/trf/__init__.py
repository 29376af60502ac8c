"""Temporal receptive fields: encoding forward, reconstruction backward."""

from ._banded import fit_banded_cv
from ._fit import fit, fit_cv, fit_gcv
from ._inference import (
    Jackknife,
    PermutationTest,
    jackknife,
    patterns,
    permutation_test,
)
from ._partition import VariancePartition, single_lag, variance_partition
from ._predict import predict
from ._system import TRFFit

__all__ = [
    "Jackknife",
    "PermutationTest",
    "TRFFit",
    "VariancePartition",
    "fit",
    "fit_banded_cv",
    "fit_cv",
    "fit_gcv",
    "jackknife",
    "patterns",
    "permutation_test",
    "predict",
    "single_lag",
    "variance_partition",
]
