import argparse
import importlib
import re

import matplotlib as mpl
import numpy as np
import pytest

from jaxneuro import cli, datasets

mpl.use("Agg")
pytest.importorskip("jaxneuro.estimators")


def scores(page):
    """Numbers of the first table, row by row."""
    body = re.search(r"<tbody>(.*?)</tbody>", page, flags=re.DOTALL)[1]
    rows = re.findall(r"<tr>(.*?)</tr>", body)
    return [re.findall(r">([^<]*)</td>", row) for row in rows]


def test_demo_on_the_real_recording(tmp_path, capsys):
    pytest.importorskip("nitime")
    arguments = ["demo", "--fast", "--only", "trf", "--out", str(tmp_path / "out")]
    assert cli.main(arguments) == 0
    captured = capsys.readouterr()
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "report.html" in captured.out
    assert "Auditory receptor" in captured.out
    assert "real recording" in page
    assert ">simulated<" not in page
    assert page.count("<img") == 5
    correlations = [float(row[-1]) for row in scores(page)]
    assert len(correlations) == 4
    # What ridge reaches on these two stimuli, encoding and decoding.
    np.testing.assert_allclose(correlations, [0.34, 0.55, 0.3, 0.28], atol=0.08)


@pytest.fixture
def nothing_to_load(monkeypatch):
    def missing(**options):
        raise ImportError("nitime is\nnot installed.")

    monkeypatch.setattr(datasets, "load_grasshopper", missing)
    monkeypatch.setattr(datasets, "load_naplib_tutorial", missing)
    monkeypatch.setattr(datasets, "load_fmri_event_related", missing)


@pytest.mark.parametrize("name", ["_receptor", "_speech"])
@pytest.mark.usefixtures("nothing_to_load")
def test_missing_recording_is_named_and_replaced(name, capsys):
    part = importlib.import_module(f"jaxneuro.cli.{name}")
    data = part._load(fast=True)
    assert data.source.kind == "simulated"
    said = capsys.readouterr().err
    assert said.endswith("simulated data take its place: nitime is not installed.\n")
    assert said.count("\n") == 1


@pytest.mark.slow
@pytest.mark.usefixtures("nothing_to_load")
def test_simulations_are_marked(tmp_path):
    arguments = ["demo", "--fast", "--full", "--only", "trf", "--out", str(tmp_path)]
    assert cli.main(arguments) == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count('<span class="badge simulated">simulated</span>') == 2
    assert "real" not in re.findall(r'class="badge (\w+)"', page)
    assert "naplib 2.6.0" not in page
    assert page.count("<img") == 8


@pytest.mark.slow
@pytest.mark.network
def test_speech_agrees_with_naplib():
    pytest.importorskip("h5py")
    from jaxneuro.cli import _speech

    options = argparse.Namespace(fast=True, dtype="float32")
    section = _speech.section(options)
    assert section.source.kind == "mixed"
    measured, theirs = np.array(
        [[float(number) for number in row[1:3]] for row in section.tables[0].rows[:2]]
    ).T
    np.testing.assert_allclose(measured, theirs, atol=2e-3)


@pytest.mark.slow
def test_demo_of_the_glm(tmp_path, capsys):
    """A real time course, and a simulated brain whose truth is found."""
    pytest.importorskip("nitime")
    assert cli.main(["demo", "--fast", "--only", "glm", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "Event-related fMRI" in said
    assert "A simulated brain" in said
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    badges = re.findall(r'class="badge (\w+)"', page)
    assert badges == ["real", "simulated"]
    assert page.count("<img") == 4
    tables = re.findall(r"<caption>([^<]*)</caption>.*?<tbody>(.*?)</tbody>", page)
    numbers = {
        caption: [
            [float(n) for n in re.findall(r">(-?[\d.e-]+)</td>", row)]
            for row in re.findall(r"<tr>(.*?)</tr>", body)
        ]
        for caption, body in tables
    }
    delays, canonical = numbers["Models"]
    assert delays[1] > canonical[1] > 0.1  # adjusted R2
    assert min(delays[2], canonical[2]) > 3  # z
    truth = np.array(numbers["Maps against the truth"])
    assert truth[:, 0].mean() > 0.3  # planted voxels found
    assert truth[:, 1].mean() < 0.15  # false among those found
    np.testing.assert_allclose(truth[:, 2], 0.0, atol=0.1)
    np.testing.assert_allclose(truth[:, 3], 1.0, atol=0.06)


@pytest.mark.slow
@pytest.mark.usefixtures("nothing_to_load")
def test_missing_time_course_is_simulated(capsys):
    from jaxneuro.cli import _bold

    section = _bold.recording(argparse.Namespace(fast=True, dtype="float32"))
    assert section.source.kind == "simulated"
    assert "simulated data take its place" in capsys.readouterr().err


@pytest.mark.slow
def test_demo_of_encoding(tmp_path, capsys):
    """Scores come near to those of the planted fields, and so do the fields."""
    out = ["--out", str(tmp_path)]
    assert cli.main(["demo", "--fast", "--only", "encoding", *out]) == 0
    assert "Voxelwise encoding" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert re.findall(r'class="badge (\w+)"', page) == ["simulated"]
    assert page.count("<img") == 2
    assert [row[0] for row in scores(page)] == ["all", "best half", "best tenth"]
    found = np.array([[float(n) for n in row[1:]] for row in scores(page)])
    r, ceiling, match = found.T
    assert (np.diff(r) > 0).all()
    assert (r < ceiling).all()
    assert r[1] > 0.8 * ceiling[1]
    assert match[0] > 0.5
    assert match[2] > 0.75


def test_unknown_workflow(capsys):
    assert cli.main(["demo", "--only", "glmm"]) == 2
    assert "--only is 'glmm' but the workflows are: trf, glm" in capsys.readouterr().err


@pytest.mark.slow
def test_networks_find_what_excites(tmp_path, capsys):
    arguments = ["demo", "--fast", "--only", "mei", "--out", str(tmp_path / "out")]
    assert cli.main(arguments) == 0
    said = capsys.readouterr().out
    # More than the best Gabor of the same network, mean and contrast.
    found = re.search(r"drive the network ([\d.]+) times \[([\d.]+), ", said)
    assert 1 < float(found[2]) <= float(found[1]) < 2
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count("<img") == 3
    assert len(scores(page)) == 6
