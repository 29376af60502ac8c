import numpy as np
import pytest
import scipy.ndimage
import scipy.sparse
from numpy.testing import assert_allclose
from scipy.sparse.csgraph import connected_components

from jaxneuro import glm


def extents(inside, edges):
    """Extent of the cluster that holds each target."""
    pairs = edges[inside[edges].all(1)]
    ones = np.ones(len(pairs))
    graph = scipy.sparse.coo_array((ones, pairs.T), shape=(inside.size,) * 2)
    label = connected_components(graph, directed=False)[1]
    return np.where(inside, np.bincount(label, inside)[label], 0)


def oracle(t, edges, E, H, n_steps=None):
    """Label the clusters at every height that occurs, or at every step."""
    score = np.zeros(t.size)
    for sign in (1, -1):
        u, low = sign * t, 0.0
        heights = np.unique(u[u > 0])
        if n_steps is not None:
            heights = np.linspace(0, np.abs(t).max(), n_steps + 1)[1:]
        for h in heights:
            area = h**H if n_steps else (h ** (H + 1) - low ** (H + 1)) / (H + 1)
            score += sign * extents(u >= h, edges) ** E * area
            low = h
    return score


@pytest.mark.parametrize("n_steps", [None, 37])
@pytest.mark.parametrize("powers", [(0.5, 2.0), (1.0, 1.5)])
@pytest.mark.parametrize("kind", ["noise", "smooth", "ties"])
def test_equals_labelling_at_every_height(rng, kind, powers, n_steps):
    mask = rng.uniform(size=(8, 7, 6)) > 0.15
    t = rng.standard_normal(mask.shape)
    if kind == "smooth":
        t = scipy.ndimage.gaussian_filter(t, 1.0) * 5
    t = np.round(t, 1 if kind == "ties" else 12)[mask]
    edges = glm.volume_edges(mask, connectivity=18)
    E, H = powers
    got = glm.tfce(t, edges, extent_power=E, height_power=H, n_steps=n_steps)
    expected = oracle(t, edges, E, H, n_steps)
    assert_allclose(got, expected, rtol=1e-10, atol=1e-12 * np.abs(expected).max())


def test_a_long_chain():
    """Each target joins the cluster below it: as deep as a tree of clusters gets."""
    t = np.tile([2.0, 1.0], 500) * np.linspace(1, 2, 1000)
    edges = np.column_stack([np.arange(999), np.arange(1, 1000)])
    assert_allclose(glm.tfce(t, edges), oracle(t, edges, 0.5, 2), rtol=1e-9)


def test_one_sided_and_undefined():
    t = np.array([1.0, 2.0, np.nan, -3.0, -1.0, 0.5])
    edges = np.column_stack([np.arange(5), np.arange(1, 6)])
    got = glm.tfce(t, edges, two_sided=False)
    first = np.sqrt(2) / 3
    expected = [first, first + (8 - 1) / 3, 0, 0, 0, 0.5**3 / 3]
    assert_allclose(got, expected, rtol=1e-12)
    both = glm.tfce(t, edges)
    assert_allclose(both[:3], got[:3], rtol=1e-12)
    assert_allclose(both[3:5], [-(np.sqrt(2) + 26) / 3, -np.sqrt(2) / 3], rtol=1e-12)
    assert_allclose(glm.tfce(np.zeros(6), edges), 0)


def test_steps_approach_the_integral(rng):
    mask = np.ones((6, 6, 6), bool)
    t = scipy.ndimage.gaussian_filter(rng.standard_normal(mask.shape), 1)[mask]
    edges = glm.volume_edges(mask)
    exact = glm.tfce(t, edges)
    width = np.abs(t).max() / 20_000
    stepped = glm.tfce(t, edges, n_steps=20_000) * width
    assert_allclose(stepped, exact, rtol=1e-2, atol=1e-3 * np.abs(exact).max())
