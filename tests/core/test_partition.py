import numpy as np
import pytest

from jaxneuro.core import partition


def test_subsets_come_small_ones_first():
    assert partition.subsets_of(3) == (
        (0,),
        (1,),
        (2,),
        (0, 1),
        (0, 2),
        (1, 2),
        (0, 1, 2),
    )


def test_partition_of_bands_that_share_a_part(tol):
    # Band 0 alone explains 0.5, band 1 alone 0.4, both 0.6: 0.3 is common to both.
    found = partition.partition(np.array([[0.5], [0.4], [0.6]]), 2)
    np.testing.assert_allclose(found.unique, [[0.2], [0.1]], **tol)
    np.testing.assert_allclose(found.common, [[0.2], [0.1], [0.3]], **tol)


@pytest.mark.parametrize(
    ("bands", "message"),
    [
        ([0, 1], r"bands has shape \(2,\) but must be \(3,\)"),
        ([0, 2, 2], r"bands holds \[0, 2\] but must hold the numbers 0, 1, 2"),
        ([0.0, 1.0, 1.0], r"bands holds \[0.0, 1.0\]"),
        ([-1, 0, 1], r"bands holds \[-1, 0, 1\]"),
    ],
)
def test_bands_that_are_none(bands, message):
    with pytest.raises(ValueError, match=message):
        partition.band_numbers(bands, 3)
