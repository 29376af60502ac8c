import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import glm

plt = pytest.importorskip("matplotlib.pyplot")

from jaxneuro import viz  # noqa: E402

EVENTS = {
    "onset": [4.0, 20.0, 40.0, 55.0],
    "duration": [6.0, 6.0, 0.0, 6.0],
    "trial_type": ["face", "house", "tone", "face"],
}


def texts(ticks):
    return [tick.get_text() for tick in ticks]


@pytest.fixture
def one_run(rng):
    confounds = {"x": rng.standard_normal(50), "y": rng.standard_normal(50)}
    return glm.design(EVENTS, 50, 2.0, confounds=confounds)


@pytest.fixture
def two_runs():
    return glm.design([EVENTS, EVENTS], [50, 40], 2.0)


def test_design_matrix(one_run, inside):
    ax = viz.design_matrix(one_run, title="Run 1")
    shown = ax.images[0].get_array()
    assert_allclose(shown, one_run.matrix / np.abs(one_run.matrix).max(axis=0))
    assert ax.images[0].get_clim() == (-1, 1)
    assert texts(ax.get_xticklabels()) == list(one_run.names)
    assert texts(ax.texts) == ["conditions", "confounds", "drifts"]
    assert ax.get_title() == "Run 1"
    assert ax.get_ylabel() == "Scan"
    inside(ax)


def test_design_matrix_of_runs(two_runs, inside):
    ax = viz.design_matrix(two_runs)
    assert texts(ax.texts) == ["conditions", "run 1", "run 2"]
    assert texts(ax.get_xticklabels())[3:6] == ["drift_1", "drift_2", "constant"]
    borders = [line.get_ydata()[0] for line in ax.lines if line.get_ydata()[0] > 40]
    assert borders == [49.5]
    inside(ax)


def test_many_columns_are_numbered(rng, inside):
    design = glm.design(EVENTS, 80, 2.0, confounds=rng.standard_normal((80, 50)))
    for draw in (viz.design_matrix, viz.correlation_matrix):
        ax = draw(design)
        assert ax.get_xlabel() == "Column"
        inside(ax)


def test_regressors(one_run, inside):
    ax = viz.regressors(one_run, EVENTS)
    assert texts(ax.get_yticklabels()) == ["face", "house", "tone"]
    thick = [line for line in ax.lines if line.get_linewidth() == 1.8]
    for row, line in enumerate(thick):
        column = one_run.matrix[:, row]
        assert_allclose(line.get_xdata(), one_run.times)
        assert_allclose(line.get_ydata(), 0.8 * column / np.abs(column).max() - row)
    boxes = [c.get_paths()[0].vertices for c in ax.collections]
    spans = sorted((box[:, 0].min(), box[:, 0].max()) for box in boxes)
    assert spans == [(4, 10), (20, 26), (40, 40), (55, 61)]
    assert ax.get_xlabel() == "Time (s)"
    inside(ax)


def test_regressors_of_a_basis_and_a_run():
    design = glm.design([EVENTS] * 2, [50, 40], 2.0, hrf_model="spm + derivative")
    ax = viz.regressors(design, run=1)
    thin = [line for line in ax.lines if line.get_linewidth() == 0.8]
    assert len(thin) == 3
    assert thin[0].get_xdata().size == 40
    with pytest.raises(ValueError, match="run is 2 but the design has runs 0 to 1"):
        viz.regressors(design, run=2)


def test_correlations(one_run, inside):
    ax = viz.correlation_matrix(one_run)
    shown = np.ma.filled(ax.images[0].get_array(), np.nan)
    expected = np.corrcoef(one_run.matrix[:, :-1].T)
    assert_allclose(shown[:-1, :-1], expected, atol=1e-12)
    assert np.isnan(shown[-1]).all()  # the constant
    assert texts(ax.get_yticklabels()) == list(one_run.names)
    inside(ax)


