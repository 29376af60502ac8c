"""Doors to files and to the objects of other packages.

Arrays come out, never library objects; each third party is imported inside the
function that needs it.
"""

from ._arrays import read_arrays
from ._results import load, save
from .mne import Recording, from_mne
from .naplib import from_naplib

__all__ = ["Recording", "from_mne", "from_naplib", "load", "read_arrays", "save"]
