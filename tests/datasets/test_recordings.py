import hashlib
import subprocess
import sys
import textwrap
import zipfile

import numpy as np
import pytest

from jaxneuro import datasets
from jaxneuro.io import _fetch, _optional


def ridge_cv(X, y, *, alpha, n_folds=5):
    """Mean held-out correlation of a ridge over contiguous folds."""
    fold_id = np.arange(len(y)) * n_folds // len(y)
    scores = []
    for fold in range(n_folds):
        train, test = fold_id != fold, fold_id == fold
        Xc, yc = X[train] - X[train].mean(0), y[train] - y[train].mean()
        w = np.linalg.solve(Xc.T @ Xc + alpha * np.eye(X.shape[1]), Xc.T @ yc)
        scores.append(np.corrcoef(X[test] @ w, y[test])[0, 1])
    return np.mean(scores)


def delayed(x, lags):
    """Columns x[t - lag], zero outside."""
    out = np.zeros((len(x), len(lags)))
    for column, lag in enumerate(lags):
        start, stop = max(lag, 0), len(x) + min(lag, 0)
        out[start:stop, column] = x[start - lag : stop - lag]
    return out


class TestGrasshopper:
    def test_what_it_holds(self):
        pytest.importorskip("nitime")
        data = datasets.load_grasshopper()
        assert [len(times) for times in data.spike_times] == [929, 868]
        assert [resp.sum() for resp in data.resp] == [929, 868]
        for envelope, resp, sound in zip(
            data.envelope, data.resp, data.sound, strict=True
        ):
            assert envelope.shape == resp.shape == (10_000, 1)
            assert sound.shape == (200_000,)
            assert sound.max() == 1.0
            np.testing.assert_allclose(envelope[7, 0], sound[140:160].mean())
        assert data.sfreq == 1000.0
        assert data.sound_sfreq == 20_000.0
        assert data.carrier == (2500.0, 2500.0)
        assert data.cutoff == (200.0, 800.0)
        assert data.intensity == (76.4286, 71.2)
        assert not data.simulated

    @pytest.mark.parametrize("sfreq", [100.0, 500.0, 1250.0, 20_000.0])
    def test_rates(self, sfreq):
        pytest.importorskip("nitime")
        data = datasets.load_grasshopper(sfreq=sfreq)
        for resp, times in zip(data.resp, data.spike_times, strict=True):
            edges = np.arange(round(10 * sfreq) + 1) / sfreq
            # Spikes lie on 0.1 ms steps, so that half a microsecond breaks no tie.
            expected, _ = np.histogram(times + 5e-7, edges)
            np.testing.assert_array_equal(resp[:, 0], expected)

    @pytest.mark.parametrize(
        ("stimulus", "forward", "backward"), [(0, 0.344, 0.516), (1, 0.348, 0.357)]
    )
    def test_ridge_predicts_and_reconstructs(self, stimulus, forward, backward):
        """The numbers of the docstring: lags of 20 ms, held-out fifths."""
        pytest.importorskip("nitime")
        data = datasets.load_grasshopper()
        x, y = data.envelope[stimulus][:, 0], data.resp[stimulus][:, 0]
        x = (x - x.mean()) / x.std()
        encoded = ridge_cv(delayed(x, range(21)), y, alpha=100.0)
        decoded = ridge_cv(delayed(y, range(-20, 1)), x, alpha=0.1)
        np.testing.assert_allclose([encoded, decoded], [forward, backward], atol=0.01)

    @pytest.mark.parametrize("sfreq", [0.0, -1.0, 3000.0, 40_000.0, 312.5 / 2])
    def test_odd_rate(self, sfreq):
        with pytest.raises(ValueError, match="must divide 20000 Hz"):
            datasets.load_grasshopper(sfreq=sfreq)


def test_event_related():
    pytest.importorskip("nitime")
    data = datasets.load_fmri_event_related()
    assert data.bold.shape == (3360, 1)
    assert data.events.shape == (3360,)
    np.testing.assert_array_equal(np.bincount(data.events), [2784] + [96] * 6)
    assert data.tr == 2.0
    # What the blood flow does after a trial: a peak at 6 s and an undershoot.
    begins = (data.events > 0).astype(float)
    X = delayed(begins - begins.mean(), range(12))
    course = np.linalg.lstsq(X, data.bold[:, 0], rcond=None)[0]
    assert course.argmax() * data.tr == 6.0
    assert (course[6:] < 0).all()
    assert not data.simulated


