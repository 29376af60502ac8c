import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.stats import gamma

from jaxneuro import glm
from jaxneuro.glm._hrf import responses

DT = 0.1
TIMES = np.arange(320) * DT


def spm(t, width=1.0):
    return gamma.pdf(t, 6 / width, scale=width) - gamma.pdf(t, 16) / 6


def glover(t, width=0.9):
    peak = gamma.pdf(t, 6 / width, scale=width)
    return peak - 0.48 * gamma.pdf(t, 12 / 0.9, scale=0.9)


SHAPES = {"spm": (spm, 1.0), "glover": (glover, 0.9)}


@pytest.mark.parametrize("name", SHAPES)
def test_canonical(name):
    values = SHAPES[name][0](TIMES)
    weights = glm.hrf(name, dt=DT)
    assert weights.dtype == np.float64
    assert_allclose(weights, values / values.sum(), rtol=1e-12, atol=1e-16)
    assert_allclose(weights.sum(), 1.0)
    assert weights[0] == 0.0  # no delay of a sample
    assert TIMES[weights.argmax()] == pytest.approx(5.0)


@pytest.mark.parametrize("name", SHAPES)
def test_derivatives(name):
    shape, width = SHAPES[name]
    weights = glm.hrf(f"{name} + derivative + dispersion", dt=DT)
    total = shape(TIMES).sum()
    step = 1e-5
    earlier = (shape(TIMES + step) - shape(TIMES - step)) / (2 * step)
    narrower = (shape(TIMES, width - step) - shape(TIMES, width + step)) / (2 * step)
    assert weights.shape == (320, 3)
    assert_allclose(weights[:, 0], glm.hrf(name, dt=DT))
    # The first sample of a centred difference looks at negative times.
    assert_allclose(weights[1:, 1], earlier[1:] / total, rtol=0, atol=1e-9)
    assert_allclose(weights[:, 2], narrower / total, rtol=0, atol=1e-9)
    assert_allclose(glm.hrf(f"{name}+Derivative", dt=DT), weights[:, :2])


@pytest.mark.parametrize("name", SHAPES)
def test_integrals(name):
    for one in responses(f"{name} + derivative + dispersion", tr=2.0):
        for t in (0.3, 4.0, 11.0, 31.0):
            area = quad(one.value, 0, t, epsabs=1e-12, epsrel=1e-12)[0]
            assert_allclose(one.integral(np.array(t)), area, rtol=0, atol=1e-10)
    canonical, earlier, _ = responses(f"{name} + derivative + dispersion", tr=2.0)
    assert_allclose(canonical.integral(np.array(32.0)), 1.0)
    assert earlier.integral(np.array(32.0)) == 0.0


def test_duration():
    assert glm.hrf(dt=2.0, duration=12.0).shape == (6,)
    assert glm.hrf(dt=0.72 / 16).shape == (711,)
    assert glm.hrf(dt=0.72 / 16, compat="nilearn").shape == (711,)


def test_nilearn_shifts_and_stretches():
    """Its kernel is ours a sample later, on a grid that is a little too wide."""
    n = 320
    t = np.linspace(0, 32, n)
    values = gamma.pdf(t, 6, loc=DT) - 0.167 * gamma.pdf(t, 16, loc=DT)
    weights = glm.hrf("spm", dt=DT, compat="nilearn")
    assert_allclose(weights, values / values.sum(), rtol=1e-11, atol=1e-16)


def test_fir():
    weights = glm.hrf("fir", dt=0.5, tr=2.0, fir_delays=[0, 3])
    assert weights.shape == (16, 2)
    assert_allclose(weights[:4, 0], 0.25)
    assert_allclose(weights[12:, 1], 0.25)
    assert_allclose(weights.sum(axis=0), 1.0)
    assert glm.hrf("fir", dt=0.5, tr=2.0).shape == (40, 10)  # 20 seconds


def test_own_arrays_and_functions():
    given = np.array([0.0, 0.4, 0.6, -0.1])
    assert_allclose(glm.hrf(given, dt=DT), given)
    # A function is the response per second, so its weights are smaller.
    assert_allclose(glm.hrf(lambda t: gamma.pdf(t, 6), dt=DT).sum(), 1.0, atol=1e-6)
    both = glm.hrf([lambda t: gamma.pdf(t, 6), lambda t: gamma.pdf(t, 8)], dt=DT)
    assert both.shape == (320, 2)


def test_straight_lines_between_samples(rng):
    weights = rng.standard_normal(9)
    (one,) = responses(weights, tr=2.0, oversampling=4)
    assert one.length == 4.0
    assert_allclose(one.value(np.arange(9) * 0.5), weights / 0.5)
    for t in (0.2, 0.5, 3.3, 4.0):
        area = quad(one.value, 0, t, points=np.arange(0.5, t, 0.5), limit=200)[0]
        assert_allclose(one.integral(np.array(t)), area, atol=1e-7)


def test_errors():
    with pytest.raises(
        ValueError, match="hrf_model is 'spmm' but must be one of 'spm'"
    ):
        glm.hrf("spmm", dt=DT)
    with pytest.raises(ValueError, match="hrf_model is 'fir . derivative'"):
        glm.hrf("fir + derivative", dt=DT)
    with pytest.raises(ValueError, match="dt is 0 but must be positive"):
        glm.hrf(dt=0.0)
    with pytest.raises(ValueError, match="duration is -1 but must be positive"):
        glm.hrf(dt=DT, duration=-1.0)
    with pytest.raises(ValueError, match="dt is 30 s but must leave 2 samples"):
        glm.hrf(dt=30.0)
    with pytest.raises(ValueError, match="compat is 'spm' but must be one of"):
        glm.hrf(dt=DT, compat="spm")
    with pytest.raises(ValueError, match='tr is None but the model "fir" needs it'):
        glm.hrf("fir", dt=DT)
    with pytest.raises(ValueError, match="fir_delays is .* must list whole numbers"):
        glm.hrf("fir", dt=DT, tr=2.0, fir_delays=[0.5])
    with pytest.raises(ValueError, match="fir_delays is .* must not repeat"):
        glm.hrf("fir", dt=DT, tr=2.0, fir_delays=[1, 1])
    with pytest.raises(TypeError, match="hrf_model is of type dict but must be a name"):
        glm.hrf({"a": 1}, dt=DT)
    with pytest.raises(ValueError, match="hrf_model has 1 NaN"):
        glm.hrf([0.0, np.nan], dt=DT)
    with pytest.raises(ValueError, match="hrf_model gives shape .* for 320 times"):
        glm.hrf(lambda t: 1.0, dt=DT)
