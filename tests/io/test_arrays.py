import sys

import numpy as np
import pytest

from jaxneuro import io


@pytest.fixture
def trials(rng):
    """Twelve trials: enough for text order and number order to differ."""
    return [rng.normal(size=(5 + n, 3)) for n in range(12)]


def check_equal(read, expected):
    assert len(read) == len(expected)
    for a, b in zip(read, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("lazy", [False, True])
def test_npy(tmp_path, trials, lazy):
    path = tmp_path / "x.npy"
    np.save(path, trials[0])
    (read,) = io.read_arrays(path, lazy=lazy)
    np.testing.assert_array_equal(read, trials[0])
    assert isinstance(read, np.memmap) == lazy


@pytest.mark.parametrize("lazy", [False, True])
def test_npz_in_natural_order(tmp_path, trials, lazy):
    path = tmp_path / "x.npz"
    named = {f"trial_{n}": trial for n, trial in enumerate(trials)}
    np.savez(path, sfreq=100.0, **dict(reversed(named.items())))
    check_equal(io.read_arrays(str(path), lazy=lazy), trials)


def test_npz_of_positional_arrays(tmp_path, trials):
    np.savez(tmp_path / "x.npz", *trials)
    check_equal(io.read_arrays(tmp_path / "x.npz"), trials)


def test_npz_key(tmp_path, trials, rng):
    path = tmp_path / "x.NPZ"
    spec = [rng.normal(size=(len(trial), 2)) for trial in trials]
    named = {f"resp_{n}": trial for n, trial in enumerate(trials)}
    named |= {f"spec_{n}": trial for n, trial in enumerate(spec)}
    with path.open("wb") as file:
        np.savez(file, mean=trials[0], **named)
    check_equal(io.read_arrays(path, key="resp"), trials)
    check_equal(io.read_arrays(path, key="spec"), spec)
    check_equal(io.read_arrays(path, key="mean"), trials[:1])
    check_equal(io.read_arrays(path, key="resp_10"), trials[10:11])
    with pytest.raises(ValueError, match=r"do not match.*spec_0 \(5, 2\).*with key"):
        io.read_arrays(path)


def test_trials_of_one_key_must_match(tmp_path):
    np.savez(tmp_path / "x.npz", a_0=np.ones((3, 2)), a_1=np.ones((3, 4)))
    with pytest.raises(ValueError, match="do not match.*store trials alike"):
        io.read_arrays(tmp_path / "x.npz", key="a")


def test_unknown_suffix(tmp_path):
    with pytest.raises(ValueError, match=r"ends in '\.csv' but must.*\.npy, \.npz, "):
        io.read_arrays(tmp_path / "x.csv")


def test_missing_key_lists_what_is_there(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, b_10=np.ones(3), b_9=np.ones(3), sfreq=1.0)
    with pytest.raises(ValueError, match="no array 'c'; it holds b_9, b_10, sfreq"):
        io.read_arrays(path, key="c")


def test_empty_npz(tmp_path):
    np.savez(tmp_path / "x.npz")
    with pytest.raises(ValueError, match="no arrays at its top; it holds nothing"):
        io.read_arrays(tmp_path / "x.npz")


@pytest.mark.parametrize("key", [None, "sfreq"])
def test_scalars_are_not_trials(tmp_path, key):
    np.savez(tmp_path / "x.npz", sfreq=1.0)
    with pytest.raises(ValueError, match="single numbers only"):
        io.read_arrays(tmp_path / "x.npz", key=key)


def test_key_of_npy(tmp_path):
    with pytest.raises(ValueError, match="one array without a name; leave it out"):
        io.read_arrays(tmp_path / "x.npy", key="resp")


def test_python_objects_are_refused(tmp_path):
    ragged = np.empty(2, dtype=object)
    ragged[:] = [np.ones(2), np.ones(3)]
    np.savez(tmp_path / "x.npz", resp=ragged)
    with pytest.raises(ValueError, match="holds Python objects; save the arrays"):
        io.read_arrays(tmp_path / "x.npz")
    np.save(tmp_path / "x.npy", ragged)
    with pytest.raises(ValueError, match="is not an array of numbers"):
        io.read_arrays(tmp_path / "x.npy")


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5"])
def test_missing_file(tmp_path, suffix):
    if suffix == ".h5":
        pytest.importorskip("h5py")
    with pytest.raises(FileNotFoundError):
        io.read_arrays(tmp_path / f"x{suffix}")


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_not_the_format(tmp_path, suffix):
    if suffix == ".h5":
        pytest.importorskip("h5py")
    (tmp_path / f"x{suffix}").write_text("hello")
    with pytest.raises(
        ValueError, match=r"is not (an archive of NumPy|a file of HDF5)"
    ):
        io.read_arrays(tmp_path / f"x{suffix}")


class TestHDF5:
    @pytest.fixture
    def path(self, tmp_path, trials):
        h5py = pytest.importorskip("h5py")
        path = tmp_path / "x.h5"
        with h5py.File(path, "w") as file:
            for n, trial in enumerate(trials):
                file[f"resp/trial_{n}"] = trial
                file[f"flat_{n}"] = trial[:, :2]
            file["whole/deep"] = trials[3]
            file["words"] = "text"
            file["resp/sfreq"] = 100.0
        return path

    @pytest.mark.parametrize("lazy", [False, True])
    def test_group(self, path, trials, lazy):
        read = io.read_arrays(path, key="resp", lazy=lazy)
        assert all(isinstance(trial, np.ndarray) != lazy for trial in read)
        check_equal([trial[()] for trial in read], trials)

    def test_one_dataset(self, path, trials):
        check_equal(io.read_arrays(path, key="whole/deep"), trials[3:4])

    def test_stem(self, path, trials):
        expected = [trial[:, :2] for trial in trials]
        check_equal(io.read_arrays(path, key="flat"), expected)

    @pytest.mark.parametrize("suffix", ["h5", "hdf5"])
    def test_datasets_at_the_top(self, tmp_path, trials, suffix):
        h5py = pytest.importorskip("h5py")
        path = tmp_path / f"y.{suffix}"
        with h5py.File(path, "w") as file:
            for n, trial in enumerate(trials):
                file[str(n)] = trial
        check_equal(io.read_arrays(path), trials)

    def test_text_is_refused(self, path):
        with pytest.raises(ValueError, match="holds text or references"):
            io.read_arrays(path, key="words")

    def test_missing_key_lists_groups(self, path):
        with pytest.raises(ValueError, match="no array 'spec'.*resp/, whole/, words"):
            io.read_arrays(path, key="spec")

    def test_without_h5py(self, path, monkeypatch):
        monkeypatch.setitem(sys.modules, "h5py", None)
        command = r'x\.h5 needs h5py.*pip install "jaxneuro\[hdf5\]"'
        with pytest.raises(ImportError, match=command):
            io.read_arrays(path)
