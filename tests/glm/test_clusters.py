import numpy as np
import pytest
import scipy.ndimage
from numpy.testing import assert_allclose, assert_array_equal

from jaxneuro import glm

SHAPE = (7, 6, 5)


@pytest.fixture
def mask(rng):
    return rng.uniform(size=SHAPE) > 0.2


@pytest.fixture
def volume(rng, mask):
    smooth = scipy.ndimage.gaussian_filter(rng.standard_normal(SHAPE), 0.7)
    return np.where(mask, smooth / smooth.std(), 0)


@pytest.mark.parametrize(("connectivity", "order"), [(6, 1), (18, 2), (26, 3)])
def test_edges_of_a_volume(mask, connectivity, order):
    edges = glm.volume_edges(mask, connectivity=connectivity)
    voxels = np.argwhere(mask)
    step = np.abs(voxels[:, None] - voxels[None])
    near = (step.max(2) == 1) & (step.sum(2) <= order)
    assert_array_equal(np.unique(np.sort(edges), axis=0), np.argwhere(np.triu(near)))
    assert len(edges) == np.triu(near).sum()


def test_edges_of_a_mesh():
    faces = np.array([[0, 1, 2], [2, 1, 3], [3, 4, 2]])
    expected = [[0, 1], [0, 2], [1, 2], [1, 3], [2, 3], [2, 4], [3, 4]]
    assert_array_equal(glm.mesh_edges(faces), expected)


@pytest.mark.parametrize("two_sided", [True, False])
@pytest.mark.parametrize(("connectivity", "order"), [(6, 1), (26, 3)])
def test_clusters_are_those_of_ndimage(mask, volume, connectivity, order, two_sided):
    edges = glm.volume_edges(mask, connectivity=connectivity)
    found = glm.clusters(volume[mask], edges, 1.1, two_sided=two_sided)
    structure = scipy.ndimage.generate_binary_structure(3, order)
    expected = []
    for sign in (1, -1) if two_sided else (1,):
        labels, n = scipy.ndimage.label(sign * volume > 1.1, structure)
        for cluster in range(1, n + 1):
            inside = labels == cluster
            mass = (np.abs(volume[inside]) - 1.1).sum()
            peak = np.argmax(np.where(inside, sign * volume, -9)[mask])
            expected.append((mass, inside.sum(), peak, sign, inside[mask]))
    expected.sort(key=lambda item: -item[0])
    assert len(expected) > 1
    mass, extent, peak, sign, inside = zip(*expected, strict=True)
    assert_allclose(found.mass, mass, rtol=1e-12)
    assert_array_equal(found.extent, extent)
    assert_array_equal(found.peak, peak)
    assert_array_equal(found.sign, sign)
    for index, members in enumerate(inside):
        assert_array_equal(found.label == index + 1, members)


def test_nothing_beyond_the_threshold():
    found = glm.clusters(np.array([0.1, np.nan, -0.2]), np.array([[0, 1], [1, 2]]), 3.0)
    assert_array_equal(found.label, 0)
    assert found.extent.shape == found.mass.shape == found.peak.shape == (0,)


PAIRS = np.array([[0, 1]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: glm.volume_edges(np.ones((2, 2))), r"mask has shape \(2, 2\)"),
        (lambda: glm.volume_edges(np.zeros((2, 2, 2))), "mask is empty"),
        (
            lambda: glm.volume_edges(np.ones((2, 2, 2)), connectivity=8),
            "connectivity is 8 but must be 6, 18 or 26",
        ),
        (lambda: glm.mesh_edges(np.ones((2, 4), int)), r"faces has shape \(2, 4\)"),
        (lambda: glm.clusters(np.ones((2, 2)), PAIRS, 1.0), r"stat has shape \(2, 2\)"),
        (lambda: glm.clusters(np.ones(2), PAIRS, 0.0), "threshold is 0 but must be po"),
        (lambda: glm.clusters(np.ones(1), PAIRS, 1.0), "edges names target 1 but ther"),
        (
            lambda: glm.clusters(np.ones(2), np.ones((2, 2)), 1.0),
            r"edges has shape \(2, 2\) and dtype float64 but must be pairs",
        ),
        (lambda: glm.tfce(np.ones(2), PAIRS, n_steps=0), "n_steps is 0 but must be"),
        (
            lambda: glm.tfce(np.ones(2), PAIRS, extent_power=-1),
            "extent_power is -1 but must be positive",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