@pytest.mark.parametrize(
    "load", [datasets.load_grasshopper, datasets.load_fmri_event_related]
)
def test_without_nitime(load, monkeypatch):
    monkeypatch.setattr(datasets._recordings, "package_folder", lambda package: None)
    command = r'nitime, which is not installed; run: pip install "jaxneuro\[demo\]"'
    with pytest.raises(ImportError, match=f"{load.__name__} needs {command}"):
        load()


def test_without_h5py(monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r'pip install "jaxneuro\[hdf5\]"'):
        datasets.load_naplib_tutorial()


def test_broken_package_tells_its_own_story(monkeypatch, tmp_path):
    (tmp_path / "half_installed.py").write_text("import surely_not_installed")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="surely_not_installed"):
        _optional.require("half_installed", extra="demo", purpose="a test")


def write_tutorial(path, rng):
    """A file with the structure of MATLAB 7.3 and of naplib's sample."""
    h5py = pytest.importorskip("h5py")
    trials = []
    with h5py.File(path, "w") as file:
        refs = file.create_group("#refs#")

        def put(array, kind):
            item = refs.create_dataset(str(len(refs)), data=array)
            item.attrs["MATLAB_class"] = np.bytes_(kind)
            return item.ref

        def text(words):
            codes = np.array([[ord(letter)] for letter in words], dtype=np.uint16)
            return put(codes, "char")

        columns = {}
        for index, n_times in enumerate((30, 40)):
            trial = {
                "resp": rng.normal(size=(n_times, 2)),
                "aud": rng.normal(size=(n_times, 5)),
                "sound": rng.normal(size=(1, 10 * n_times)),
            }
            entries = {name: put(array, "double") for name, array in trial.items()}
            entries["soundf"] = put(np.array([[11025.0]]), "double")
            entries["dataf"] = put(np.array([[100.0]]), "double")
            entries["befaft"] = put(np.array([[1.0], [0.5]]), "double")
            entries["script"] = text(f"WORDS {index}")
            entries["name"] = text(f"stim0{index}")
            names = np.array([[text("Cz")], [text("C4")]], dtype=h5py.ref_dtype)
            entries["chname"] = put(names, "cell")
            for name, reference in entries.items():
                columns.setdefault(name, []).append([reference])
            trials.append(trial)
        for name, references in columns.items():
            file[f"out/{name}"] = np.array(references, dtype=h5py.ref_dtype)
    return trials


@pytest.fixture
def published(tmp_path, monkeypatch, rng):
    """A wheel with a small tutorial file, an empty cache, and a pip that copies."""
    data = tmp_path / "demo_data.mat"
    trials = write_tutorial(data, rng)
    wheel = tmp_path / "index" / "naplib_for_tests-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    member = "naplib_for_tests/data/demo_data.mat"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(data, member)
    source = _fetch.SourceFile(
        requirement="naplib_for_tests==1.0",
        member=member,
        wheel_bytes=wheel.stat().st_size,
        wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        sha256=hashlib.sha256(data.read_bytes()).hexdigest(),
    )
    monkeypatch.setattr(datasets._recordings, "_TUTORIAL", source)
    monkeypatch.setenv("JAXNEURO_DATA", str(tmp_path / "cache"))
    calls = []
    pip = textwrap.dedent(
        f"""
        import pathlib, shutil, sys
        folder = pathlib.Path(sys.argv[sys.argv.index("--dest") + 1])
        folder.mkdir()
        shutil.copy({str(wheel)!r}, folder)
        """
    )
    popen = subprocess.Popen

    def fake_pip(command, **options):
        assert command[1:5] == ["-m", "pip", "download", "naplib_for_tests==1.0"]
        calls.append(command)
        return popen([sys.executable, "-c", pip, *command[5:]], **options)

    monkeypatch.setattr(subprocess, "Popen", fake_pip)
    return {"trials": trials, "calls": calls, "wheel": wheel, "popen": popen}


