"""The table of models behind ``jaxneuro fit``."""

import subprocess
import sys
from importlib import import_module

import pytest

from jaxneuro import cli
from jaxneuro.cli.fit import MODELS

pytest.importorskip("jaxneuro.estimators")


def test_list_of_models_is_light(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["fit", "--help"])
    said = capsys.readouterr().out
    assert all(model.help in said for model in MODELS)
    code = (
        "import sys\nfrom jaxneuro import cli\n"
        "try:\n    cli.main(['fit', '--help'])\nexcept SystemExit:\n    pass\n"
        "print('jax' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_help_has_an_example(model, capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["fit", model.name, "--help"])
    said = capsys.readouterr().out
    assert f"jaxneuro fit {model.name} --" in said
    assert "--out" in said


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_modules_offer_what_the_table_calls(model):
    module = import_module(f"jaxneuro.cli.{model.module}")
    assert callable(module.add_arguments)
    assert callable(module.run)
