import json
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import jaxneuro as jn
from jaxneuro import cli, io

mpl.use("Agg")
nib = pytest.importorskip("nibabel")
pytest.importorskip("nilearn")
pytest.importorskip("jaxneuro.estimators")

SHAPE, TR = (6, 7, 5), 2.0
AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])
STEM = "sub-01_task-see_space-MNI"


def events(n=8):
    return pd.DataFrame(
        {
            "onset": 5.0 + 15.0 * np.arange(n),
            "duration": 6.0,
            "trial_type": (["face", "house"] * n)[:n],
        }
    )


@pytest.fixture
def folder(tmp_path, rng):
    """Two runs whose first voxels answer to faces, with events and motion."""
    design = jn.glm.design(events(), 70, TR)
    face = np.asarray(design.matrix)[:, 0]
    for run in (1, 2):
        data = 100 + rng.standard_normal((*SHAPE, 70))
        data[:3, :3, :3] += 4 * face / face.max()
        image = nib.Nifti1Image(data.astype(np.float32), AFFINE)
        image.header.set_zooms((3, 3, 3, TR))
        image.header.set_xyzt_units("mm", "sec")
        name = f"sub-01_task-see_run-{run}_space-MNI_desc-preproc_bold.nii.gz"
        nib.save(image, tmp_path / name)
        events().to_csv(tmp_path / f"run-{run}_events.tsv", sep="\t", index=False)
        motion = pd.DataFrame(rng.standard_normal((70, 3)), columns=["x", "y", "other"])
        motion.to_csv(tmp_path / f"run-{run}_motion.tsv", sep="\t", index=False)
    mask = np.ones(SHAPE, np.uint8)
    mask[-1] = 0
    nib.save(nib.Nifti1Image(mask, AFFINE), tmp_path / "mask.nii.gz")
    return tmp_path


def command(folder, *more, runs=(1, 2)):
    names = sorted(str(path) for path in folder.glob("sub-*_bold.nii.gz"))
    bold = [names[run - 1] for run in runs]
    tables = [str(folder / f"run-{run}_events.tsv") for run in runs]
    paths = ["--bold", *bold, "--events", *tables, "--out", str(folder / "maps")]
    return ["fit", "glm", *paths, "--mask", str(folder / "mask.nii.gz"), *more]


def read(folder, name):
    return nib.load(folder / "maps" / f"{STEM}_{name}").get_fdata()


def test_maps_tables_and_report(folder, capsys):
    motion = [str(folder / f"run-{run}_motion.tsv") for run in (1, 2)]
    more = ["--contrast", "face - house", "--f-contrast", "any=face; house"]
    more += ["--confounds", *motion, "--confound-columns", "x", "y"]
    code = cli.main(command(folder, *more, "--threshold", "bonferroni"))
    captured = capsys.readouterr()
    assert code == 0, captured.err
    assert "2 runs of 70, 70 scans, 175 targets" in captured.out
    names = sorted(path.name for path in (folder / "maps").iterdir())
    inside = nib.load(folder / "mask.nii.gz").get_fdata() > 0
    # The same model by the estimator, from arrays in another order of voxels.
    data = [
        nib.load(path).get_fdata()[inside].T.astype(np.float32)
        for path in sorted(folder.glob("sub-*"))
    ]
    tables = [pd.read_csv(path, sep="\t")[["x", "y"]] for path in motion]
    model = jn.GLM(TR).fit(data, [events()] * 2, tables)
    t_maps = model.contrast("face - house", output="all")
    for stat, key in {"t": "stat", "z": "z", "p": "p", "effect": "effect"}.items():
        found = read(folder, f"contrast-faceMinusHouse_stat-{stat}_statmap.nii.gz")
        assert_allclose(found[inside], t_maps[key], rtol=2e-3, atol=1e-4)
        assert (found[~inside] == 0).all()
    f_maps = model.contrast(["face", "house"], stat="F", output="all")
    found = read(folder, "contrast-any_stat-F_statmap.nii.gz")
    assert_allclose(found[inside], f_maps["stat"], rtol=2e-3, atol=1e-4)
    r2 = read(folder, "stat-rsquared_statmap.nii.gz")[inside]
    assert_allclose(r2, model.score_targets(data, [events()] * 2, tables), atol=1e-4)
    for run in (1, 2):
        table = pd.read_csv(folder / f"maps/{STEM}_run-{run}_design.tsv", sep="\t")
        assert list(table.columns[:2]) == ["face", "house"]
        assert table.shape[0] == 70
        assert f"{STEM}_run-{run}_design.json" in names
    peaks = pd.read_csv(
        folder / f"maps/{STEM}_contrast-faceMinusHouse_stat-t_clusters.tsv", sep="\t"
    )
    # The block that answers is at 0 to 6 mm.
    assert peaks.iloc[0][["x (mm)", "y (mm)", "z (mm)"]].between(0, 6).all()
    assert peaks["z value"][0] > 5
    meta = json.loads((folder / f"maps/{STEM}_statmap.json").read_text())
    assert meta["Contrasts"] == {"face - house": "face - house", "any": "face; house"}
    page = (folder / f"maps/{STEM}_report.html").read_text(encoding="utf-8")
    assert "Bonferroni over 175 targets" in page
    assert page.count("<img") == 4 + 2 * 3
    assert "your data" in page


