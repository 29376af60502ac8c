"""Time: lags, trials, filters and spectrograms."""

from ._lags import Lags, lagged
from ._moments import LaggedSums, group_moments, lagged_moments, lagged_sums, total_sums
from ._trials import concatenate, split

__all__ = [
    "LaggedSums",
    "Lags",
    "concatenate",
    "group_moments",
    "lagged",
    "lagged_moments",
    "lagged_sums",
    "split",
    "total_sums",
]
