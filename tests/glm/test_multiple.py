import jax
import numpy as np
import pytest
import scipy.stats
from numpy.testing import assert_allclose

from jaxneuro import glm


@pytest.mark.parametrize("method", ["bh", "by"])
def test_equals_scipy(rng, dtype, tol, method):
    p = rng.uniform(size=(3, 50)).astype(dtype) ** 2
    expected = scipy.stats.false_discovery_control(p, axis=1, method=method)
    assert_allclose(glm.fdr(p, method=method), expected, **tol)


def test_undefined_targets_are_no_tests(rng, dtype, tol):
    p = rng.uniform(size=40).astype(dtype) ** 3
    holes = p.copy()
    holes[[3, 17, 20]] = np.nan
    keep = np.isfinite(holes)
    for method in ("bh", "by"):
        got = np.asarray(glm.fdr(holes, method=method))
        assert np.isnan(got[~keep]).all()
        expected = scipy.stats.false_discovery_control(p[keep], method=method)
        assert_allclose(got[keep], expected, **tol)
    assert np.isnan(glm.fdr(np.full(4, np.nan, dtype))).all()


def test_share_of_false_discoveries(rng, dtype):
    """A tenth of the targets carries an effect; q keeps its promise on average."""
    shares = []
    for _ in range(100):
        z = rng.standard_normal(500)
        z[:50] += 3
        found = np.asarray(glm.fdr(scipy.stats.norm.sf(z).astype(dtype))) <= 0.1
        shares.append(found[50:].sum() / max(found.sum(), 1))
    # Expected 0.1 x 450 / 500, with a standard error below 0.01.
    assert 0.06 < np.mean(shares) < 0.12


def test_bad_input():
    with pytest.raises(ValueError, match="method is 'storey' but must be one of 'bh'"):
        glm.fdr(np.ones(3), method="storey")
    assert jax.jit(glm.fdr)(np.ones(3)).shape == (3,)
