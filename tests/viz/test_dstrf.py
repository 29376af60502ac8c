import numpy as np
import pytest

from jaxneuro import Lags, viz

LAGS = Lags(0.0, 0.06, 100)


@pytest.fixture
def data(rng):
    """Frames, stimulus and response of two seconds."""
    frames = 0.1 * rng.standard_normal((200, 7, 5))
    frames[:, 2, 3] += np.linspace(0, 2, 200)
    return frames, rng.random((200, 5)), rng.standard_normal(200)


def test_moments(data, inside):
    frames, stimulus, resp = data
    axes = viz.dstrf(
        frames, LAGS, stimulus, resp, [0.5, 1.0, 1.9], predicted=0.5 * resp
    )
    assert len(axes) == 5
    above, below, *panels = axes
    assert [p.get_title() for p in panels] == ["0.50 s", "1.00 s", "1.90 s"]
    for panel, row in zip(panels, (50, 100, 190), strict=True):
        np.testing.assert_allclose(panel.images[0].get_array(), frames[row].T)
        limit = np.quantile(np.abs(frames).max((1, 2)), 0.9)
        np.testing.assert_allclose(panel.images[0].get_clim(), (-limit, limit))
    assert [line.get_xdata()[0] for line in above.lines] == [0.5, 1.0, 1.9]
    np.testing.assert_allclose(below.lines[1].get_ydata(), 0.5 * resp)
    inside(above)


def test_film_keeps_its_colours(data, tmp_path):
    frames, stimulus, resp = data
    film = viz.dstrf_film(frames[:60], LAGS, stimulus[:60], resp[:60], step=20)
    film.save(tmp_path / "film.gif", writer="pillow", dpi=40)
    from PIL import Image

    with Image.open(tmp_path / "film.gif") as picture:
        assert picture.n_frames == 3
    panel = film._fig.axes[2]  # the last picture is still drawn
    assert panel.get_title() == "0.40 s"
    np.testing.assert_allclose(panel.images[0].get_array(), frames[40].T)
    limit = np.quantile(np.abs(frames[:60]).max((1, 2)), 0.9)
    np.testing.assert_allclose(panel.images[0].get_clim(), (-limit, limit))


def test_film_of_one_band(data):
    frames, stimulus, resp = data
    film = viz.dstrf_film(frames[:3, :, :1], LAGS, stimulus[:3, :1], resp[:3])
    film._func(2)
    np.testing.assert_allclose(film._fig.axes[2].lines[-1].get_ydata(), frames[2, :, 0])
    film._draw_was_started = True


def test_measures(inside, rng):
    measures = {"complexity": rng.random((3, 4)), "temporal_hold": rng.random((3, 4))}
    measures["temporal_hold"][2, 1] = np.nan
    axes = viz.dstrf_measures(measures, 100.0, names=["a", "b", "c", "d"])
    assert [ax.get_title() for ax in axes] == ["Complexity", "Temporal hold (ms)"]
    bars = [bar.get_height() for bar in axes[1].patches]
    np.testing.assert_allclose(bars, 10 * np.nanmean(measures["temporal_hold"], 0))
    assert [tick.get_text() for tick in axes[0].get_xticklabels()] == list("abcd")
    inside(axes[0])


def test_errors(data):
    frames, stimulus, resp = data
    with pytest.raises(ValueError, match="times is .* must hold moments from 0 to 1.9"):
        viz.dstrf(frames, LAGS, stimulus, resp, [2.5])
    with pytest.raises(ValueError, match="resp has 7 time points but frames has 200"):
        viz.dstrf(frames, LAGS, stimulus, resp[:7], [0.5])
    with pytest.raises(ValueError, match="frames has shape .* must be three"):
        viz.dstrf(frames[0], LAGS, stimulus, resp, [0.5])
    with pytest.raises(ValueError, match="frames has 7 lags but lags has 6; give the"):
        viz.dstrf(frames, Lags(0.0, 0.05, 100), stimulus, resp, [0.5])
    with pytest.raises(ValueError, match="step is 0 but must be 1 or more"):
        viz.dstrf_film(frames, LAGS, stimulus, resp, step=0)
    with pytest.raises(ValueError, match="b has 3 targets but others have 2"):
        viz.dstrf_measures({"a": np.ones((1, 2)), "b": np.ones((1, 3))}, 100.0)
