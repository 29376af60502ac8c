"""Real recordings, read from the folder of reference data."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def recordings():
    """Arrays of each recording that was read already."""
    return {}


@pytest.fixture
def load(shared, recordings):
    """Read a recording once."""

    def read(name):
        if name not in recordings:
            with np.load(shared / "data" / name / f"{name}.npz") as file:
                recordings[name] = dict(file)
        return recordings[name]

    return read
