import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

from jaxneuro.estimators import outlier_targets


@pytest.fixture
def counts(rng):
    counts = rng.poisson(3.0, (6, 40, 30)).astype(np.float32)
    counts[..., [4, 17]] *= np.array([7, 9], np.float32)
    return counts


def test_equals_the_forest_on_mean_responses(counts):
    """Neurons as samples, stimuli as features, seed and threshold as given."""
    counts[5, 3:] = np.nan
    forest = IsolationForest(n_estimators=50, contamination=0.1, random_state=42)
    expected = forest.fit_predict(np.nanmean(counts, axis=0, dtype=float).T) < 0
    options = {"n_estimators": 50, "contamination": 0.1, "random_state": 42}
    found = outlier_targets(counts, **options)
    np.testing.assert_array_equal(found, expected)
    assert found[[4, 17]].all()
    assert found.sum() == 3
    assert outlier_targets(counts)[[4, 17]].all()


def test_missing_responses(counts):
    """Not shown to anybody: left out; shown to others: an outlier, or no spike."""
    counts[:, 7] = np.nan
    assert outlier_targets(counts, contamination=0.07)[[4, 17]].all()
    counts[:, 9, 2] = np.nan
    with pytest.warns(UserWarning, match=r"1 of 30 targets lack .*first: \[2\]"):
        found = outlier_targets(counts, contamination=0.07)
    assert found[[2, 4, 17]].all()
    assert not outlier_targets(counts, contamination=0.07, missing="zero")[2]


def test_bad_input(counts):
    with pytest.raises(ValueError, match="responses has shape .40, 30. but must be"):
        outlier_targets(counts[0])
    with pytest.raises(ValueError, match="missing is 'drop'"):
        outlier_targets(counts, missing="drop")
