"""Images that excite the neurons of a network most."""

from ._record import MEI

__all__ = ["MEI"]