@pytest.mark.parametrize(
    ("noise_model", "words"),
    [
        ("ols", "independent noise;"),
        ("global_ar1", "AR1 noise with one set of coefficients for all targets;"),
        pytest.param("arma11", "ARMA(1,1) noise with coef", marks=pytest.mark.slow),
        pytest.param("tukey", "tapered autocorrelation;", marks=pytest.mark.slow),
    ],
)
def test_arrays_and_names(folder, rng, capsys, noise_model, words):
    Y = rng.standard_normal((70, 12)).astype(np.float32)
    np.save(folder / "y.npy", Y)
    table = str(folder / "run-1_events.tsv")
    arguments = ["fit", "glm", "--bold", str(folder / "y.npy"), "--events", table]
    arguments += ["--tr", "2", "--contrast", "faces = face"]
    arguments += ["--noise-model", noise_model]
    arguments += ["--drift-model", "none", "--threshold", "0.5"]
    assert cli.main([*arguments, "--out", str(folder / "a")]) == 0, capsys.readouterr()
    found = np.load(folder / "a" / "contrast-faces_stat-z_statmap.npy")
    page = (folder / "a" / "report.html").read_text(encoding="utf-8")
    assert words in page
    options = {"noise_model": noise_model, "drift_model": None}
    model = jn.GLM(TR, **options).fit(Y, events())
    z = model.contrast("face")
    assert_allclose(found, z, rtol=1e-5)
    largest = pd.read_csv(folder / "a" / "contrast-faces_stat-t_clusters.tsv", sep="\t")
    assert largest["Target"][0] == np.abs(z).argmax()
    assert (largest["z"].abs() >= 0.5).all()
    assert cli.main([*arguments[:6], *arguments[8:], "--out", str(folder / "b")]) == 2
    assert "give it with --tr" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ([], "no contrast is asked for"),
        (["--contrast", "face - car"], "'car'"),
        (["--contrast", "face; house"], "--contrast is 'face; house' but must be an"),
        (["--f-contrast", "any="], "--f-contrast is 'any=' but must be"),
        (["--contrast", "face", "--contrast", "face"], "would be written as 'face'"),
        (["--contrast", "face", "--threshold", "big"], "--threshold is 'big' but must"),
        (["--contrast", "face", "--threshold", "-2"], "--threshold is '-2' but must"),
        (["--contrast", "face", "--alpha", "5"], "--alpha is 5 but must lie between"),
        (["--contrast", "face", "--noise-model", "arma"], "noise_model is 'arma'"),
        (["--contrast", "face", "--hrf-model", "box"], "hrf_model is 'box'"),
        (["--contrast", "face", "--tr", "0"], "tr is 0 but must be positive"),
        (["--contrast", "face", "--mask", "none.nii"], "none.nii"),
        (["--contrast", "face", "--confounds", "a.tsv", "b.tsv"], "--confounds has 2"),
        (["--contrast", "face", "--events", "a.tsv", "b.tsv"], "--events has 2 files"),
        (
            [
                "--contrast",
                "a",
                "--confounds",
                "a.tsv",
                "--confound-strategy",
                "motion",
            ],
            "exclude each other",
        ),
    ],
)
def test_user_errors(folder, capsys, more, sentence):
    assert cli.main(command(folder, *more, runs=(1,))) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert "jaxneuro: " in captured.err.splitlines()[-1]
    assert not (folder / "maps").exists()


