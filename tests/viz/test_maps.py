import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from numpy.testing import assert_allclose

from jaxneuro import viz

SHAPE = (8, 10, 6)
AFFINE = np.array([[-3.0, 0, 0, 12], [0, 3, 0, -15], [0, 0, 4, -8], [0, 0, 0, 1]])
SHADE = to_rgb("#D4D4D4")


@pytest.fixture
def volume(rng):
    values = rng.uniform(-1, 1, SHAPE)
    values[0], values[:, 0], values[2, 3, 2], values[5, 5, 4] = np.nan, np.nan, 6, -4
    return values


def shown(ax):
    """Values of the upper image from left to right, bottom up."""
    return np.ma.filled(ax.images[-1].get_array(), np.nan)


def test_threshold_and_colours(volume, inside):
    axes = viz.map_mosaic(volume, threshold=2.0, n_slices=6, label="t", title="A - B")
    values = np.stack([shown(ax) for ax in axes.flat])
    assert_allclose(sorted(values[np.isfinite(values)]), [-4, 6])
    image = axes.flat[0].images[-1]
    assert_allclose(image.get_clim(), (-6, 6))
    # Below the threshold the bar has the shade of the brain, above it colours.
    for value in (-1.9, 0.0, 1.9):
        assert_allclose(image.to_rgba([value])[0, :3], SHADE, atol=0.01)
    red, blue = image.to_rgba([5.0, -5.0])[:, :3]
    assert red[0] > red[2] + 0.3
    assert blue[2] > blue[0] + 0.3
    pale, strong = image.to_rgba([2.2, 6.0])[:, :3]
    assert np.linalg.norm(pale - SHADE) > 0.2
    assert strong.sum() < pale.sum()
    bar = axes.flat[0].figure.axes[-1]
    assert bar.get_ylabel() == "t"
    assert_allclose(bar.get_yticks(), [-6, -2, 2, 6])
    assert axes.flat[0].figure.get_suptitle() == "A - B"
    inside(axes.flat[0])


def test_shade_shows_the_brain(volume):
    (ax,) = viz.map_mosaic(volume, threshold=2.0, slices=[3]).flat
    shade = ax.images[0].get_array()
    assert_allclose(np.isnan(np.ma.filled(shade, np.nan)), np.isnan(volume[:, :, 3].T))


def test_patient_left_is_on_the_left(volume):
    """The affine counts x downwards: the stored order is turned round."""
    axes = viz.map_mosaic(volume, affine=AFFINE, slices=[2, 4])
    assert_allclose(shown(axes[0, 0]), volume[::-1, :, 2].T)
    assert [ax.get_title() for ax in axes.flat] == ["z = 0 mm", "z = 8 mm"]
    assert [text.get_text() for text in axes[0, 0].texts] == ["L", "R"]
    assert not list(axes[0, 1].texts)
    # A voxel at x = 6 mm stands right of the middle.
    column = np.argwhere(shown(axes[0, 0]) == 6)[0, 1]
    assert column == SHAPE[0] - 1 - 2


def test_axes_of_space_may_be_stored_in_any_order(volume):
    turned = volume.transpose(2, 0, 1)
    affine = np.column_stack([AFFINE[:, 2], AFFINE[:, 0], AFFINE[:, 1], AFFINE[:, 3]])
    one = viz.map_mosaic(volume, affine=AFFINE, slices=[1], axis=1)
    two = viz.map_mosaic(turned, affine=affine, slices=[1], axis=1)
    assert_allclose(shown(one[0, 0]), shown(two[0, 0]))
    assert one[0, 0].get_title() == two[0, 0].get_title() == "y = -12 mm"
    assert one[0, 0].get_aspect() == pytest.approx(4 / 3)
    side = viz.map_mosaic(volume, affine=AFFINE, slices=[1], axis=0)
    assert side[0, 0].get_title() == "x = -6 mm"
    assert not list(side[0, 0].texts)


def test_maps_without_sign_and_background(volume):
    background = np.linspace(0, 100, volume.size).reshape(SHAPE)
    axes = viz.map_mosaic(
        volume**2, threshold=9.0, background=background, n_slices=4, limit=30.0
    )
    image = axes.flat[0].images[-1]
    assert_allclose(image.get_clim(), (0, 30))
    bar = axes.flat[0].figure.axes[-1]
    assert_allclose(bar.get_yticks(), [0, 9, 30])
    grey = np.ma.filled(axes.flat[1].images[0].get_array(), np.nan)
    assert_allclose(np.nanmax(grey), background[-1, -1, :].max(), rtol=0.1)


def test_nothing_above_the_threshold(volume):
    axes = viz.map_mosaic(volume, threshold=10.0, n_slices=3)
    assert all(np.isnan(shown(ax)).all() for ax in axes.flat)
    assert_allclose(axes.flat[0].images[-1].get_clim(), (-11, 11))


def test_slices_lie_between_the_caps():
    values = np.full((10, 10, 40), np.nan)
    values[5, 5, :4] = 1.0  # a stalk
    values[2:8, 2:8, 4:30] = 1.0
    axes = viz.map_mosaic(values, n_slices=5)
    names = [int(ax.get_title().split()[1]) for ax in axes.flat]
    assert names[0] >= 4
    assert names[-1] <= 29
    assert_allclose(np.diff(names), names[1] - names[0], atol=1)


@pytest.mark.parametrize("n_slices", [1, 6, 7, 12])
def test_panels(volume, inside, n_slices):
    volume = np.repeat(volume, 3, axis=2)
    axes = viz.map_mosaic(volume, n_slices=n_slices)
    assert axes.size - n_slices in (0, 1)
    assert sum(bool(ax.images) for ax in axes.flat) == n_slices
    inside(axes.flat[0])
    _, given = plt.subplots(1, n_slices, squeeze=False)
    assert viz.map_mosaic(volume, n_slices=n_slices, ax=given) is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"volume": np.ones((2, 3))}, "volume has shape .* must be three-dimensional"),
        ({"volume": np.zeros(SHAPE)}, "volume holds no value other than zero and NaN"),
        ({"axis": 3}, "axis is 3 but must be one of"),
        ({"slices": [6]}, r"slices holds \[6\] but must hold numbers from 0 to 5"),
        ({"slices": []}, r"slices holds \[\]"),
        ({"n_slices": 0}, "n_slices is 0 but must be positive"),
        ({"background": np.ones(3)}, r"background has shape \(3,\) but the map has"),
        ({"affine": np.eye(3)}, r"affine has shape \(3, 3\) but must be \(4, 4\)"),
    ],
)
def test_errors(volume, options, message):
    with pytest.raises(ValueError, match=message):
        viz.map_mosaic(**{"volume": volume, **options})


def test_distribution_beside_noise(rng, inside):
    z = np.append(rng.standard_normal(20_000), np.nan)
    ax = viz.z_histogram(z, threshold=3.0, title="Faces")
    assert ax.get_xlabel() == "z value"
    curve = next(line for line in ax.lines if line.get_label() == "Noise alone")
    heights = np.array([bar.get_height() for bar in ax.patches])
    middles = np.array([bar.get_x() + bar.get_width() / 2 for bar in ax.patches])
    near = np.abs(middles) < 2
    expected = np.interp(middles[near], *curve.get_data())
    assert_allclose(heights[near], expected, rtol=0.25)
    dashed = [line.get_xdata() for line in ax.lines if line.get_linestyle() == "--"]
    assert [x[0] for x in dashed if len(x)] == [-3.0, 3.0]
    inside(ax)
    with pytest.raises(ValueError, match="z_score holds no finite value"):
        viz.z_histogram([np.nan])
