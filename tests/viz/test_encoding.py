import numpy as np
import pytest
from matplotlib.patches import Rectangle

from jaxneuro import viz


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_receptive_fields_share_a_scale_and_a_marked_pixel(rng):
    fields = rng.standard_normal((5, 6, 8))
    axes = viz.receptive_fields(fields, marked=(4, 2), names=list("abcde"))
    assert [ax.get_title() for ax in axes] == list("abcde")
    limit = abs(fields).max()
    for ax, field in zip(axes, fields, strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), field)
        assert ax.images[0].get_clim() == (-limit, limit)
        (frame,) = (patch for patch in ax.patches if isinstance(patch, Rectangle))
        assert frame.get_xy() == (1.5, 3.5)


def test_sparse_fields_are_black_below_a_threshold(rng):
    field = np.zeros((1, 3, 4))
    field[0, 1, 2], field[0, 0, 0] = 0.6, 0.05
    (ax,) = viz.receptive_fields(field, threshold=0.1)
    assert ax.get_facecolor() == (0, 0, 0, 1)
    shown = ~np.ma.getmaskarray(ax.images[0].get_array())
    assert np.argwhere(shown).tolist() == [[1, 2]]


def test_ceiling_tells_the_share():
    ax = viz.ceiling([0.3, 0.6, np.nan], [0.6, 0.8, 0.9])
    assert labels(ax) == ["median share 0.62, 1 undefined", "ceiling"]
    assert ax.collections[0].get_offsets().tolist() == [[0.6, 0.3], [0.8, 0.6]]
    assert ax.get_ylabel() == "Held-out correlation"


def test_alphas_are_counted_and_ends_marked():
    grid = np.array([1.0, 10.0, 100.0])
    ax = viz.alpha_counts(grid, [1, 1, 9, 10, 100, 120, 90, 1])
    assert [bar.get_height() for bar in ax.patches] == [3, 2, 3]
    first, middle, last = (bar.get_facecolor() for bar in ax.patches)
    assert first == last != middle
    assert ax.get_title() == "75% of targets at the ends of the grid"


def test_band_shares_are_medians(rng):
    shares = rng.random((3, 40))
    ax = viz.band_shares(shares, names=["a", "b", "c"])
    heights = [bar.get_height() for bar in ax.patches]
    np.testing.assert_allclose(heights, np.median(shares, axis=1))
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["a", "b", "c"]


def test_errors(rng):
    with pytest.raises(ValueError, match="fields has shape .* must be three-dim"):
        viz.receptive_fields(rng.random((3, 4)))
    with pytest.raises(ValueError, match=r"marked is \(9, 0\) but the fields have 3"):
        viz.receptive_fields(rng.random((1, 3, 4)), marked=(9, 0))
    with pytest.raises(ValueError, match="ceilings has 3 targets but scores has 2"):
        viz.ceiling([0.1, 0.2], [0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="chosen holds -1 but penalties"):
        viz.alpha_counts([1.0], [-1.0])
    with pytest.raises(ValueError, match="names has 1 entries but the data have 3"):
        viz.band_shares(rng.random((3, 4)), names=["a"])
