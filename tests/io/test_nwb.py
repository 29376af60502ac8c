import datetime

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from jaxneuro import io
from jaxneuro.io import nwb

pynwb = pytest.importorskip("pynwb")

ONSETS = np.array([0.0, 1.0, 2.0, 3.5, 5.0])
IMAGE = np.array([4, 2, 4, 2, 2])


@pytest.fixture
def recording(tmp_path, rng):
    """A small session as the format's own package writes it."""
    zone = datetime.UTC
    start = datetime.datetime(2026, 1, 1, tzinfo=zone)
    content = pynwb.NWBFile("images", "session", start)
    content.add_unit_column("location", "area")
    trains = {}
    for unit, area in zip((3, 8, 9), ("VISam", "VISp", "VISam"), strict=True):
        trains[unit] = np.sort(rng.uniform(0, 6, 20 * (unit != 9)))
        content.add_unit(id=unit, spike_times=trains[unit], location=area)
    content.add_trial_column("image", "what was shown")
    for onset, image in zip(ONSETS, IMAGE, strict=True):
        content.add_trial(start_time=onset, stop_time=onset + 0.4, image=int(image))
    traces = rng.random((60, 2))
    series = pynwb.TimeSeries("dff", data=traces, unit="a.u.", rate=10.0)
    content.create_processing_module("ophys", "traces").add(series)
    path = tmp_path / "session.nwb"
    with pynwb.NWBHDF5IO(str(path), "w") as file:
        file.write(content)
    return path, trains, traces


def test_spikes(recording):
    path, trains, _ = recording
    found = io.read_nwb(path, "image")
    expected = io.responses_from_spikes(
        trains, None, ONSETS, IMAGE, window=(0.0, 0.4), targets=[3, 8, 9]
    )
    assert_array_equal(found.responses, expected.responses)
    assert_array_equal(found.targets, [3, 8, 9])
    assert (found.responses[0, :, 2] == 0).all()


def test_units_by_column_and_bins(recording):
    path, trains, _ = recording
    found = io.read_nwb(
        path, "image", units={"location": ["VISam"]}, window=(0.0, 0.6), bin_size=0.2
    )
    assert_array_equal(found.targets, [3, 9])
    assert found.responses.shape == (3, 2, 2, 3)


def test_traces(recording):
    path, _, traces = recording
    found = io.read_nwb_traces(path, "dff", "image", window=(0.0, 0.5))
    expected = io.responses_from_traces(
        traces, np.arange(60) / 10, ONSETS, IMAGE, window=(0.0, 0.5)
    )
    assert_array_equal(found.responses, expected.responses)


def test_errors(recording, tmp_path, monkeypatch):
    path = recording[0]
    with pytest.raises(ValueError, match=r"intervals is 'flashes' but .*: trials\."):
        io.read_nwb(path, "image", intervals="flashes")
    with pytest.raises(
        ValueError, match="has no column 'frame' among its trials: start"
    ):
        io.read_nwb(path, "frame")
    with pytest.raises(ValueError, match="has no column 'area' among its units"):
        io.read_nwb(path, "image", units={"area": "VISp"})
    with pytest.raises(ValueError, match=r"holds 0 series named 'f'; it holds dff\."):
        io.read_nwb_traces(path, "f", "image")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        io.read_nwb(tmp_path / "no.nwb", "image")

    def absent(package, **why):
        raise ImportError(f"{why['purpose']} needs {package}")

    monkeypatch.setattr(nwb, "require", absent)
    with pytest.raises(ImportError, match=r"Reading session.nwb needs pynwb"):
        io.read_nwb(path, "image")
