"""Known-truth data for examples and tests.

The random key comes first; equal keys give equal data.
"""

from ._bold import BoldTruth, DesignLike, bold, bold_truth
from ._gabors import (
    GaborTruth,
    gabor_counts,
    gabor_neurons,
    gabor_rates,
    gabor_truth,
)
from ._nonlinear import (
    StrfTruth,
    nonlinear_response,
    nonlinear_strf,
    nonlinear_truth,
)
from ._pixels import pixel_fields, pixel_voxels
from ._strfs import reconstruction, strfs

__all__ = [
    "BoldTruth",
    "DesignLike",
    "GaborTruth",
    "StrfTruth",
    "bold",
    "bold_truth",
    "gabor_counts",
    "gabor_neurons",
    "gabor_rates",
    "gabor_truth",
    "nonlinear_response",
    "nonlinear_strf",
    "nonlinear_truth",
    "pixel_fields",
    "pixel_voxels",
    "reconstruction",
    "strfs",
]
