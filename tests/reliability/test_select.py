import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from jaxneuro import reliability


def test_golden(oracle, x64):
    counts = oracle["counts"].transpose(1, 0, 2).astype(float)
    for name, expected in [
        ("entropy", "entropy"),
        ("variance", "variance_ddof1"),
        ("gini", "gini"),
    ]:
        assert_allclose(getattr(reliability, name)(counts), oracle[expected], atol=1e-9)


def test_entropy_counts_equal_means(ragged, tol):
    found = reliability.entropy(ragged)
    means = np.nansum(ragged, 0) / np.maximum((~np.isnan(ragged)).sum(0), 1)
    for target in range(ragged.shape[2]):
        seen = ~np.isnan(ragged[..., target]).all(0)
        _, sizes = np.unique(means[seen, target], return_counts=True)
        assert_allclose(found[target], stats.entropy(sizes), **tol)
    assert_allclose(reliability.entropy(np.full((2, 4, 1), 0.3)), 0, atol=1e-7)
    spread = np.arange(8.0).reshape(1, 8, 1)
    assert_allclose(reliability.entropy(spread), np.log(8), rtol=1e-6)


def test_gini_of_few_and_of_equal(tol):
    cube = np.zeros((2, 5, 2))
    cube[0, 0, 0] = 9
    cube[:, :, 1] = 4
    assert_allclose(reliability.gini(cube), [0.9, 0], **tol)
    with pytest.warns(UserWarning, match="Gini coefficient is undefined .* 1 of 1"):
        assert np.isnan(reliability.gini(np.zeros((2, 5, 1)))).all()


def test_target_correlation(counts, tol):
    signal = reliability.target_correlation(counts)
    assert_allclose(signal, np.corrcoef(counts.mean(0).T), **tol)
    away = (counts - counts.mean(0)).reshape(-1, counts.shape[2])
    noise = reliability.target_correlation(counts, kind="noise")
    assert_allclose(noise, np.corrcoef(away.T), **tol)


def test_target_correlation_with_missing_repeats(ragged, tol):
    ragged[:, :, 4] = 3.7
    known = ~np.isnan(ragged[0, :, 0])
    means = np.nanmean(ragged[:, known], 0)
    signal = reliability.target_correlation(ragged)
    assert np.isnan(signal[4]).all()
    assert_allclose(signal[:4, :4], np.corrcoef(means[:, :4].T), **tol)
    noise = reliability.target_correlation(ragged, kind="noise")
    more = known & ((~np.isnan(ragged[:, :, 0])).sum(0) > 1)
    away = (ragged[:, more] - np.nanmean(ragged[:, more], 0)).reshape(-1, 5)
    away = away[~np.isnan(away[:, 0])]
    assert_allclose(noise[:4, :4], np.corrcoef(away[:, :4].T), **tol)


def test_select_equals_the_quantiles(rng):
    oracle, variance = rng.standard_normal((2, 135))
    oracle[[5, 9]] = np.nan
    kept = np.asarray(reliability.select([oracle, variance], [0.6, 0.5]))
    expected = (oracle > np.nanquantile(oracle, 0.6)) & (
        variance > np.quantile(variance, 0.5)
    )
    np.testing.assert_array_equal(kept, expected)
    assert not kept[[5, 9]].any()


def test_errors(counts):
    with pytest.raises(ValueError, match="quantiles has 1 entries but criteria has 2"):
        reliability.select([[1.0], [2.0]], [0.5])
    with pytest.raises(
        ValueError, match=r"quantiles holds 1.5 but must be from 0 to 1"
    ):
        reliability.select([[1.0, 2.0]], [1.5])
    with pytest.raises(ValueError, match=r"criteria have \[1, 2\] targets"):
        reliability.select([[1.0], [2.0, 3.0]], [0.5, 0.5])
    with pytest.raises(ValueError, match="kind is 'total' but must be one of"):
        reliability.target_correlation(counts, kind="total")
