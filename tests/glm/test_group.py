import jax
import numpy as np
import pytest
import scipy.stats
from numpy.testing import assert_allclose

from jaxneuro import glm


@pytest.fixture
def maps(rng, dtype):
    return (rng.standard_normal((9, 7)) + 0.5).astype(dtype)


def test_one_sample(maps, tol):
    result = glm.one_sample(maps)
    expected = scipy.stats.ttest_1samp(maps.astype(float), 0, alternative="greater")
    assert_allclose(result.stat[0], expected.statistic, **tol)
    assert_allclose(result.p_value[0], expected.pvalue, **tol)
    assert_allclose(result.effect[0], maps.mean(0), **tol)
    assert_allclose(result.variance[0], maps.var(0, ddof=1) / 9, **tol)
    assert np.all(np.equal(result.dof, 8))


@pytest.mark.parametrize("on_device", [False, True])
def test_two_samples(rng, maps, dtype, tol, on_device):
    others = (2 * rng.standard_normal((6, 7))).astype(dtype)
    groups = (jax.numpy.asarray(maps), others) if on_device else (maps, others)
    result = glm.two_sample(*groups)
    expected = scipy.stats.ttest_ind(maps.astype(float), others.astype(float))
    assert_allclose(result.stat[0], expected.statistic, **tol)
    assert_allclose(result.effect[0], maps.mean(0) - others.mean(0), **tol)
    assert np.all(np.equal(result.dof, 13))


def test_pairs_are_differences(rng, maps, dtype, tol):
    others = (maps + 0.3 + rng.standard_normal(maps.shape)).astype(dtype)
    expected = scipy.stats.ttest_rel(maps.astype(float), others.astype(float))
    result = glm.one_sample(maps - others)
    assert_allclose(result.stat[0], expected.statistic, **tol)


@pytest.mark.parametrize("weights", [[0, 1, 0, 0], [1, -1, 0, 0], [0.5, 0, 2, -1]])
def test_parts_of_a_contrast_give_its_t(rng, weights, x64):
    X = np.column_stack([np.ones(20), rng.standard_normal((20, 3))])
    Y = rng.standard_normal((20, 5)) + X @ rng.standard_normal((4, 5))
    tested, confounds = glm.partition(X, weights)
    both = np.column_stack([tested, confounds])
    assert np.linalg.matrix_rank(np.column_stack([X, both])) == 4
    coef = np.linalg.lstsq(X, Y)[0]
    assert_allclose(np.linalg.lstsq(both, Y)[0][0], weights @ coef, rtol=1e-10)
    expected = glm.t_contrast(glm.fit(X, Y), weights)
    result = glm.permutation_test(
        Y,
        tested,
        confounds=confounds,
        fit_intercept=False,
        key=jax.random.key(0),
        n_permutations=20,
    )
    assert_allclose(result.stat, expected.stat, rtol=1e-9)
    assert np.all(np.equal(result.dof, expected.dof))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: glm.one_sample(m[:1]), "maps has 1 maps but at least 2 are needed"),
        (lambda m: glm.one_sample(m[0]), r"maps has shape \(7,\) but must be two-dim"),
        (lambda m: glm.two_sample(m, m[:0]), "others has 0 maps but at least 1 are"),
        (lambda m: glm.two_sample(m, m[:, :3]), "others has 3 targets but maps has 7"),
        (lambda m: glm.partition(m, [1, 0]), r"weights has shape \(2,\) but must be"),
        (lambda m: glm.partition(m, np.zeros(7)), "not all zero"),
        (
            lambda m: glm.partition(np.ones((9, 2)), [1, 0]),
            "X has 2 columns of rank 1; drop the columns",
        ),
    ],
)
def test_bad_input(maps, call, message):
    with pytest.raises(ValueError, match=message):
        call(maps)
