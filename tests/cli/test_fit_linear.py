import re

import matplotlib as mpl
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import cli, io, linear

mpl.use("Agg")
pytest.importorskip("jaxneuro.estimators")

N_FEATURES, N_TARGETS = 6, 5


@pytest.fixture
def files(tmp_path, rng):
    """Three runs of six features; the last three are noise to every target."""
    coef = np.zeros((N_FEATURES, N_TARGETS))
    coef[:3] = rng.standard_normal((3, N_TARGETS))
    x, y = {}, {}
    for index, n_samples in enumerate((50, 40, 30)):
        X = rng.standard_normal((n_samples, N_FEATURES))
        noise = 0.1 * rng.standard_normal((n_samples, N_TARGETS))
        x[f"run_{index}"], y[f"run_{index}"] = X, X @ coef + noise
    np.savez(tmp_path / "x.npz", **x)
    np.savez(tmp_path / "y.npz", **y)
    return tmp_path, coef, x, y


def command(folder, model, *more):
    paths = ["--x", str(folder / "x.npz"), "--y", str(folder / "y.npz")]
    out = ["--out", str(folder / "fit.npz")]
    bands = ["--bands", "0,0,0,1,1,1"] if model == "banded" else []
    return ["fit", model, *paths, *out, *bands, *more]


def printed(name, text):
    found = re.search(rf"^{name}\s+(-?[\d.]+)", text, flags=re.MULTILINE)
    assert found is not None
    return float(found[1])


@pytest.mark.parametrize(
    ("model", "more", "n_figures", "words"),
    [
        ("ridge", [], 2, ["Penalty of each target; orange"]),
        ("banded", ["--n-iter", "8"], 3, ["Penalty of band 1", "held-out samples"]),
        ("lasso", ["--shape", "2,3"], 3, ["grid of its own", "Weights over pixels"]),
    ],
)
def test_fit_recovers_the_weights(files, capsys, model, more, n_figures, words):
    folder, coef, x, y = files
    report = folder / "report.html"
    more = [*more, "--test", "2", "--report", str(report)]
    code = cli.main(command(folder, model, *more))
    captured = capsys.readouterr()
    assert code == 0, captured.err
    fit = io.load(folder / "fit.npz")
    assert_allclose(fit.coef, coef, atol=0.06)
    assert "6 features -> 5 targets; 90 samples" in captured.out
    page = report.read_text(encoding="utf-8")
    assert page.count("<img") == n_figures
    assert all(word in page for word in words)
    # The scores are those of the saved fit on the run that it has not seen.
    predicted = np.asarray(linear.predict(fit, x["run_2"].astype(fit.coef.dtype)))
    wrong = ((y["run_2"] - predicted) ** 2).sum(0)
    r2 = 1 - wrong / ((y["run_2"] - y["run_2"].mean(0)) ** 2).sum(0)
    assert_allclose(printed("held-out R²", captured.out), r2.mean(), atol=1e-4)
    # Two folds estimate what the held-out run measures.
    found = printed("cross-validated R²", captured.out)
    assert_allclose(found, r2.mean(), atol=0.03)


@pytest.mark.parametrize("cv", ["loo", "gcv"])
def test_schemes_of_ridge(files, cv):
    folder, coef, *_ = files
    more = ["--cv", cv, "--alphas", "0.1,1e6", "--dtype", "float64"]
    assert cli.main(command(folder, "ridge", *more)) == 0
    fit = io.load(folder / "fit.npz")
    assert fit.coef.dtype == np.float64
    assert_allclose(fit.alpha, 0.1)
    assert_allclose(fit.coef, coef, atol=0.06)


def test_one_array_and_bands_from_a_file(files, capsys):
    folder, coef, x, y = files
    np.save(folder / "x.npy", x["run_0"].reshape(-1, 2, 3))  # images
    np.save(folder / "y.npy", y["run_0"])
    np.save(folder / "bands.npy", np.array([1, 1, 1, 0, 0, 0]))
    arguments = ["fit", "banded", "--x", str(folder / "x.npy"), "--n-iter", "4"]
    arguments += ["--y", str(folder / "y.npy"), "--bands", str(folder / "bands.npy")]
    report = folder / "report.html"
    arguments += ["--out", str(folder / "fit.npz"), "--report", str(report)]
    assert cli.main(arguments) == 0
    fit = io.load(folder / "fit.npz")
    assert_allclose(fit.coef, coef, atol=0.1)
    assert (fit.alpha[1] <= fit.alpha[0]).all()  # band 1 holds the signal
    assert "samples that were fitted" in report.read_text(encoding="utf-8")
    assert cli.main([*arguments, "--cv", "trials"]) == 2
    assert "--cv is 'trials' but one array is left" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("model", "more", "sentence"),
    [
        ("ridge", ["--cv", "1"], "--cv is '1' but must be trials, loo, gcv, or a"),
        ("lasso", ["--cv", "gcv"], "--cv is 'gcv' but must be trials, or a number"),
        ("ridge", ["--cv", "500"], "500"),
        ("ridge", ["--alphas", "1:2"], "--alphas is '1:2' but must be FIRST:LAST"),
        ("ridge", ["--test", "3"], "--test is '3' but must be numbers of trials"),
        ("banded", ["--bands", "a,b"], "--bands is 'a,b' but must be the band"),
        ("banded", ["--bands", "0,1"], "bands has shape (2,) but must be (6,)"),
        ("banded", ["--n-iter", "0"], "--n-iter is 0 but must be 1 or more"),
        ("lasso", ["--shape", "2x3"], "--shape is '2x3' but must be H,W"),
        ("lasso", ["--shape", "4,4"], "16 pixels, but --x has 6 features"),
        ("ridge", ["--out", "/no/such/folder/fit.npz"], "The folder of /no/such"),
    ],
)
def test_user_errors(files, capsys, model, more, sentence):
    folder, *_ = files
    assert cli.main(command(folder, model, *more)) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.err.count("\n") == 1
    assert not (folder / "fit.npz").exists()


def test_bands_must_be_integers(files, capsys):
    folder, *_ = files
    np.save(folder / "bands.npy", np.zeros(N_FEATURES))
    more = ["--bands", str(folder / "bands.npy")]
    assert cli.main(command(folder, "banded", *more)) == 2
    assert "holds float64 of shape (6,) but must hold" in capsys.readouterr().err
