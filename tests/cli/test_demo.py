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
    assert cli.main(["demo", "--fast", "--out", str(tmp_path / "out")]) == 0
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


def test_missing_recording_is_replaced_and_marked(tmp_path, capsys, monkeypatch):
    def missing():
        raise ImportError("nitime is\nnot installed.")

    monkeypatch.setattr(datasets, "load_grasshopper", missing)
    out = str(tmp_path)
    assert cli.main(["demo", "--fast", "--only", "trf", "--out", out]) == 0
    captured = capsys.readouterr()
    assert "simulated data take its place: nitime is not installed." in captured.err
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<span class="badge simulated">simulated</span>' in page
    assert "real recording" not in page


def test_unknown_workflow(capsys):
    assert cli.main(["demo", "--only", "glmm"]) == 2
    assert "--only is 'glmm' but the workflows are: trf" in capsys.readouterr().err
