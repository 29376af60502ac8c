import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import viz

ALPHAS = np.logspace(-2, 3, 6)


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def mean_line(ax):
    return next(line for line in ax.lines if line.get_marker() == "o")


@pytest.mark.parametrize("n_targets", [1, 3, 200])
def test_alpha_curve(rng, inside, n_targets):
    scores = rng.random((6, n_targets))
    chosen = ALPHAS[scores.argmax(axis=0)]
    ax = viz.alpha_curve(ALPHAS[::-1], scores[::-1], chosen=chosen, metric="r")
    assert_allclose(mean_line(ax).get_xdata(), ALPHAS)  # sorted
    assert_allclose(mean_line(ax).get_ydata(), scores.mean(axis=1))
    assert ax.get_xscale() == "log"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Penalty alpha", "Held-out r")
    if n_targets == 1:
        assert legend(ax) == ["cross-validated", f"chosen, {chosen[0]:.3g}"]
    else:
        assert legend(ax) == [f"mean of {n_targets} targets", "chosen per target"]
        lines, dots = ax.collections
        assert len(lines.get_segments()) == n_targets
        expected = np.column_stack([chosen, scores.max(axis=0)])
        assert_allclose(dots.get_offsets(), expected)
    inside(ax)


def test_alpha_curve_of_one_score_and_with_zero(rng):
    ax = viz.alpha_curve([0.0, 1.0, 10.0], rng.random(3), chosen=1.0)
    assert ax.get_xscale() == "symlog"
    assert legend(ax)[1] == "chosen, 1"
    assert_allclose(ax.lines[-1].get_xdata(), [1.0, 1.0])


def test_shared_choice_is_one_line(rng):
    ax = viz.alpha_curve(ALPHAS, rng.random((6, 4)), chosen=np.full(4, 10.0))
    assert legend(ax)[1] == "chosen, 10"


@pytest.mark.parametrize("n_targets", [1, 5, 40])
def test_scores_are_bars(rng, inside, n_targets):
    values = rng.standard_normal(n_targets)
    names = [f"Target {i}" for i in range(n_targets)]
    ax = viz.scores(values, names=names, chance=0.1)
    assert_allclose([bar.get_height() for bar in ax.patches], values)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Target", "Correlation")
    assert ax.get_xticklabels()[0].get_text() == "Target 0"
    assert len(ax.get_xticklabels()) <= 16
    assert legend(ax) == ["chance, 0.1"]
    inside(ax)


def test_many_scores_are_a_histogram(rng, inside):
    values = rng.random(500)
    values[:20] = np.nan
    ax = viz.scores(values, metric="R²", title="All voxels")
    assert sum(bar.get_height() for bar in ax.patches) == 480
    assert ax.get_xlabel() == "R² (20 of 500 undefined)"
    assert ax.get_ylabel() == "Number of targets"
    assert legend(ax) == [f"median, {np.nanmedian(values):.3g}"]
    inside(ax)


@pytest.mark.parametrize("n_targets", [1, 4])
def test_null_distribution(rng, inside, n_targets):
    null = rng.standard_normal((99, n_targets))
    observed = np.full(n_targets, np.sort(null.mean(axis=1))[-5])
    ax = viz.null_distribution(null, observed)
    # Five permutations reach the observed score: (1 + 5) / (1 + 99).
    assert ax.get_title() == "p = 0.06, 99 permutations"
    (outline,) = ax.patches
    heights = outline.get_xy()[:, 1]
    assert heights.max() <= 99
    assert heights.min() == 0
    over = "" if n_targets == 1 else ", mean of 4 targets"
    assert ax.get_xlabel() == f"Correlation{over}"
    assert ax.get_ylabel() == "Number of permutations"
    inside(ax)


def test_null_of_one_target_may_be_flat(rng):
    ax = viz.null_distribution(rng.standard_normal(50), 9.0, title="Song")
    assert ax.get_title() == "Song"
    assert legend(ax) == ["permuted", "observed, 9"]


def test_errors(rng):
    with pytest.raises(ValueError, match="scores has 5 rows but alphas has 6"):
        viz.alpha_curve(ALPHAS, rng.random((5, 2)))
    with pytest.raises(ValueError, match="alphas holds -1 but penalties"):
        viz.alpha_curve([-1.0, 1.0], rng.random((2, 2)))
    with pytest.raises(ValueError, match=r"chosen has shape \(2,\) but scores has 3"):
        viz.alpha_curve(ALPHAS, rng.random((6, 3)), chosen=[1.0, 10.0])
    with pytest.raises(ValueError, match="values is empty"):
        viz.scores([])
    with pytest.raises(ValueError, match="values has shape .* must be one-dim"):
        viz.scores(rng.random((2, 2)))
    with pytest.raises(ValueError, match="names has 1 entries but the data have 2"):
        viz.scores([0.1, 0.2], names=["a"])
    with pytest.raises(ValueError, match=r"observed has shape \(2,\) but null has 3"):
        viz.null_distribution(rng.random((9, 3)), [0.1, 0.2])
    with pytest.raises(ValueError, match="null has shape .* one-dim.* or two-dim"):
        viz.null_distribution(0.3, 0.2)


def test_missing_matplotlib_is_named():
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "try:\n    import jaxneuro.viz\n"
        "except ImportError as error:\n    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert 'pip install "jaxneuro[viz]"' in done.stdout
