"""Times of compiled steps: the first call compiles, the second only runs."""

import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["timed"]

T = TypeVar("T")


def timed(step: str, call: Callable[[], T]) -> tuple[T, tuple[str, float, float]]:
    """Call twice; return the result and ``(step, first, again)`` in seconds.

    `call` must return NumPy arrays, so that its work is done when it returns.
    """
    start = time.perf_counter()
    result = call()
    middle = time.perf_counter()
    call()
    return result, (step, middle - start, time.perf_counter() - middle)