class TestTutorial:
    def test_fetched_once(self, published, tmp_path, capsys):
        data = datasets.load_naplib_tutorial()
        assert capsys.readouterr().err == ""
        for trial, sound, spectrogram, resp in zip(
            published["trials"], data.sound, data.spectrogram, data.resp, strict=True
        ):
            np.testing.assert_array_equal(resp, trial["resp"])
            np.testing.assert_array_equal(spectrogram, trial["aud"])
            np.testing.assert_array_equal(sound, trial["sound"][0])
        assert (data.sfreq, data.sound_sfreq) == (100.0, 11025.0)
        assert data.name == ["stim00", "stim01"]
        assert data.script == ["WORDS 0", "WORDS 1"]
        assert data.ch_names == ("Cz", "C4")
        np.testing.assert_array_equal(data.silence[1], [1.0, 0.5])
        assert data.simulated
        assert "simulated" in data.description
        datasets.load_naplib_tutorial()
        assert len(published["calls"]) == 1
        kept = [path.name for path in (tmp_path / "cache").iterdir()]
        assert kept == ["demo_data.mat"]  # neither the wheel nor pip's leftovers

    def test_progress(self, published, capsys):
        datasets.load_naplib_tutorial(show_progress=True)
        assert "Downloading naplib_for_tests==1.0: 100%" in capsys.readouterr().err

    def test_damaged_cache_is_fetched_again(self, published, tmp_path):
        datasets.load_naplib_tutorial()
        kept = tmp_path / "cache" / "demo_data.mat"
        kept.write_bytes(kept.read_bytes()[:-1])
        datasets.load_naplib_tutorial()
        assert len(published["calls"]) == 2

    def test_installed_package_is_used(self, published, tmp_path, monkeypatch):
        folder = tmp_path / "site" / "naplib_for_tests"
        (folder / "data").mkdir(parents=True)
        (folder / "__init__.py").write_text("raise RuntimeError('imported')")
        (tmp_path / "demo_data.mat").rename(folder / "data" / "demo_data.mat")
        monkeypatch.syspath_prepend(tmp_path / "site")
        assert len(datasets.load_naplib_tutorial().resp) == 2
        assert published["calls"] == []

    def test_other_wheel_is_refused(self, published, tmp_path):
        with zipfile.ZipFile(published["wheel"], "a") as archive:
            archive.writestr("surprise.py", "")
        with pytest.raises(ValueError, match="SHA-256 .* was expected; check the pack"):
            datasets.load_naplib_tutorial()
        assert list((tmp_path / "cache").iterdir()) == []

    def test_offline(self, published, tmp_path, monkeypatch):
        code = "import sys; sys.stderr.write('ERROR: No route to host'); sys.exit(1)"
        popen = published["popen"]
        monkeypatch.setattr(
            subprocess,
            "Popen",
            lambda command, **options: popen([sys.executable, "-c", code], **options),
        )
        with pytest.raises(
            ConnectionError, match=r"No route to host.*demo_data\.mat out of its"
        ):
            datasets.load_naplib_tutorial()
        assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize(
    ("platform", "variable"),
    [
        ("linux", "XDG_CACHE_HOME"),
        ("darwin", "XDG_CACHE_HOME"),
        ("win32", "LOCALAPPDATA"),
    ],
)
def test_cache_folder(platform, variable, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.delenv("JAXNEURO_DATA", raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    assert _fetch.cache_folder() == tmp_path / "jaxneuro"
    monkeypatch.delenv(variable)
    monkeypatch.setattr(_fetch.Path, "home", lambda: tmp_path / "me")
    assert _fetch.cache_folder() == tmp_path / "me" / ".cache" / "jaxneuro"
    monkeypatch.setenv("JAXNEURO_DATA", str(tmp_path / "mine"))
    assert _fetch.cache_folder() == tmp_path / "mine"


@pytest.mark.network
def test_real_tutorial(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXNEURO_DATA", str(tmp_path))
    data = datasets.load_naplib_tutorial()
    assert [len(resp) for resp in data.resp[:2]] == [6197, 5203]
    assert data.resp[0].shape[1] == 10
    for sound, resp, spectrogram in zip(
        data.sound, data.resp, data.spectrogram, strict=True
    ):
        assert spectrogram.shape == (len(resp), 128)
        assert abs(len(sound) / data.sound_sfreq - len(resp) / data.sfreq) < 0.02
        assert 52 <= len(resp) / data.sfreq <= 86
