import numpy as np
import pytest
from numpy.testing import assert_array_equal

from jaxneuro import viz


def test_raster_is_sorted_and_scored(rng):
    activity = rng.poisson(2, (30, 4)).astype(float)
    activity[:, 2] = 3  # silent neurons have no scale
    ax = viz.raster(activity, order=[2, 0, 3, 1], sfreq=10, start=5)
    drawn = np.asarray(ax.images[0].get_array())
    scores = activity - activity.mean(0)
    scores[:, [0, 1, 3]] /= scores[:, [0, 1, 3]].std(0)
    np.testing.assert_allclose(drawn, scores.T[[2, 0, 3, 1]])
    assert ax.get_xlim() == (5, 8)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Time (s)", "Neuron, sorted")
    assert viz.raster(activity).get_xlabel() == "Time (bins)"


def test_sorting_puts_neurons_of_a_kind_together(rng):
    course = rng.standard_normal((2, 300))
    kind = np.array([0, 1] * 5)
    activity = course[kind].T + 0.3 * rng.standard_normal((300, 10))
    order = viz.sort_rows(activity)
    assert sorted(order) == list(range(10))
    changes = np.abs(np.diff(kind[order])).sum()
    assert changes <= 2  # of a circle that is cut somewhere


def test_correlations_have_a_white_diagonal(rng):
    values = np.corrcoef(rng.standard_normal((4, 20)))
    values[1] = values[:, 1] = np.nan
    ax = viz.neuron_correlation(values, title="Signal")
    drawn = np.ma.filled(ax.images[0].get_array(), np.nan)
    assert np.isnan(np.diag(drawn)).all()
    off = ~np.eye(4, dtype=bool)
    assert_array_equal(drawn[off], values[off])
    low, high = ax.images[0].get_clim()
    assert high == -low == np.nanmax(abs(values[off]))
    assert ax.get_title() == "Signal"


def test_oracle_against_variance():
    oracle = np.array([0.1, 0.5, np.nan, 0.7])
    kept, odd = [False, True, False, True], [False, False, True, True]
    ax = viz.oracle_variance(oracle, [1, 2, 3, 4], selected=kept, outlier=odd)
    rest, chosen, rings = (part.get_offsets().tolist() for part in ax.collections)
    assert rest == [[1, 0.1]]
    assert chosen == [[2, 0.5], [4, 0.7]]
    assert rings == [[4, 0.7]]
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["others, 1 undefined", "selected, 2 of 4", "outlier"]
    assert viz.oracle_variance([0.1, 0.2], [1, 2]).get_legend() is None


def test_errors(rng):
    with pytest.raises(ValueError, match="activity has shape .* must be two-dim"):
        viz.raster(rng.random(5))
    with pytest.raises(ValueError, match="order has 2 entries but must hold each of"):
        viz.raster(rng.random((5, 3)), order=[0, 1])
    with pytest.raises(ValueError, match="activity has shape .* must be two-dim"):
        viz.sort_rows(rng.random(5))
    with pytest.raises(ValueError, match=r"correlation has shape \(2, 3\) but"):
        viz.neuron_correlation(rng.random((2, 3)))
    with pytest.raises(ValueError, match=r"variance has shape \(3,\) but oracle"):
        viz.oracle_variance([0.1, 0.2], [1, 2, 3])
