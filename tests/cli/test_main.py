import subprocess
import sys
import warnings

import pytest

import jaxneuro
from jaxneuro import cli


def fails_with(error):
    def run(options):
        raise error

    return run


def test_import_is_light():
    heavy = ["jax", "numpy", "matplotlib", "sklearn", "jaxneuro.core"]
    code = (
        "import sys, jaxneuro.cli\n"
        f"print(*(name for name in {heavy} if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("sfreq is 0 but\nmust be positive."), "sfreq is 0 but must be"),
        (ImportError("Install it with pip."), "Install it with pip."),
        (FileNotFoundError(2, "No such file or directory", "x.npz"), "x.npz: no such"),
        (ConnectionError("No network."), "No network."),
    ],
)
def test_user_errors_are_one_line_and_code_2(monkeypatch, capsys, error, sentence):
    monkeypatch.setattr(cli, "_run_info", fails_with(error))
    assert cli.main(["info"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"jaxneuro: {sentence}")
    assert captured.err.count("\n") == 1


def test_ctrl_c_is_code_130(monkeypatch, capsys):
    monkeypatch.setattr(cli, "_run_info", fails_with(KeyboardInterrupt()))
    assert cli.main(["info"]) == 130
    assert capsys.readouterr().err.strip() == "jaxneuro: interrupted"


def test_interrupted_process_ends_cleanly():
    code = (
        "import os, signal, sys\nfrom jaxneuro import cli\n"
        # A shell in the background has its children ignore the signal.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "cli._run_info = lambda _: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.argv = ['jaxneuro', 'info']\nsys.exit(cli.main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 130
    assert done.stderr.strip() == "jaxneuro: interrupted"


def test_faults_of_ours_are_not_hidden(monkeypatch):
    monkeypatch.setattr(cli, "_run_info", fails_with(ZeroDivisionError("ours")))
    with pytest.raises(ZeroDivisionError, match="ours"):
        cli.main(["info"])


def test_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert capsys.readouterr().out.strip() == jaxneuro.__version__


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["fit"],
        ["fit", "trf", "--x", "a.npz"],
        ["fit", "trf", "--alpha", "1", "--alphas", "1,2"],
    ],
)
def test_wrong_usage_is_code_2(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(arguments)
    assert "usage: jaxneuro" in capsys.readouterr().err


def test_info(capsys):
    assert cli.main(["info"]) == 0
    lines = dict(
        line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()
    )
    assert lines["jaxneuro"] == jaxneuro.__version__
    assert lines["Python"] == ".".join(map(str, sys.version_info[:3]))
    assert " x cpu" in lines["devices"] or "gpu" in lines["devices"]
    assert {"jax", "numpy", "scipy", "matplotlib", "recordings"} <= set(lines)


def test_warnings_are_sentences(monkeypatch, capsys):
    def run(options):
        warnings.warn("X is constant in 1 of 3 columns.", UserWarning, stacklevel=1)
        return 0

    monkeypatch.setattr(cli, "_run_info", run)
    shown = warnings.showwarning
    assert cli.main(["info"]) == 0
    assert warnings.showwarning is shown
    expected = "jaxneuro: warning: X is constant in 1 of 3 columns.\n"
    assert capsys.readouterr().err == expected
