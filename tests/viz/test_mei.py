import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import viz


def test_grid_shows_images_with_their_numbers(rng, inside):
    images = rng.random((8, 9, 14, 1))
    axes = viz.mei_grid(images, responses=np.arange(8.0), contrasts=np.full(8, 0.12))
    assert axes.shape == (2, 6)
    assert axes[1, 1].get_title() == "7"
    assert axes[1, 1].get_xlabel() == "response 7, contrast 0.12"
    assert not axes[1, 2].axison
    for panel, image in zip(axes.flat, images, strict=False):
        drawn = panel.images[0]
        np.testing.assert_array_equal(drawn.get_array(), image[..., 0])
        assert drawn.get_clim() == (images.min(), images.max())
    inside(axes[0, 0])


def test_traces(rng):
    responses = rng.random((5, 3))
    axes = viz.ascent_traces(responses, contrasts=responses / 2, names=list("abc"))
    assert [ax.get_ylabel() for ax in axes] == ["Response", "Contrast"]
    for panel, scale in zip(axes, (1, 2), strict=True):
        drawn = [line.get_ydata() for line in panel.lines]
        assert_allclose(np.transpose(drawn), responses / scale)
    labels = [text.get_text() for text in axes[0].get_legend().get_texts()]
    assert labels == list("abc")
    axes[0].figure.draw_without_rendering()
    assert axes[0].get_legend().get_window_extent().y0 >= axes[0].bbox.y1
    (one,) = viz.ascent_traces(rng.random((5, 20)))
    assert one.get_legend() is None


def test_both_kinds_with_masks(rng, inside):
    images, gabors = rng.random((2, 3, 9, 14))
    mask = np.zeros((9, 14))
    mask[3:6, 4:9] = 1
    axes = viz.mei_beside_gabor(
        images,
        gabors,
        masks=mask,
        responses=[3.0, 2.0, 1.0],
        gabor_responses=[2.5, 1.5, 0.5],
    )
    assert axes.shape == (2, 3)
    assert axes[1, 2].get_xlabel() == "response 0.5"
    np.testing.assert_array_equal(axes[1, 0].images[0].get_array(), gabors[0])
    path = axes[0, 1].collections[0].get_paths()[0].vertices
    assert path.min(0).tolist() == [3.5, 2.5]
    assert path.max(0).tolist() == [8.5, 5.5]
    inside(axes[0, 0])


def test_power_has_axes_in_the_right_unit():
    power = np.zeros((6, 8))
    power[3, 4], power[3, 6] = 100.0, 1.0  # 0 and 2 / 8 cycles per pixel
    ax = viz.log_power(power, pixels_per_degree=4.0, decades=3)
    left, right, low, high = ax.images[0].get_extent()
    centers = left + (np.arange(8) + 0.5) * (right - left) / 8
    assert_allclose([centers[4], centers[6]], [0, 1], atol=1e-12)
    assert (low, high) == pytest.approx((2 * 4 / 6 + 1 / 3, -2 - 1 / 3))
    shown = ax.images[0].get_array()
    assert shown[3, 4] == 2
    assert shown.min() == -1
    assert ax.get_xlabel() == "Horizontal (cycles per degree)"
    assert viz.log_power(power).get_ylabel() == "Vertical (cycles per pixel)"


def test_orientation_curves_are_shares(rng):
    power = rng.random((2, 16))
    ax = viz.orientation_curves(np.pi * np.arange(16) / 16, power, names=["a", "b"])
    for line, row in zip(ax.lines[1:], power, strict=True):
        assert_allclose(line.get_ydata(), row / row.sum())
        assert_allclose(line.get_xdata(), np.arange(16) * 11.25)
    assert len(viz.orientation_curves(np.arange(4.0), rng.random(4)).lines) == 2


def test_bad_input(rng):
    images = rng.random((2, 4, 5))
    with pytest.raises(ValueError, match="images has shape"):
        viz.mei_grid(images[0])
    with pytest.raises(ValueError, match=r"responses has shape \(3,\) but there are 2"):
        viz.mei_grid(images, responses=np.ones(3))
    with pytest.raises(ValueError, match=r"contrasts has shape \(3, 2\)"):
        viz.ascent_traces(np.ones((4, 2)), contrasts=np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"gabors has shape \(1, 4, 5\)"):
        viz.mei_beside_gabor(images, images[:1])
    with pytest.raises(ValueError, match=r"masks has shape \(5, 4\)"):
        viz.mei_beside_gabor(images, images, masks=np.ones((5, 4)))
    with pytest.raises(ValueError, match="pixels_per_degree is -1"):
        viz.log_power(images[0], pixels_per_degree=-1)
    with pytest.raises(ValueError, match="power has 5 orientations but angles has 4"):
        viz.orientation_curves(np.ones(4), np.ones((2, 5)))
