"""Memory that compilation leaves behind."""

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from threading import Lock

from jax import monitoring

__all__ = ["lean_compilation"]

_COMPILED = "/jax/core/compile/backend_compile_duration"
_lock = Lock()
_open = _heard = 0  # contexts, and programs compiled within them


@contextmanager
def lean_compilation() -> Iterator[None]:
    """Give the memory that compilation frees back to the system, where it can be.

    A compiler takes tens of MB per program and frees them; the C library keeps them
    for later, so that they add to the peak of the computation. Those of GNU's are
    given back after every program that is compiled within this context, in whichever
    thread, and at its end. Elsewhere, and where nothing is compiled, this does nothing.

    Yields
    ------
    None
        Contexts may be nested, and open in several threads at once.
    """
    global _open
    give_back = _listen()
    with _lock:
        _open, before = _open + 1, _heard
    try:
        yield
    finally:
        with _lock:
            _open -= 1
        if _heard > before:
            give_back()


@cache
def _listen() -> Callable[[], object]:
    """Hear of compiled programs, once per process: JAX forgets no listener."""
    trim = None
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None:
        return lambda: None

    def heard(event: str, duration_secs: float, **_: object) -> None:
        global _heard
        if _open and event == _COMPILED:
            _heard += 1
            trim(0)

    monitoring.register_event_duration_secs_listener(heard)
    return partial(trim, 0)
