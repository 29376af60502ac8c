"""Dynamic receptive fields: the Jacobian of a network at every moment."""

from ._alignment import shape_change
from ._consensus import consensus, sign_consistency
from ._estimate import estimate, reconstruct, reconstruction_error
from ._measures import complexity, gain_change, temporal_hold
from ._spectrogram import spectrogram
from ._stream import measures, stream

__all__ = [
    "estimate",
    "reconstruct",
    "reconstruction_error",
    "consensus",
    "sign_consistency",
    "complexity",
    "gain_change",
    "temporal_hold",
    "shape_change",
    "measures",
    "stream",
    "spectrogram",
]
