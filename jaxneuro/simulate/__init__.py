"""Known-truth data for examples and tests.

The random key comes first; equal keys give equal data.
"""

from ._strfs import reconstruction, strfs

__all__ = ["reconstruction", "strfs"]
