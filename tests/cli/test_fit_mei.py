import jax
import matplotlib as mpl
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import cli, io, mei, simulate

mpl.use("Agg")
pytest.importorskip("jaxneuro.estimators")

SHAPE, N_TARGETS = (12, 16), 3


@pytest.fixture
def files(tmp_path):
    """Images as bytes, and the rates of planted cells to them."""
    key = jax.random.key(0)
    images, rates = simulate.gabor_neurons(key, 200, SHAPE, N_TARGETS)
    gray = np.round(255 * np.asarray(images)[..., 0]).astype(np.uint8)
    np.save(tmp_path / "images.npy", gray)
    np.save(tmp_path / "rates.npy", np.asarray(rates))
    return tmp_path


def command(folder, *more):
    paths = ["--images", str(folder / "images.npy"), "--out", str(folder / "mei.npz")]
    return ["fit", "mei", *paths, *map(str, more)]


@pytest.mark.slow
def test_a_network_is_trained_saved_and_used_again(files, capsys):
    more = ["--n-epochs", 3, "--n-steps", 5, "--neurons", "2,0", "--contrast", 0.1]
    train = ["--responses", files / "rates.npy", "--network-out", files / "net.npz"]
    out = ["--gabors-out", files / "gabors.npz", "--report", files / "report.html"]
    code = cli.main(command(files, *more, *train, *out))
    captured = capsys.readouterr()
    assert code == 0, captured.err
    assert "2 neurons" in captured.out
    assert "times as much as the linear field" in captured.out
    first = io.load(files / "mei.npz")
    assert isinstance(first, mei.MEI)
    assert first.images.shape == (2, *SHAPE, 1)
    assert_allclose(first.contrasts[-1], 0.1, rtol=0.02)
    assert first.responses[-1].min() > first.responses[0].min()
    gabors = io.load(files / "gabors.npz")
    assert_allclose(gabors.contrasts[-1], 0.1, rtol=0.02)
    page = (files / "report.html").read_text(encoding="utf-8")
    assert page.count("<img") == 3
    assert "R² of a Gabor" in page
    again = ["--network", files / "net.npz"]
    assert cli.main(command(files, *more, *again)) == 0, capsys.readouterr().err
    assert_allclose(io.load(files / "mei.npz").images, first.images, atol=1e-5)
    code = cli.main(command(files, *again, "--neurons", "3"))
    assert code == 2
    assert "--neurons is '3' but must be numbers from 0 to 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "takes either --responses, to train a network, or --network"),
        (["--network", "{}/rates.npy"], "is not a record saved by"),
        (["--responses", "{}/images.npy"], "--responses has shape (200, 12, 16) but"),
        (["--responses", "{}/rates.npy", "--n-steps", "0"], "--n-steps is 0 but must"),
        (["--responses", "{0}/rates.npy", "--report", "{0}/no/x.html"], "The folder"),
    ],
)
def test_bad_options(files, capsys, more, message):
    more = [text.format(files) for text in more]
    assert cli.main(command(files, *more)) == 2
    assert message in capsys.readouterr().err


def test_bad_images(files, capsys):
    np.save(files / "images.npy", np.full((4, 5, 6), 0.5))
    rates = ["--responses", files / "rates.npy"]
    assert cli.main(command(files, *rates)) == 2
    assert "--images holds NaN, infinite or only equal" in capsys.readouterr().err
    np.save(files / "images.npy", np.ones((4, 5)))
    assert cli.main(command(files, *rates)) == 2
    assert "--images holds float64 of shape (4, 5)" in capsys.readouterr().err
    # A record that is no network.
    record = mei.gabor_bank((8, 9), grid=(1, 1))
    io.save(files / "bank.npz", record)
    np.save(files / "images.npy", np.random.default_rng(0).random((4, 8, 9)))
    assert cli.main(command(files, "--network", files / "bank.npz")) == 2
    assert "holds a Gabors but must be a trained network" in capsys.readouterr().err
