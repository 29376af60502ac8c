import jax
import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
from numpy.testing import assert_allclose, assert_array_equal

from jaxneuro import glm
from jaxneuro.glm import _cluster_test

N, SHAPE, P = 12, (6, 5, 7), 40
MASK = np.ones(SHAPE, bool)
MASK[0, :2] = False
EDGES = glm.volume_edges(MASK)


@pytest.fixture
def maps(rng, dtype):
    """Smooth noise, with a blob that grows with the second half of the rows."""
    noise = scipy.ndimage.gaussian_filter(
        rng.standard_normal((N, *SHAPE)), (0, 0.8, 0.8, 0.8)
    )
    noise /= noise.std()
    noise[N // 2 :, 2:5, 1:4, 2:5] += 2.5
    return noise[:, MASK].astype(dtype)


HALVES = np.repeat([0.0, 1.0], N // 2)


def t_maps(Y, x, orders):
    """t of x beside an intercept, rows of the design shuffled."""
    Y = np.asarray(Y, np.float64)
    Y = Y - Y.mean(0)
    x = (x - x.mean()) / np.linalg.norm(x - x.mean())
    b = x[orders] @ Y
    return b * np.sqrt((N - 2) / ((Y**2).sum(0) - b**2))


@pytest.fixture
def orders(rng):
    return rng.permuted(np.tile(np.arange(N), (P, 1)), axis=1)


@pytest.mark.parametrize("two_sided", [True, False])
def test_clusters_under_shuffles(maps, orders, monkeypatch, two_sided):
    monkeypatch.setattr(_cluster_test, "_ELEMENTS", 7 * maps.shape[1])
    options = {"p_threshold": 0.05, "two_sided": two_sided}
    result = glm.cluster_test(maps, HALVES, EDGES, permutations=orders, **options)
    threshold = scipy.stats.t.isf(0.025 if two_sided else 0.05, N - 2)
    assert_allclose(result.threshold, threshold, rtol=1e-12)
    extent, mass = np.zeros(P), np.zeros(P)
    for i, t in enumerate(t_maps(maps, HALVES, orders)):
        found = glm.clusters(t, EDGES, threshold, two_sided=two_sided)
        extent[i], mass[i] = found.extent.max(initial=0), found.mass.max(initial=0)
    assert_array_equal(result.null_extent, extent)
    assert_allclose(result.null_mass, mass, rtol=1e-4, atol=1e-4)
    t = t_maps(maps, HALVES, np.arange(N)[None])[0]
    assert_allclose(result.stat, t, rtol=1e-4, atol=1e-5)
    found = glm.clusters(t, EDGES, threshold, two_sided=two_sided)
    assert_array_equal(result.clusters.label, found.label)
    for name in ("extent", "mass"):
        null = getattr(result, f"null_{name}")
        reached = (null >= getattr(found, name)[:, None] * (1 - 1e-5)).sum(1)
        p = getattr(result, f"p_{name}")
        assert_allclose(p, (1 + reached) / (1 + P), rtol=1e-12)
    assert result.p_mass[0] < 0.05


@pytest.mark.parametrize("n_steps", [None, 50])
def test_enhanced_maps_under_shuffles(maps, orders, n_steps):
    result = glm.tfce_test(maps, HALVES, EDGES, permutations=orders, n_steps=n_steps)
    t = t_maps(maps, HALVES, np.vstack([np.arange(N), orders]))
    scores = np.array([glm.tfce(row, EDGES, n_steps=n_steps) for row in t])
    # A step more or less under float32 rounding of the largest t moves a score.
    close = 1e-4 if n_steps is None else 0.03
    assert_allclose(result.score, scores[0], rtol=close, atol=close * scores.max())
    null = np.abs(scores[1:]).max(1)
    assert_allclose(result.null, null, rtol=close)
    reached = (result.null >= np.abs(result.score)[:, None] * (1 - 1e-4)).sum(1)
    assert_allclose(result.p_corrected, (1 + reached) / (1 + P), rtol=1e-12)
    blob = np.zeros(SHAPE, bool)
    blob[3, 2, 3] = True
    assert result.p_corrected[blob[MASK]] < 0.05


def test_sign_flips_with_a_covariate(rng, maps):
    age = rng.standard_normal(N)
    Y = maps.copy()
    Y[:, 4] = np.nan
    with pytest.warns(UserWarning, match="1 of 196 targets are NaN"):
        result = glm.tfce_test(
            Y,
            np.ones(N),
            EDGES,
            confounds=age,
            key=jax.random.key(0),
            n_permutations=30,
        )
    assert result.null.shape == (30,)
    assert np.isnan(result.score).sum() == np.isnan(result.p_corrected).sum() == 1


def test_error_over_clusters_is_nominal(rng, dtype):
    line = np.column_stack([np.arange(39), np.arange(1, 40)])
    n_sets, hits = 60, np.zeros(3)
    for index in range(n_sets):
        noise = scipy.ndimage.gaussian_filter1d(rng.standard_normal((10, 40)), 1.5)
        arguments = noise.astype(dtype), np.ones(10), line
        options = {"key": jax.random.key(index), "n_permutations": 59}
        found = glm.cluster_test(*arguments, p_threshold=0.05, **options)
        raised = glm.tfce_test(*arguments, **options)
        p = found.p_extent, found.p_mass, raised.p_corrected
        hits += [(values <= 0.05).any() for values in p]
    # Ties of extents make its test conservative, so it is bounded above only.
    spread = 4 * np.sqrt(0.05 * 0.95 / n_sets)
    assert (hits / n_sets < 0.05 + spread).all()
    assert (hits[1:] / n_sets > 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"p_threshold": 1.5}, "p_threshold is 1.5 but must be between 0 and 1"),
        ({"edges": np.array([[0, 900]])}, "edges names target 900 but there are"),
        (
            {"tested": np.ones((N, 2))},
            r"tested has shape \(12, 2\) but must be one-dim",
        ),
    ],
)
def test_bad_input(maps, options, message):
    given = {"edges": EDGES, "tested": HALVES, "key": jax.random.key(0)} | options
    with pytest.raises(ValueError, match=message):
        glm.cluster_test(maps, **given)


def test_bad_steps(maps):
    with pytest.raises(ValueError, match="n_steps is 0 but must be positive"):
        glm.tfce_test(maps, HALVES, EDGES, n_steps=0, key=jax.random.key(0))
