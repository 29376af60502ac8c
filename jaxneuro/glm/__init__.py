"""General linear models of fMRI: designs, fits, contrasts, group inference."""

from ._design import Design, design
from ._hrf import hrf

__all__ = ["Design", "design", "hrf"]
