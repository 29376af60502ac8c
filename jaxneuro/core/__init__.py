"""Array kernels without neuroscience: moments, ridge, folds, scores, blocks."""

from . import (
    check,
    checkpoint,
    folds,
    fronted,
    linalg,
    members,
    memory,
    moments,
    multiple,
    partition,
    progress,
    ridge,
    score,
    search,
    struct,
    threads,
)

__all__ = [
    "check",
    "checkpoint",
    "folds",
    "fronted",
    "linalg",
    "members",
    "memory",
    "moments",
    "multiple",
    "partition",
    "progress",
    "ridge",
    "score",
    "search",
    "struct",
    "threads",
]
