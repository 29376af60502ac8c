import numpy as np
import pytest


def spikes(rng, n_repeats=6, n_stimuli=15, n_targets=5):
    """Poisson counts of neurons from silent to lively."""
    rates = rng.gamma(1.0, 1.0, (n_stimuli, n_targets)) * (1 + np.arange(n_targets))
    return rng.poisson(rates, (n_repeats, n_stimuli, n_targets)).astype(float)


@pytest.fixture
def counts(rng):
    return spikes(rng)


@pytest.fixture
def ragged(counts):
    """Stimuli shown six, five, … times; one of them once, one never."""
    cube = counts.copy()
    for stimulus in range(cube.shape[1]):
        cube[6 - stimulus % 4 :, stimulus] = np.nan
    cube[1:, 3] = np.nan
    cube[:, 7] = np.nan
    return cube


@pytest.fixture
def oracle(shared):
    """Numbers of the reference programs."""
    with np.load(shared / "golden" / "oracle" / "oracle.npz") as archive:
        return dict(archive)
