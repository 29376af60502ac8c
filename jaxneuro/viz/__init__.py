"""Figures: every function draws on Axes that it is given or makes, and returns them.

Nothing is shown or saved, and Matplotlib's settings stay the user's: fonts and sizes
follow ``rcParams``. Colours are safe for colour-blind readers.
"""

from . import _axes  # noqa: F401  # first: it says what to do without Matplotlib
from ._contrasts import contrast, fir
from ._design import correlation_matrix, design_matrix, regressors
from ._dstrf import dstrf, dstrf_film, dstrf_measures
from ._encoding import alpha_counts, band_shares, ceiling, receptive_fields
from ._fields import trf, trf_grid
from ._maps import map_mosaic, z_histogram
from ._mei import (
    ascent_traces,
    log_power,
    mei_beside_gabor,
    mei_grid,
    orientation_curves,
)
from ._reliability import neuron_correlation, oracle_variance, raster, sort_rows
from ._scores import alpha_curve, null_distribution, scores
from ._signals import reconstruction, response, spectrogram

__all__ = [
    "spectrogram",
    "response",
    "reconstruction",
    "trf",
    "trf_grid",
    "dstrf",
    "dstrf_film",
    "dstrf_measures",
    "alpha_curve",
    "scores",
    "null_distribution",
    "design_matrix",
    "regressors",
    "correlation_matrix",
    "contrast",
    "fir",
    "map_mosaic",
    "z_histogram",
    "receptive_fields",
    "ceiling",
    "alpha_counts",
    "band_shares",
    "mei_grid",
    "mei_beside_gabor",
    "ascent_traces",
    "log_power",
    "orientation_curves",
    "raster",
    "sort_rows",
    "neuron_correlation",
    "oracle_variance",
]
