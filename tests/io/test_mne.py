import sys

import numpy as np
import pytest

from jaxneuro import io

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mne")


@pytest.fixture(scope="module")
def mne():
    return pytest.importorskip("mne")


@pytest.fixture
def info(mne):
    names, kinds = ["Fz", "Cz", "EOG", "Pz"], ["eeg", "eeg", "eog", "eeg"]
    return mne.create_info(names, 50.0, kinds)


@pytest.fixture
def signals(rng):
    return 1e-6 * rng.normal(size=(4, 500))


@pytest.fixture
def raw(mne, info, signals):
    raw = mne.io.RawArray(signals, info, verbose="ERROR")
    raw.set_annotations(
        mne.Annotations([1.0, 3.0], [0.5, 1.0], ["BAD_jump", "stimulus"])
    )
    return raw


def test_raw(raw, signals):
    recording = io.from_mne(raw)
    np.testing.assert_array_equal(recording.data, signals[[0, 1, 3]].T)
    assert recording.data.flags.c_contiguous
    assert recording.sfreq == 50.0
    assert recording.ch_names == ("Fz", "Cz", "Pz")
    expected = np.ones(500, dtype=bool)
    expected[50:75] = False
    np.testing.assert_array_equal(recording.mask, expected)
    np.testing.assert_array_equal(raw.get_data(), signals)


@pytest.mark.parametrize(
    ("picks", "rows"),
    [("eog", [2]), (["Pz", "Fz"], [3, 0]), ([1, 2], [1, 2]), ("all", [0, 1, 2, 3])],
)
def test_picks(raw, signals, picks, rows):
    recording = io.from_mne(raw, picks=picks)
    names = np.array(raw.ch_names)
    # MNE decides on the order; names and columns must agree.
    assert set(recording.ch_names) == set(names[rows])
    order = [raw.ch_names.index(name) for name in recording.ch_names]
    np.testing.assert_array_equal(recording.data, signals[order].T)


def test_bad_channels(raw):
    raw.info["bads"] = ["Cz"]
    assert io.from_mne(raw).ch_names == ("Fz", "Pz")
    assert "Cz" in io.from_mne(raw, picks=["Cz", "Fz"]).ch_names


def test_epochs(mne, raw, signals):
    events = np.array([[100, 0, 1], [55, 0, 1], [300, 0, 1]])
    epochs = mne.Epochs(
        raw, events, tmin=0.0, tmax=1.0, baseline=None, verbose="ERROR", picks="all"
    )
    recording = io.from_mne(epochs)
    # The second event lies in the annotated stretch, and MNE drops it.
    assert len(recording.data) == len(recording.mask) == 2
    for trial, mask, start in zip(
        recording.data, recording.mask, (100, 300), strict=True
    ):
        expected = signals[[0, 1, 3], start : start + 51].T
        np.testing.assert_allclose(trial, expected, rtol=1e-12)
        assert mask.shape == (51,)
        assert mask.all()
    assert recording.ch_names == ("Fz", "Cz", "Pz")


def test_unknown_channel(raw):
    with pytest.raises(ValueError, match=r"asks for \['Oz'\] but.*Fz, Cz, EOG, Pz"):
        io.from_mne(raw, picks=["Oz"])


def test_nothing_but_bad_channels(raw):
    raw.info["bads"] = ["Fz", "Cz", "Pz"]
    with pytest.raises(ValueError, match="asks for data channels that are not bad"):
        io.from_mne(raw)


def test_other_objects(mne, info):
    evoked = mne.EvokedArray(np.zeros((4, 10)), info, verbose="ERROR")
    with pytest.raises(TypeError, match="type EvokedArray but must be a Raw or Epochs"):
        io.from_mne(evoked)


def test_without_mne(monkeypatch):
    monkeypatch.setitem(sys.modules, "mne", None)
    with pytest.raises(ImportError, match=r'pip install "jaxneuro\[meg\]"'):
        io.from_mne(object())


def test_other_rate(raw):
    assert io.from_mne(raw, sfreq=50).sfreq == 50.0
    with pytest.raises(ValueError, match="inst is sampled at 50 Hz but sfreq is 100"):
        io.from_mne(raw, sfreq=100)
