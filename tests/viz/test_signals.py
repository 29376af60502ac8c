import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import viz


def colour_labels(figure):
    return [ax.get_ylabel() for ax in figure.axes if ax.get_label() == "<colorbar>"]


def test_spectrogram(rng, inside):
    spec = rng.random((50, 8))
    ax = viz.spectrogram(spec, 100.0, frequencies=np.geomspace(200, 6000, 8))
    assert ax.get_xlabel() == "Time (s)"
    assert ax.get_ylabel() == "Frequency (kHz)"
    assert colour_labels(ax.figure) == ["Magnitude (a.u.)"]
    (drawn,) = ax.images
    assert_allclose(drawn.get_array(), spec.T)
    assert_allclose(drawn.get_extent(), (-0.005, 0.495, -0.5, 7.5))
    inside(ax)


def test_frequency_ticks_are_round_and_in_place():
    frequencies = np.array([100.0, 200.0, 400.0, 800.0, 1600.0])
    ax = viz.spectrogram(np.eye(5), 10.0, frequencies=frequencies)
    ax.figure.canvas.draw()
    labels = [text.get_text() for text in ax.get_yticklabels()]
    assert labels == ["100", "200", "500", "1000"]
    # 500 Hz lies a quarter of the way from row 2 (400 Hz) to row 3 (800 Hz).
    assert_allclose(ax.get_yticks(), [0, 1, 2.25, 3.25])
    assert ax.get_ylabel() == "Frequency (Hz)"


def test_narrow_range_has_its_ends_as_ticks():
    ax = viz.spectrogram(np.eye(3), 10.0, frequencies=[310.0, 320.0, 330.0])
    assert_allclose(ax.get_yticks(), [0, 2])


def test_bands_are_numbered_without_frequencies(rng):
    ax = viz.spectrogram(rng.random((5, 3)), 10.0, limits=(-1.0, 2.0), title="Noise")
    assert ax.get_ylabel() == "Band"
    assert ax.get_title() == "Noise"
    assert ax.images[0].get_clim() == (-1.0, 2.0)


@pytest.mark.parametrize("n_channels", [2, 12, 30, 130])
def test_response(rng, inside, n_channels):
    resp = 5.0 + rng.standard_normal((60, n_channels))
    ax = viz.response(resp, 20.0, tmin=1.0, unit="µV")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Time (s)", "Channel")
    traces = ax.lines[:n_channels]
    assert_allclose(traces[0].get_xdata()[[0, -1]], [1.0, 1.0 + 59 / 20])
    shift = traces[1].get_ydata() - (resp[:, 1] - resp[:, 1].mean())
    assert_allclose(shift, shift[0])
    assert shift[0] < 0  # below the first
    assert ax.texts[0].get_text().endswith(" µV")
    bar = ax.lines[n_channels].get_ydata()
    assert_allclose(bar[1] - bar[0], float(ax.texts[0].get_text().split()[0]))
    labels = [text.get_text() for text in ax.get_yticklabels()]
    assert 1 < len(labels) <= 24
    inside(ax)


@pytest.mark.parametrize("resp", [np.zeros((9, 3)), np.ones((9, 3))])
def test_response_of_constants(resp, inside):
    inside(viz.response(resp, 1.0, names=["Fz", "Cz", "Pz"]))


def test_one_channel_has_its_own_axis(rng):
    resp = rng.standard_normal(40)
    ax = viz.response(resp, 20.0, unit="Hz")
    assert ax.get_ylabel() == "Response (Hz)"
    assert_allclose(ax.lines[0].get_ydata(), resp)
    ax = viz.response(resp[:, None], 20.0, names=["Rate"], unit="Hz")
    assert ax.get_ylabel() == "Rate (Hz)"


def test_reconstruction(rng, inside):
    true = rng.standard_normal((70, 6))
    predicted = true + rng.standard_normal((70, 6))
    axes = viz.reconstruction(true, predicted, 100.0)
    pairs = zip(true.T, predicted.T, strict=True)
    r = np.mean([np.corrcoef(a, b)[0, 1] for a, b in pairs])
    assert axes.shape == (2,)
    assert axes[1].get_title() == (
        f"Reconstruction (correlation {r:.2f}, mean of 6 bands)"
    )
    assert_allclose(axes[0].images[0].get_array(), true.T)
    assert_allclose(axes[1].images[0].get_array(), predicted.T)
    limits = (true.min(), true.max())
    for ax in axes:
        assert_allclose(ax.images[0].get_clim(), limits)
        assert ax.get_ylabel() == "Band"
    assert axes[1].get_xlabel() == "Time (s)"
    assert colour_labels(axes[0].figure) == ["Magnitude (a.u.)"]
    inside(axes[0])


def test_reconstruction_of_one_band(rng, inside):
    true = rng.standard_normal((70, 1))
    axes = viz.reconstruction(true, 0.5 * true, 10.0, label="Level (dB)", name="Song")
    assert axes[0].get_title() == "Song"
    assert axes[1].get_title() == "Reconstruction (correlation 1.00)"
    assert_allclose(axes[1].lines[1].get_ydata(), 0.5 * true[:, 0])
    assert axes[1].get_ylabel() == "Level (dB)"
    assert axes[0].get_ylim() == axes[1].get_ylim()
    inside(axes[0])


def test_given_axes_are_used(rng):
    figure, axes = plt.subplots(2, 2)
    spec = rng.random((20, 3))
    assert viz.spectrogram(spec, 10.0, ax=axes[0, 0]) is axes[0, 0]
    assert viz.response(spec, 10.0, ax=axes[0, 1]) is axes[0, 1]
    drawn = viz.reconstruction(spec, spec, 10.0, ax=axes[1])
    assert list(drawn) == list(axes[1])
    assert plt.get_fignums() == [figure.number]


def test_settings_stay_the_users(rng):
    before = dict(plt.rcParams)
    viz.spectrogram(rng.random((20, 3)), 10.0)
    assert dict(plt.rcParams) == before


def test_errors(rng):
    spec = rng.random((20, 3))
    with pytest.raises(ValueError, match=r"spec has shape \(20,\) but must be two-dim"):
        viz.spectrogram(spec[:, 0], 10.0)
    with pytest.raises(ValueError, match=r"frequencies has shape \(2,\) .* 3 ascend"):
        viz.spectrogram(spec, 10.0, frequencies=[1.0, 2.0])
    with pytest.raises(ValueError, match="must hold 3 ascending numbers"):
        viz.spectrogram(spec, 10.0, frequencies=[3.0, 2.0, 1.0])
    with pytest.raises(ValueError, match="sfreq is 0 but must be positive"):
        viz.response(spec, 0.0)
    with pytest.raises(ValueError, match="resp has shape .* one-dim.* or two-dim"):
        viz.response(spec[None], 10.0)
    with pytest.raises(ValueError, match="names has 2 entries but the data have 3"):
        viz.response(spec, 10.0, names=["a", "b"])
    with pytest.raises(ValueError, match=r"predicted has shape \(20, 2\) but true has"):
        viz.reconstruction(spec, spec[:, :2], 10.0)
    with pytest.raises(ValueError, match="ax holds 1 Axes but the figure has 2 panels"):
        viz.reconstruction(spec, spec, 10.0, ax=[plt.subplots()[1]])
