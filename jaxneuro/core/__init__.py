"""Array kernels without neuroscience: moments, ridge, folds, scores, blocks."""

from . import check, progress, struct

__all__ = ["check", "progress", "struct"]
