"""Estimators with scikit-learn's interface: thin shells over the kernels."""

from importlib import import_module
from typing import TYPE_CHECKING

from ._glm import GLM
from ._lasso import LassoCV, LassoLarsCV
from ._linear import BandedRidgeCV, Ridge, RidgeCV
from ._outliers import outlier_targets
from ._trf import TRF

if TYPE_CHECKING:
    from ._dstrf import DSTRF
    from ._encoder import CNNEncoder

__all__ = [
    "DSTRF",
    "GLM",
    "TRF",
    "BandedRidgeCV",
    "CNNEncoder",
    "LassoCV",
    "LassoLarsCV",
    "Ridge",
    "RidgeCV",
    "outlier_targets",
]


_NETWORKS = {"CNNEncoder": "_encoder", "DSTRF": "_dstrf"}


def __getattr__(name: str) -> object:
    # Networks bring Flax and optax, which the other estimators do without.
    if name in _NETWORKS:
        return getattr(import_module(f"{__name__}.{_NETWORKS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