def test_thresholds(rng):
    """Against the definitions, written out."""
    from scipy.stats import false_discovery_control, norm

    from jaxneuro.cli._fit_glm_maps import threshold_of

    z = np.concatenate(
        [rng.standard_normal(500), 4 + rng.standard_normal(60), [np.nan]]
    )
    p = 2 * norm.sf(np.abs(z[:-1]))
    found = threshold_of(z, "t", "fdr", 0.05)
    kept = false_discovery_control(p) <= 0.05
    assert found.n_above == kept.sum()
    assert_allclose(found.z, np.abs(z[:-1])[kept].min())
    one_sided = threshold_of(z, "F", "bonferroni", 0.01)
    assert_allclose(one_sided.z, norm.isf(0.01 / 560), rtol=1e-6)
    assert one_sided.n_above == (z[:-1] >= one_sided.z).sum()
    assert threshold_of(z, "t", "3.1", 0.05).n_above == (np.abs(z[:-1]) >= 3.1).sum()
    nothing = threshold_of(0.1 * z[:500], "t", "fdr", 0.05)
    assert np.isinf(nothing.z)
    assert nothing.n_above == 0


@pytest.mark.slow
def test_real_localizer(shared, tmp_path, capsys):
    """Sounds against sights, in the region that the recording covers."""
    data = np.load(shared / "data" / "fmri_localizer" / "localizer.npz")
    volume = np.zeros((*data["shape"], 125), np.float32)
    place = tuple(data["voxel_ijk"].T)
    volume[place] = data["bold"].T
    mask = np.zeros(data["shape"], np.uint8)
    mask[place] = 1
    nib.save(nib.Nifti1Image(volume, data["affine"]), tmp_path / "bold.nii.gz")
    nib.save(nib.Nifti1Image(mask, data["affine"]), tmp_path / "mask.nii.gz")
    sounds = "calculaudio + clicDaudio + clicGaudio + phraseaudio"
    sights = "calculvideo - clicDvideo - clicGvideo - phrasevideo"
    arguments = ["fit", "glm", "--bold", str(tmp_path / "bold.nii.gz"), "--tr", "2.4"]
    arguments += ["--mask", str(tmp_path / "mask.nii.gz"), "--out", str(tmp_path / "o")]
    table = shared / "data" / "fmri_localizer" / "events.tsv"
    arguments += ["--events", str(table), "--contrast", f"audio={sounds} - {sights}"]
    assert cli.main(arguments) == 0, capsys.readouterr().err
    image = nib.load(tmp_path / "o" / "contrast-audio_stat-z_statmap.nii.gz")
    z = image.get_fdata()
    model = jn.GLM(2.4).fit(data["bold"], table)
    assert_allclose(z[place], model.contrast(f"{sounds} - {sights}"), atol=2e-3)
    peaks = io.peaks(z, image.affine, 5.0)
    highest = max(peaks, key=lambda row: row["value"])
    assert highest["value"] == pytest.approx(z[place].max())
    assert highest["value"] > 7  # p of 1e-12; what estimated noise costs is taken off
    # Auditory cortex of either side lies 40 to 70 mm from the middle.
    assert 40 < abs(highest["x"]) < 70
    assert Path(tmp_path / "o" / "report.html").stat().st_size > 1e5