def test_correlations_within_runs(two_runs):
    ax = viz.correlation_matrix(two_runs)
    shown = np.ma.filled(ax.images[0].get_array(), np.nan)
    constant = np.array([name.endswith("constant") for name in two_runs.names])
    assert np.isnan(shown[constant]).all()
    drifts = [two_runs.names.index(f"run{r}_drift_1") for r in (1, 2)]
    assert_allclose(shown[drifts[0], drifts[1]], 0.0, atol=1e-12)


def test_correlations_of_an_array(rng):
    matrix = rng.standard_normal((30, 3))
    ax = viz.correlation_matrix(matrix, names=["a", "b", "c"], groups=["g", "g", "h"])
    assert texts(ax.texts) == ["g", "h"]
    assert_allclose(ax.images[0].get_array(), np.corrcoef(matrix.T))
    with pytest.raises(ValueError, match="groups has 2 entries but the design has 3"):
        viz.correlation_matrix(matrix, groups=["a", "b"])
    with pytest.raises(ValueError, match="names has 1 entries"):
        viz.correlation_matrix(matrix, names=["a"])


def test_contrast(one_run, inside):
    ax = viz.contrast(one_run.contrast("face - house / 2 + x"), one_run, title="t")
    assert_allclose([bar.get_height() for bar in ax.patches], [1, -0.5, 0, 1])
    assert texts(ax.get_xticklabels()) == ["face", "house", "tone", "x"]
    assert ax.get_ylabel() == "Weight"
    inside(ax)


def test_contrasts(one_run, inside):
    weights = one_run.contrast(["face", "face - house"])
    ax = viz.contrast(weights, one_run, names=["one", "two"])
    assert_allclose(ax.images[0].get_array(), weights[:, :3])
    assert texts(ax.get_yticklabels()) == ["one", "two"]
    inside(ax)
    with pytest.raises(ValueError, match="weights has 2 columns but the design has"):
        viz.contrast([1.0, 2.0], one_run)


@pytest.mark.parametrize(("dof", "quantile"), [(None, 1.959964), (5, 2.570582)])
def test_fir(rng, inside, dof, quantile):
    curves, errors = rng.standard_normal((2, 7)), rng.random((2, 7))
    times = (np.arange(7) + 0.5) * 2.0
    ax = viz.fir(curves, errors, times=times, names=["face", "house"], dof=dof)
    lines = [line for line in ax.lines if line.get_marker() == "o"]
    for line, band, curve, error in zip(
        lines, ax.collections, curves, errors, strict=True
    ):
        assert_allclose(line.get_ydata(), curve)
        edges = band.get_paths()[0].vertices
        assert_allclose(edges[:, 1].max(), (curve + quantile * error).max(), rtol=1e-5)
    assert texts(ax.get_legend().get_texts()) == ["face", "house"]
    assert ax.get_xlabel() == "Time since the event (s)"
    inside(ax)


def test_fir_errors():
    with pytest.raises(ValueError, match=r"times has shape \(3,\) but curves has 4"):
        viz.fir(np.zeros(4), times=np.zeros(3))
    with pytest.raises(
        ValueError, match=r"standard_error has shape \(1, 3\) but curves"
    ):
        viz.fir(np.zeros(4), np.zeros(3), times=np.zeros(4))
    with pytest.raises(ValueError, match="confidence is 95 but must be between"):
        viz.fir(np.zeros(4), times=np.zeros(4), confidence=95)


def test_given_axes(one_run):
    _, ax = plt.subplots(1, 5)
    assert viz.design_matrix(one_run, ax=ax[0]) is ax[0]
    assert viz.regressors(one_run, ax=ax[1]) is ax[1]
    assert viz.correlation_matrix(one_run, ax=ax[2]) is ax[2]
    assert viz.contrast(one_run.contrast("face"), one_run, ax=ax[3]) is ax[3]
    assert viz.fir([0.0, 1.0], times=[1.0, 3.0], ax=ax[4]) is ax[4]
