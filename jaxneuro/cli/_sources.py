"""Recordings of the demo, or simulated data where one cannot be had."""

import sys
from collections.abc import Callable
from typing import TypeVar

import jax
import numpy as np

from .. import simulate
from .report import Source

__all__ = ["SIMULATED", "available", "simulated_trials"]

T = TypeVar("T")

SIMULATED = Source(
    kind="simulated",
    description="Known-truth simulation: sounds modulated like natural ones, responses "
    "by planted receptive fields with added noise. The recording meant for this "
    "section was not available.",
)


def available(what: str, load: Callable[[], T]) -> T | None:
    """Load a recording; where it cannot be had, say so and return None."""
    try:
        return load()
    except (ImportError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        print(
            f"{what} cannot be had, simulated data take its place: {reason}",
            file=sys.stderr,
        )
        return None


def simulated_trials(*, fast: bool) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Simulate stimuli of 32 or 8 bands and responses of 10 channels, at 100 Hz."""
    n_bands, duration = (8, 10.0) if fast else (32, 30.0)
    resp, spec = simulate.reconstruction(
        jax.random.key(0), n_trials=10, n_bands=n_bands, duration=duration
    )
    return [np.asarray(x) for x in spec], [np.asarray(x) for x in resp]
