from types import SimpleNamespace

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import simulate

N_TIMES, N_CONDITIONS, N_TARGETS = 4000, 3, 50


@pytest.fixture
def key():
    return jax.random.key(3)


@pytest.fixture
def design(rng):
    """Conditions whose peaks differ, two drifts and a constant."""
    conditions = rng.random((N_TIMES, N_CONDITIONS)) * [1.0, 5.0, 0.02]
    drifts = rng.standard_normal((N_TIMES, 2))
    matrix = np.column_stack([conditions, drifts, np.ones(N_TIMES)])
    return SimpleNamespace(matrix=matrix, n_conditions=N_CONDITIONS)


def noise_of(key, design, **options):
    """What the planted coefficients leave, in float64."""
    truth = simulate.bold_truth(key, design, N_TARGETS, **options)
    Y = simulate.bold(key, design, N_TARGETS, **options)
    return np.asarray(Y, float) - design.matrix @ np.asarray(truth.coef, float), truth


def lagged_products(noise, order):
    return np.stack(
        [(noise[lag:] * noise[: len(noise) - lag]).mean(0) for lag in order]
    )


def test_shapes(key, design, dtype):
    Y = simulate.bold(key, design, N_TARGETS)
    truth = simulate.bold_truth(key, design, N_TARGETS, noise="ar2")
    assert Y.shape == (N_TIMES, N_TARGETS)
    assert truth.coef.shape == (6, N_TARGETS)
    assert truth.ar.shape == (2, N_TARGETS)
    assert Y.dtype == truth.coef.dtype == truth.ar.dtype == dtype
    assert_allclose(Y, simulate.bold(key, design, N_TARGETS))
    other = simulate.bold(jax.random.key(4), design, N_TARGETS)
    assert np.abs(np.asarray(Y) - np.asarray(other)).max() > 1


@pytest.mark.parametrize("order", [0, 1, 3])
def test_noise_is_autoregressive(key, design, order):
    noise, truth = noise_of(key, design, noise=f"ar{order}" if order else "white")
    # 4000 scans: a moment is known to about 1/sqrt(4000 / 2), 50 targets at once.
    moments = lagged_products(noise, range(order + 1))
    assert_allclose(noise.mean(0), 0.0, atol=0.2)
    assert_allclose(moments[0], 1.0, atol=0.15)
    assert_allclose(moments[0].mean(), 1.0, atol=0.02)
    ar = np.asarray(truth.ar)
    assert ar.shape == (order, N_TARGETS)
    if not order:
        assert_allclose(lagged_products(noise, [1]), 0.0, atol=0.08)
        return
    assert ar[0].std() > 0.05  # targets differ
    lags = np.abs(np.subtract.outer(range(order), range(order)))
    for target in range(N_TARGETS):
        walker = np.linalg.solve(moments[lags, target], moments[1:, target])
        assert_allclose(walker, ar[:, target], atol=0.08)


def test_noise_begins_stationary(design):
    """The first scan of many targets varies like all others."""
    design.matrix = design.matrix[:4]
    noise = np.asarray(simulate.bold(jax.random.key(0), design, 20_000, active=0.0))
    truth = simulate.bold_truth(jax.random.key(0), design, 20_000, active=0.0)
    noise = noise - design.matrix @ np.asarray(truth.coef)
    assert_allclose(noise.std(1), 1.0, atol=0.02)
    rho = np.asarray(truth.ar)[0].mean()
    assert_allclose((noise[1:] * noise[:-1]).mean(1), rho, atol=0.03)


def test_planted_coefficients_are_found(key, design):
    Y = np.asarray(simulate.bold(key, design, N_TARGETS), float)
    truth = simulate.bold_truth(key, design, N_TARGETS)
    coef = np.linalg.lstsq(design.matrix, Y, rcond=None)[0]
    peak = np.abs(design.matrix).max(0)[:, None]
    assert_allclose(coef * peak, np.asarray(truth.coef) * peak, atol=0.4)
    assert_allclose(np.asarray(truth.coef)[-1], 100.0)


def test_responses(key, design):
    """A share of the targets responds, most to one condition, with known peaks."""
    truth = simulate.bold_truth(key, design, 4000, active=0.4, effect=2.0)
    peaks = np.asarray(truth.coef)[:3] * design.matrix.max(0)[:3, None]
    silent = (peaks == 0).all(0)
    assert_allclose(silent.mean(), 0.6, atol=0.03)
    heights = np.sort(peaks[:, ~silent], axis=0)
    assert ((heights[-1] >= 2 * 0.7 - 1e-5) & (heights[-1] <= 2 * 1.3 + 1e-5)).all()
    assert (heights[:-1] <= 2 * 0.4 + 1e-5).all()
    preferred = np.bincount(peaks[:, ~silent].argmax(0), minlength=3)
    assert_allclose(preferred / preferred.sum(), 1 / 3, atol=0.05)
    none = simulate.bold_truth(key, design, 400, active=0.0)
    assert (np.asarray(none.coef)[:3] == 0).all()


def test_given_responses(key, design, tol):
    wanted = np.arange(3.0 * N_TARGETS).reshape(3, N_TARGETS)
    truth = simulate.bold_truth(key, design, N_TARGETS, responses=wanted)
    peaks = np.asarray(truth.coef)[:3] * design.matrix.max(0)[:3, None]
    assert_allclose(peaks, wanted, **tol)
    Y = simulate.bold(key, design, N_TARGETS, responses=wanted)
    assert np.asarray(Y)[:, -1].std() > np.asarray(Y)[:, 0].std()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"noise": "ar0"}, "noise is 'ar0' but must be 'white', 'ar1'"),
        ({"noise": "pink"}, "noise is 'pink' but must be"),
        ({"effect": 0.0}, "effect is 0 but must be positive"),
        ({"active": 1.5}, "active is 1.5 but must lie between 0 and 1"),
        ({"baseline": np.nan}, "baseline is nan but must be finite"),
        ({"n_targets": 0}, "n_targets is 0 but must be positive"),
        ({"responses": np.ones((2, 50))}, r"responses has shape \(2, 50\) but must be"),
        ({"n_conditions": 7}, "design has 7 conditions but 6 columns"),
    ],
)
def test_bad_input(key, design, change, message):
    design.n_conditions = change.pop("n_conditions", N_CONDITIONS)
    n_targets = change.pop("n_targets", N_TARGETS)
    for function in (simulate.bold, simulate.bold_truth):
        with pytest.raises(ValueError, match=message):
            function(key, design, n_targets, **change)
