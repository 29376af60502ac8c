import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import glm

EVENTS = {"onset": [10.0], "duration": [5.0], "trial_type": ["a"]}


def drifts(n_scans, tr, **options):
    made = glm.design(EVENTS, n_scans, tr, **options)
    return made.matrix[:, 1:], made.names[1:]


@pytest.mark.parametrize(
    ("n", "tr", "high_pass", "count"),
    [(156, 2.0, 0.01, 6), (300, 0.72, 1 / 128, 3), (50, 2.0, 0.01, 2), (60, 2.0, 0, 0)],
)
def test_cosines(n, tr, high_pass, count):
    """All cosines of period 1 / high_pass or longer, and the constant."""
    columns, names = drifts(n, tr, high_pass=high_pass)
    k = np.arange(1, count + 1)
    t = np.arange(n)[:, None]
    expected = np.sqrt(2 / n) * np.cos(np.pi * (2 * t + 1) * k / (2 * n))
    assert names == (*(f"drift_{i}" for i in k), "constant")
    assert_allclose(columns, np.column_stack([expected, np.ones(n)]), atol=1e-12)


@pytest.mark.parametrize("tr", [0.1, 0.7, 0.72, 1.4, 2.2])
def test_a_whole_number_of_cosines_survives_rounding(tr):
    for order in range(1, 30):
        columns, _ = drifts(500, tr, high_pass=order / (2 * 500 * tr))
        assert columns.shape[1] == order + 1


@pytest.mark.parametrize("order", [0, 1, 5, 15])
def test_polynomials(order):
    columns, names = drifts(120, 2.0, drift_model="polynomial", drift_order=order)
    assert names == (*(f"drift_{i + 1}" for i in range(order)), "constant")
    powers = np.linspace(-1, 1, 120)[:, None] ** np.arange(order + 1)
    unexplained = powers - columns @ np.linalg.lstsq(columns, powers, rcond=None)[0]
    assert np.abs(unexplained).max() < 1e-10
    assert np.linalg.cond(columns) < 10


def test_default_order_grows_with_the_run():
    for n, order in ((70, 1), (80, 2), (300, 5)):
        assert drifts(n, 2.0, drift_model="polynomial")[0].shape[1] == order + 1
    nilearn, _ = drifts(300, 2.0, drift_model="polynomial", compat="nilearn")
    assert nilearn.shape[1] == 2


def test_only_a_constant():
    columns, names = drifts(40, 2.0, drift_model=None)
    assert names == ("constant",)
    assert_allclose(columns, 1.0)


def test_errors():
    with pytest.raises(ValueError, match="drift_model is 'cos' but must be one of"):
        drifts(50, 2.0, drift_model="cos")
    with pytest.raises(
        ValueError, match="high_pass is 0.25 Hz but scans every 2 s end"
    ):
        drifts(50, 2.0, high_pass=0.25)
    with pytest.raises(ValueError, match="high_pass is -0.1 Hz"):
        drifts(50, 2.0, high_pass=-0.1)
    with pytest.raises(ValueError, match="drift_order is 50 but must be .* 0 to 49"):
        drifts(50, 2.0, drift_model="polynomial", drift_order=50)
    with pytest.raises(ValueError, match="drift_order is 1.5 but must be a whole"):
        drifts(50, 2.0, drift_model="polynomial", drift_order=1.5)
