"""Doors to files and to the objects of other packages.

Arrays come out, never library objects; each third party is imported inside the
function that needs it.
"""

from ._arrays import read_arrays
from ._results import load, save
from ._torch import from_torch, read_dstrf
from .allen import from_allen
from .mne import Recording, from_mne
from .naplib import from_naplib
from .nilearn import Bold, peaks, read_bold
from .nwb import read_nwb, read_nwb_traces
from .spikes import (
    Responses,
    responses_from_counts,
    responses_from_spikes,
    responses_from_traces,
)

__all__ = [
    "Bold",
    "Recording",
    "Responses",
    "from_allen",
    "from_mne",
    "from_naplib",
    "from_torch",
    "load",
    "peaks",
    "read_arrays",
    "read_bold",
    "read_dstrf",
    "read_nwb",
    "read_nwb_traces",
    "responses_from_counts",
    "responses_from_spikes",
    "responses_from_traces",
    "save",
]
