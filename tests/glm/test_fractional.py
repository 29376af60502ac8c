import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import brentq

from jaxneuro import glm

T, P, V = 50, 6, 8


@pytest.fixture
def data(rng, dtype):
    """Predictors of very different lengths, so that penalties span many decades."""
    X = rng.standard_normal((T, P)) * np.logspace(-1, 1.5, P)
    N = np.column_stack([np.ones(T), np.linspace(-1, 1, T)])
    Y = X @ rng.standard_normal((P, V)) + 3 * rng.standard_normal((T, V)) + 20
    return X, N, Y.astype(dtype)


def without(N, A):
    A = np.asarray(A, float)
    return A - N @ np.linalg.lstsq(N, A)[0]


def ridge(X, y, alpha):
    return np.linalg.solve(X.T @ X + alpha * np.eye(X.shape[1]), X.T @ y)


def oracle(X, y, fraction):
    """The penalty by bisection on the length."""
    size = np.linalg.norm(ridge(X, y, 0))
    if fraction == 1:
        return ridge(X, y, 0), 0.0

    def excess(log_alpha):
        return np.linalg.norm(ridge(X, y, np.exp(log_alpha))) / size - fraction

    alpha = np.exp(brentq(excess, -30, 30, xtol=1e-14, rtol=1e-14))
    return ridge(X, y, alpha), alpha


def test_equals_bisection(rng, data, dtype):
    X, N, Y = data
    fraction = rng.uniform(0.02, 1, V)
    fraction[2] = 1.0
    fit = glm.fractional_ridge(X, Y, fraction, nuisance=N)
    free, y = without(N, X), without(N, Y)
    # A penalty is less certain than the coefficients: they are flat in it near 1.
    rtol = 1e-9 if dtype == np.float64 else 1e-3
    for v in range(V):
        coef, alpha = oracle(free, y[:, v], fraction[v])
        size = np.abs(coef).max()
        assert_allclose(fit.coef[:, v], coef, rtol=0, atol=rtol * size)
        assert_allclose(fit.alpha[v], alpha, rtol=20 * rtol)
    length = np.linalg.norm(fit.coef, axis=0)
    full = np.linalg.norm(np.linalg.lstsq(free, y)[0], axis=0)
    assert_allclose(length / full, fraction, rtol=rtol)
    assert_allclose(fit.fraction, fraction, rtol=1e-6)


def test_more_features_than_samples(rng, dtype):
    X, Y = rng.standard_normal((12, 30)), rng.standard_normal((12, 4)).astype(dtype)
    fit = glm.fractional_ridge(X, Y, 0.4)
    least = np.linalg.lstsq(X, np.asarray(Y, float))[0]
    ratio = np.linalg.norm(fit.coef, axis=0) / np.linalg.norm(least, axis=0)
    assert_allclose(ratio, 0.4, rtol=1e-5)
    for v in range(4):
        expected = ridge(X, np.asarray(Y, float)[:, v], float(fit.alpha[v]))
        assert_allclose(fit.coef[:, v], expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("metric", ["r2", "correlation"])
def test_cross_validation_equals_explicit(data, dtype, metric):
    X, N, Y = data
    fold_id, grid = np.repeat([0, 1, 2], [20, 14, 16]), np.array([0.1, 0.4, 0.8, 1.0])
    options = {"nuisance": N, "metric": metric}
    result = glm.fractional_ridge_cv(X, Y, grid, fold_id, **options)
    free, y = without(N, X), without(N, Y)
    expected = np.empty((3, 4, V))
    for k in range(3):
        train, test = fold_id != k, fold_id == k
        for f, fraction in enumerate(grid):
            for v in range(V):
                coef = oracle(free[train], y[train, v], fraction)[0]
                told, true = free[test] @ coef, y[test, v]
                left = ((true - told) ** 2).sum() / ((true - true.mean()) ** 2).sum()
                r = np.corrcoef(true, told)[0, 1]
                expected[k, f, v] = 1 - left if metric == "r2" else r
    rtol = 1e-9 if dtype == np.float64 else 2e-3
    assert_allclose(result.scores, expected, rtol=rtol, atol=rtol)
    best = grid[expected.mean(0).argmax(0)]
    assert_allclose(result.fit.fraction, best, rtol=1e-6)
    again = glm.fractional_ridge(X, Y, best, nuisance=N)
    size = np.abs(again.coef).max()
    assert_allclose(result.fit.coef, again.coef, rtol=1e-4, atol=1e-5 * size)
    assert np.asarray(result.converged).all()


def test_noise_is_shrunk_and_signal_is_not(rng, dtype):
    X = rng.standard_normal((60, 20))
    Y = rng.standard_normal((60, 40))
    Y[:, :20] += 3 * X @ rng.standard_normal((20, 20))
    grid = np.linspace(0.1, 1, 10)
    result = glm.fractional_ridge_cv(X, Y.astype(dtype), grid, np.arange(60) % 5)
    fraction = np.asarray(result.fit.fraction)
    assert fraction[:20].mean() > 0.9
    assert fraction[20:].mean() < 0.3


def test_undefined_and_untouched_targets(rng, data):
    X, N, Y = data
    Y = Y.copy()
    Y[3, 1] = np.nan
    fit = glm.fractional_ridge(X, Y, 0.5, nuisance=N)
    assert np.isnan(fit.coef[:, 1]).all()
    assert np.isnan(fit.alpha[1])
    assert np.isfinite(np.delete(np.asarray(fit.coef), 1, 1)).all()
    zero = glm.fractional_ridge(X, np.zeros_like(Y), 0.5)
    assert_allclose(zero.coef, 0)
    assert_allclose(zero.alpha, 0)
    result = glm.fractional_ridge_cv(X, Y, [0.5, 1.0], np.arange(T) % 2, nuisance=N)
    assert np.asarray(result.converged).tolist() == [v != 1 for v in range(V)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fraction": 0.0}, "fraction holds 0 but must be above 0 and at most 1"),
        ({"fraction": [0.5, 1.5]}, r"fraction has shape \(2,\) but must be a number"),
        ({"X": np.ones((9, 2))}, "Y has 50 time points but X has 9"),
        ({"X": np.full((T, 2), np.inf)}, "X has 100 NaN or infinite values"),
        ({"nuisance": np.ones((9, 2))}, "nuisance has 9 time points but X has 50"),
    ],
)
def test_bad_input(data, change, message):
    given = {"X": data[0], "Y": data[2], "fraction": 0.5} | change
    X, Y, fraction = (given.pop(name) for name in ("X", "Y", "fraction"))
    with pytest.raises(ValueError, match=message):
        glm.fractional_ridge(X, Y, fraction, **given)


def test_bad_input_of_the_search(data):
    X, _, Y = data
    with pytest.raises(ValueError, match="fractions holds 1.2 but must be above 0"):
        glm.fractional_ridge_cv(X, Y, [0.5, 1.2], np.arange(T) % 2)
    with pytest.raises(ValueError, match="metric is 'mse' but must be one of 'r2'"):
        glm.fractional_ridge_cv(X, Y, [0.5], np.arange(T) % 2, metric="mse")
    with pytest.raises(ValueError, match="fold_id has 9 time points but X has 50"):
        glm.fractional_ridge_cv(X, Y, [0.5], np.arange(9) % 2)
