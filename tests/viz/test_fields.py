import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import viz
from jaxneuro.signal import Lags

LAGS = Lags(-0.1, 0.2, sfreq=100)  # 31 lags


def test_trf_is_symmetric_around_zero(rng, inside):
    coef = rng.standard_normal((5, 31))
    coef[2, 3] = -7.0
    ax = viz.trf(coef, LAGS, frequencies=[100, 200, 300, 500, 900], title="Cell")
    (drawn,) = ax.images
    assert_allclose(drawn.get_array(), coef)
    assert_allclose(drawn.get_clim(), (-7.0, 7.0))
    assert_allclose(drawn.get_extent(), (-105, 205, -0.5, 4.5))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Lag (ms)", "Frequency (Hz)")
    assert ax.get_title() == "Cell"
    bar = ax.figure.axes[1]
    assert bar.get_ylabel() == "Weight (a.u.)"
    inside(ax)


@pytest.mark.parametrize("shape", [(31,), (1, 31)])
def test_one_feature_is_a_line(rng, inside, shape):
    coef = rng.standard_normal(shape)
    ax = viz.trf(coef, LAGS, label="Gain (Hz/dB)")
    line = ax.lines[-1]
    assert_allclose(line.get_xdata(), 1e3 * LAGS.times)
    assert_allclose(line.get_ydata(), coef.ravel())
    assert ax.get_ylabel() == "Gain (Hz/dB)"
    assert_allclose(ax.get_ylim()[0], -ax.get_ylim()[1])
    inside(ax)


@pytest.mark.parametrize("coef", [np.zeros((2, 31)), np.full((2, 31), np.nan)])
def test_empty_field(coef):
    ax = viz.trf(coef, LAGS)
    assert ax.images[0].get_clim() == (-1.0, 1.0)


@pytest.mark.parametrize("n_targets", [1, 2, 7, 30])
@pytest.mark.parametrize("n_features", [1, 4])
def test_grid_shares_its_limits(rng, inside, n_targets, n_features):
    coef = rng.standard_normal((n_targets, n_features, 31))
    axes = viz.trf_grid(coef, LAGS)
    shown, empty = axes.flat[:n_targets], axes.flat[n_targets:]
    limit = np.abs(coef).max()
    for index, ax in enumerate(shown):
        assert ax.get_title() == str(index)
        if n_features > 1:
            assert_allclose(ax.images[0].get_clim(), (-limit, limit))
            assert_allclose(ax.images[0].get_array(), coef[index])
        else:
            assert_allclose(ax.get_ylim(), (-1.08 * limit, 1.08 * limit))
    assert not any(ax.axison for ax in empty)
    corner = shown[(n_targets - 1) // axes.shape[1] * axes.shape[1]]
    assert corner.get_xlabel() == "Lag (ms)"
    assert corner.get_ylabel() == ("Feature" if n_features > 1 else "Weight (a.u.)")
    inside(corner)


def test_grid_on_given_axes(rng):
    coef = rng.standard_normal((3, 4, 31))
    _, given = plt.subplots(1, 3)
    axes = viz.trf_grid(coef, LAGS, names=["A1", "A2", "A3"], limit=2.0, ax=given)
    assert list(axes) == list(given)
    assert [ax.get_title() for ax in given] == ["A1", "A2", "A3"]
    assert given[2].images[0].get_clim() == (-2.0, 2.0)


def test_grid_columns(rng):
    coef = rng.standard_normal((6, 2, 31))
    assert viz.trf_grid(coef, LAGS, n_columns=2).shape == (3, 2)
    assert viz.trf_grid(coef, LAGS).shape == (2, 3)


def test_errors(rng):
    coef = rng.standard_normal((3, 4, 31))
    with pytest.raises(ValueError, match="coef has 30 lags but lags has 31"):
        viz.trf(coef[0, :, :-1], LAGS)
    with pytest.raises(ValueError, match="coef has shape .* one-dim.* or two-dim"):
        viz.trf(coef, LAGS)
    with pytest.raises(ValueError, match="coef has shape .* must be three-dim"):
        viz.trf_grid(coef[0], LAGS)
    with pytest.raises(ValueError, match="names has 1 entries but the data have 3"):
        viz.trf_grid(coef, LAGS, names=["a"])
    with pytest.raises(ValueError, match="ax holds 2 Axes but the figure has 3 panels"):
        viz.trf_grid(coef, LAGS, ax=plt.subplots(1, 2)[1])
