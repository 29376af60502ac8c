import re

import matplotlib as mpl
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import cli, io

mpl.use("Agg")
pytest.importorskip("jaxneuro.estimators")

SFREQ = 50
LENGTHS = (400, 350, 420, 380)


@pytest.fixture
def files(tmp_path, rng):
    """Trials of a stimulus with two bands, and three channels that follow it."""
    field = rng.standard_normal((4, 2, 3))  # lags 0 to 60 ms
    x, y = {}, {}
    for trial, n_times in enumerate(LENGTHS):
        stimulus = rng.standard_normal((n_times, 2))
        padded = np.concatenate([np.zeros((3, 2)), stimulus])
        lagged = [padded[3 - lag : 3 - lag + n_times] for lag in range(4)]
        resp = sum(a @ b for a, b in zip(lagged, field, strict=True))
        x[f"stim_{trial}"] = stimulus
        y[f"resp_{trial}"] = resp + 0.1 * rng.standard_normal(resp.shape)
    np.savez(tmp_path / "x.npz", **x)
    np.savez(tmp_path / "y.npz", **y)
    return tmp_path, field


def command(folder, *more):
    window = ["--tmin", "0", "--tmax", "0.06", "--sfreq", str(SFREQ)]
    paths = ["--x", str(folder / "x.npz"), "--y", str(folder / "y.npz")]
    out = ["--out", str(folder / "fit.npz")]
    return ["fit", "trf", *paths, *window, *out, *more]


def test_fit_recovers_the_field(files, capsys):
    folder, field = files
    report = folder / "report.html"
    code = cli.main(command(folder, "--test", "0", "--report", str(report)))
    captured = capsys.readouterr()
    assert code == 0, captured.err
    fit = io.load(folder / "fit.npz")
    assert type(fit).__name__ == "TRFFit"
    assert_allclose(fit.coef, field, atol=0.05)
    assert_allclose(fit.lags.times, [0, 0.02, 0.04, 0.06])
    assert "2 features x 4 lags (0 to 60 ms) -> 3 targets; 3 trials" in captured.out
    names = ["cross-validated R²", "held-out R²", "held-out correlation"]
    for name in names:
        mean = re.search(rf"^{name}\s+([\d.]+)", captured.out, flags=re.MULTILINE)
        assert mean is not None
        assert float(mean[1]) > 0.95
    page = report.read_text(encoding="utf-8")
    assert page.count("<img") == 4  # fields, penalties, scores, prediction
    assert "your data" in page


def test_one_penalty_and_no_held_out_trial(files, capsys):
    folder, field = files
    assert cli.main(command(folder, "--alpha", "1", "--dtype", "float64")) == 0
    assert "No scores" in capsys.readouterr().out
    fit = io.load(folder / "fit.npz")
    assert fit.coef.dtype == np.float64
    assert_allclose(fit.coef, field, atol=0.05)


@pytest.mark.parametrize("cv", ["trials", "gcv", "4"])
def test_cross_validation_schemes(files, cv, capsys):
    folder, field = files
    assert cli.main(command(folder, "--cv", cv, "--alphas", "0.1,10,1e6")) == 0
    assert "cross-validated R²" in capsys.readouterr().out
    assert_allclose(io.load(folder / "fit.npz").coef, field, atol=0.05)


def test_one_trial_is_cut_into_folds(tmp_path, rng, capsys):
    x = rng.standard_normal((600, 1)).astype(np.float32)
    np.save(tmp_path / "x.npy", x[:, 0])
    np.save(tmp_path / "y.npy", 2 * x)
    arguments = ["fit", "trf", "--x", str(tmp_path / "x.npy"), "--y"]
    arguments += [str(tmp_path / "y.npy"), "--tmin", "0", "--tmax", "0.1"]
    arguments += ["--sfreq", "10", "--out", str(tmp_path / "fit.npz")]
    assert cli.main(arguments) == 0
    assert_allclose(io.load(tmp_path / "fit.npz").coef[:, 0, 0], [2, 0], atol=1e-2)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--alphas", "1:2"], "--alphas is '1:2' but must be FIRST:LAST:COUNT"),
        (["--alphas", "0:10:3"], "with positive ends"),
        (["--alphas", "1,many"], "numbers with commas"),
        (["--cv", "1"], "--cv is '1' but must be trials, gcv, or"),
        (["--cv", "leave"], "--cv is 'leave' but must be"),
        (["--test", "4"], "--test is '4' but must be numbers of trials from 0 to 3"),
        (["--test", "first"], "--test is 'first' but must be"),
        (["--test", "0,1,2,3"], "--test holds out all 4 trials"),
        (["--x-key", "sound"], "holds no array 'sound'"),
        (["--report", "/no/such/folder/page.html"], "The folder of /no/such"),
    ],
)
def test_user_errors(files, capsys, more, sentence):
    folder, _ = files
    assert cli.main(command(folder, *more)) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.err.count("\n") == 1
    assert not (folder / "fit.npz").exists()


def test_files_that_do_not_fit_each_other(files, capsys):
    folder, _ = files
    x = io.read_arrays(folder / "x.npz")
    np.savez(folder / "y.npz", *x[:2])
    assert cli.main(command(folder)) == 2
    assert "holds 2 trials but" in capsys.readouterr().err
    np.savez(folder / "y.npz", *x[:3], x[3][:-1])
    assert cli.main(command(folder)) == 2
    assert "Trial 3 has 379 time points in" in capsys.readouterr().err
    np.savez(folder / "y.npz", *[trial + 1j for trial in x])
    assert cli.main(command(folder)) == 2
    assert "but must hold real numbers" in capsys.readouterr().err
    (folder / "y.npz").unlink()
    assert cli.main(command(folder)) == 2
    assert "y.npz: no such file" in capsys.readouterr().err


def test_trials_are_parsed():
    from jaxneuro.cli._fit_trf import parse_trials

    assert parse_trials("", 3) == []
    assert parse_trials("2,0,2", 5) == [0, 2]
    assert parse_trials("-1", 5) == [4]
