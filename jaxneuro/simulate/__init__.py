"""Known-truth data for examples and tests.

The random key comes first; equal keys give equal data.
"""

from ._bold import BoldTruth, DesignLike, bold, bold_truth
from ._strfs import reconstruction, strfs

__all__ = [
    "BoldTruth",
    "DesignLike",
    "bold",
    "bold_truth",
    "reconstruction",
    "strfs",
]
