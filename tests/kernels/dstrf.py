"""Kernels of the dSTRF room."""

from jaxneuro import dstrf

from .table import Row

MODULES = ("dstrf",)
HOST = {
    "dstrf.complexity": "singular values in float64, whatever the input",
    "dstrf.temporal_hold": "a test on ranks",
    "dstrf.shape_change": "ends in singular values in float64",
}

ROWS = [
    Row("dstrf.gain_change", dstrf.gain_change, {"dstrf": (9, 2, 4, 3)}, (2,)),
]
