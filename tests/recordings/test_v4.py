import jax
import numpy as np
import pytest

from jaxneuro import reliability

pytestmark = pytest.mark.slow


@pytest.fixture
def counts(shared):
    """Fifty neurons of V4, 640 images shown six to ten times."""
    with np.load(shared / "data" / "v4_natural_images" / "v4_210325.npz") as archive:
        cube = archive["counts"].astype(np.float32)
    return np.where(cube < 0, np.nan, cube)


def test_oracle_of_v4(counts):
    """The figures that come with the recording."""
    oracle = np.asarray(reliability.oracle_correlation(counts))
    found = np.percentile(oracle, [0, 50, 90, 100])
    np.testing.assert_allclose(found, [0.26, 0.47, 0.65, 0.77], atol=0.006)


def test_split_half_of_v4(counts):
    """Those of one split, which the mean of many may miss by a little."""
    key = jax.random.key(0)
    half = reliability.split_half(counts, key=key, corrected=False)
    found = np.percentile(np.asarray(half), [0, 50, 100])
    np.testing.assert_allclose(found, [0.34, 0.63, 0.88], atol=0.03)
