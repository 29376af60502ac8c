"""Neural encoding and decoding models for thousands of channels at once.

Rooms are imported on first use, so ``import jaxneuro`` loads neither a network
library nor pandas.
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import (
        core,
        datasets,
        dstrf,
        estimators,
        glm,
        io,
        linear,
        mei,
        nn,
        reliability,
        signal,
        simulate,
        trf,
        viz,
    )
    from .estimators import (
        DSTRF,
        GLM,
        TRF,
        BandedRidgeCV,
        CNNEncoder,
        LassoCV,
        Ridge,
        RidgeCV,
    )
    from .signal import Lags

__version__ = "0.1.0"

_NAMES = {
    "BandedRidgeCV": "estimators",
    "CNNEncoder": "estimators",
    "DSTRF": "estimators",
    "GLM": "estimators",
    "Lags": "signal",
    "LassoCV": "estimators",
    "Ridge": "estimators",
    "RidgeCV": "estimators",
    "TRF": "estimators",
}

__all__ = [
    "BandedRidgeCV",
    "CNNEncoder",
    "DSTRF",
    "GLM",
    "Lags",
    "LassoCV",
    "Ridge",
    "RidgeCV",
    "TRF",
    "__version__",
    "core",
    "datasets",
    "dstrf",
    "estimators",
    "glm",
    "io",
    "linear",
    "mei",
    "nn",
    "reliability",
    "signal",
    "simulate",
    "trf",
    "viz",
]


def __getattr__(name: str) -> object:
    if name in _NAMES:
        room: ModuleType = import_module(f"{__name__}.{_NAMES[name]}")
        return getattr(room, name)
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
