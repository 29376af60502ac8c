"""Dynamic receptive fields: the Jacobian of a network at every moment."""

from ._alignment import shape_change
from ._measures import complexity, gain_change, temporal_hold

__all__ = ["complexity", "gain_change", "temporal_hold", "shape_change"]
