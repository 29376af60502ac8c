"""Time: lags, trials, filters and spectrograms."""

from ._lags import Lags, lagged
from ._trials import concatenate, split

__all__ = ["Lags", "concatenate", "lagged", "split"]
