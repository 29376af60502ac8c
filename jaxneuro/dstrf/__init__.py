"""Dynamic receptive fields: the Jacobian of a network at every moment."""

from ._alignment import shape_change
from ._consensus import consensus, sign_consistency
from ._estimate import estimate, reconstruct, reconstruction_error
from ._images import gradient_fields
from ._measures import complexity, gain_change, temporal_hold
from ._shapes import Clusters, Components, clusters, components
from ._spectrogram import spectrogram
from ._stream import measures, stream

__all__ = [
    "estimate",
    "gradient_fields",
    "reconstruct",
    "reconstruction_error",
    "consensus",
    "sign_consistency",
    "complexity",
    "gain_change",
    "temporal_hold",
    "shape_change",
    "components",
    "Components",
    "clusters",
    "Clusters",
    "measures",
    "stream",
    "spectrogram",
]
