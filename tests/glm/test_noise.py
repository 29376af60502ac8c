"""ARMA(1,1) on a grid and tapered autocorrelations, against dense covariances."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import toeplitz
from scipy.signal import lfilter

from jaxneuro import glm
from jaxneuro.glm import _sampling_error

N, V = 61, 3
ALL, ONE = np.ones(N, bool), np.zeros(N, int)
RUNS = np.repeat([7, 3], [33, 28])
# Single scans stay between the gaps.
SOME = ~np.isin(np.arange(N), [0, 4, 10, 12, 15, 33, 40, 44, 58])
GAPS = [
    pytest.param(RUNS, SOME, id="gaps"),
    pytest.param(ONE, ALL, id="one", marks=pytest.mark.slow),
    pytest.param(RUNS, ALL, id="runs", marks=pytest.mark.slow),
]
ROWS = np.vstack([np.eye(5), [1, -1, 0, 2, 0]])
# The white one stands for all whose sum is zero.
POINTS = [(i, j) for i in range(10) for j in range(1 - i, 10)]
POINTS = np.array([(0, 0), *POINTS]) / 10


def make_data(rng, dtype, n=N):
    t = np.arange(n)
    waves = [np.sin(t / 3), np.cos(t / 7), np.sin(t**1.5 / 20), t / n]
    X = np.column_stack([*waves, np.ones(n)])
    Y = X @ rng.standard_normal((5, V)) + arma(rng, n, V, 0.7, -0.2)
    return X, Y.astype(dtype)


def arma(rng, n, n_targets, a, b):
    e = rng.standard_normal((n + 100, n_targets))
    return lfilter([1, b], [1, -a], e, axis=0)[100:]


def dense(X, y, R):
    """Restricted likelihood, coefficients, variance, their covariance per unit."""
    inverse = np.linalg.inv(R)
    unit = np.linalg.inv(X.T @ inverse @ X)
    coef = unit @ X.T @ inverse @ y
    rest = y - X @ coef
    squares, free = rest @ inverse @ rest, len(y) - X.shape[1]
    cost = free * np.log(squares) + np.linalg.slogdet(R)[1]
    return cost - np.linalg.slogdet(unit)[1], coef, squares / free, unit


def covariance(correlation, run_id, keep):
    """Of the scans that are used, by their distance in time; runs are independent."""
    return (toeplitz(correlation) * (run_id[:, None] == run_id))[np.ix_(keep, keep)]


def arma_correlation(a, b):
    first = (a + b) * (1 + a * b) / (1 + 2 * a * b + b**2)
    return np.append(1, first * a ** np.arange(N - 1.0))


def assert_inference(fit, tests, v, X, y, R, tol):
    _, coef, variance, unit = dense(X, y, R)
    close = {"rtol": 10 * tol["rtol"], "atol": 10 * tol["atol"]}
    assert_allclose(fit.coef[:, v], coef, **close)
    assert_allclose(fit.variance[v], variance, rtol=close["rtol"])
    spread = np.sqrt(variance * np.diag(ROWS @ unit @ ROWS.T))
    t, f = tests
    assert_allclose(t.stat[:, v], ROWS @ coef / spread, **close)
    joint = coef[:2] @ np.linalg.solve(unit[:2, :2], coef[:2]) / (2 * variance)
    assert_allclose(f.stat[0, v], joint, **close)


def both(fit):
    return glm.t_contrast(fit, ROWS), glm.f_contrast(fit, ROWS[:2])


@pytest.mark.parametrize(("run_id", "keep"), GAPS)
def test_arma_is_the_best_of_the_grid(rng, run_id, keep, dtype, tol):
    """Restricted likelihoods with the full covariance, one by one."""
    X, Y = make_data(rng, dtype)
    Y[2, 1] += 100 * ~keep[2]
    fit = glm.fit(X, Y, noise_model="arma11", run_id=run_id, keep=keep)
    tests = both(fit)
    assert fit.dof == keep.sum() - 5
    for v, y in enumerate(Y[keep].T.astype(float)):
        covariances = [
            covariance(arma_correlation(*point), run_id, keep) for point in POINTS
        ]
        costs = np.array([dense(X[keep], y, R)[0] for R in covariances])
        chosen = np.abs(POINTS - fit.ar[:, v]).sum(1).argmin()
        assert_allclose(fit.ar[:, v], POINTS[chosen], rtol=1e-6)
        assert costs[chosen] - costs.min() < tol["rtol"]
        assert_inference(fit, tests, v, X[keep], y, covariances[chosen], tol)


@pytest.mark.parametrize("a", [0.0, 0.8])
def test_arma_recovers_the_truth(a):
    rng, n, n_targets, b = np.random.default_rng(8), 400, 500, 0.5 - a
    X = np.stack([np.cos(np.pi / n * (np.arange(n) + 0.5) * k) for k in range(8)], 1)
    Y = arma(rng, n, n_targets, a, b).astype(np.float32)
    fit = glm.fit(X, Y, noise_model="arma11")
    assert_allclose(np.median(fit.ar, axis=1), [a, b], atol=0.051)
    lam = (a + b) * (1 + a * b) / (1 + 2 * a * b + b**2)
    found, other = fit.ar
    first = (found + other) * (1 + found * other) / (1 + 2 * found * other + other**2)
    assert abs(first.mean() - lam) < 0.03


@pytest.mark.parametrize(("run_id", "keep"), GAPS)
@pytest.mark.parametrize("name", ["tukey", "tukey12"])
def test_tapered_autocorrelations(rng, run_id, keep, name, dtype, tol):
    if name == "tukey12" and not keep.all():
        pytest.skip("one length is enough")
    X, Y = make_data(rng, dtype)
    fit = glm.fit(X, Y, noise_model=name, run_id=run_id, keep=keep)
    tests = both(fit)
    x, y = X[keep], Y[keep].astype(float)
    end = 12 if name == "tukey12" else round(keep.sum() ** 0.5)
    assert fit.ar.shape == (end - 1, V)
    after_gap = np.append(True, (np.diff(run_id) != 0) | ~keep[:-1])
    stretch = np.cumsum(after_gap)[keep]
    together = stretch[:, None] == stretch
    lag = np.abs(np.subtract.outer(*2 * [np.flatnonzero(keep)]))
    R = np.eye(len(x)) - x @ np.linalg.pinv(x)
    bands = [(lag == k) & together for k in range(end)]
    below = [np.tril(band) for band in bands]
    expected = np.array([[(R @ b @ R)[a].sum() for b in bands] for a in below])
    # Directions that the design nearly takes out are not blown up.
    u, size, vt = np.linalg.svd(expected)
    inverse = vt.T @ np.diag(1 / np.maximum(size, size[0] / 10)) @ u.T
    for v in range(V):
        r, e = np.zeros(N), R @ y[:, v]
        r[:end] = inverse @ [np.outer(e, e)[pair].sum() for pair in below]
        r[:end] *= (1 + np.cos(np.pi * np.arange(end) / end)) / 2 / r[0]
        assert_allclose(fit.ar[:, v], r[1:end], **tol)
        assert_inference(fit, tests, v, x, y[:, v], covariance(r, run_id, keep), tol)


def test_taper_without_power_at_some_frequency(rng, dtype, tol):
    """What a rhythm leaves is raised to the floor, on the circle."""
    X, Y = make_data(rng, dtype)
    Y = (np.sin(1.3 * np.arange(N))[:, None] + 0.1 * Y).astype(dtype)
    fit = glm.fit(X, Y, noise_model="tukey")
    tests = both(fit)
    size = N + fit.ar.shape[0]
    for v in range(V):
        r = fit.ar[:, v]
        circle = np.concatenate([[1], r, np.zeros(size - 1 - 2 * r.size), r[::-1]])
        power = np.fft.fft(circle).real
        assert power.min() < 0.01
        raised = np.fft.ifft(np.maximum(power, 0.01)).real
        R = toeplitz(raised)[:N, :N]
        loose = {name: 10 * value for name, value in tol.items()}
        assert_inference(fit, tests, v, X, Y[:, v].astype(float), R, loose)


@pytest.mark.parametrize("model", ["arma11", "tukey"])
def test_undefined_targets_are_counted(rng, model, dtype):
    X, Y = make_data(rng, dtype)
    Y = np.tile(Y, 2)
    Y[3, 1], Y[:, 4] = np.nan, 12.3
    with pytest.warns(UserWarning, match=r"not finite in 2 of 6 targets \(1, 4\)"):
        fit = glm.fit(X, Y, noise_model=model)
    p = glm.t_contrast(fit, ROWS).p_value
    assert np.isnan(p[:, [1, 4]]).all()
    assert np.isfinite(p[:, [0, 2, 3, 5]]).all()
    assert np.isnan(fit.ar[:, [1, 4]]).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "a", "b", "usual", "rare"),
    [
        ("arma11", 0.5, 0.2, 0.054, 0.0018),
        ("arma11", 0.4, 0.0, 0.054, 0.0018),
        ("arma11", 0.8, -0.5, 0.059, 0.0024),
        ("tukey", 0.4, 0.0, 0.067, 0.0032),
    ],
)
def test_few_false_positives(model, a, b, usual, rare):
    """Of t and F in 200 scans: near 0.05 and 0.001, where white noise gives 0.13."""
    rng, n, n_targets = np.random.default_rng(6), 200, 30_000
    t = np.arange(n)
    drift = np.stack([np.cos(np.pi / n * (t + 0.5) * k) for k in range(6)], 1)
    X = np.column_stack([np.sin(t / 4), np.sign(np.sin(t / 6)), drift])
    Y = arma(rng, n, n_targets, a, b).astype(np.float32)
    fit, white = glm.fit(X, Y, noise_model=model), glm.fit(X, Y)
    t, f = glm.t_contrast(fit, np.eye(2, 8)), glm.f_contrast(fit, np.eye(2, 8))
    for p in (*t.p_value, f.p_value):
        assert 0.047 < np.mean(p < 0.05) < usual
        assert 0.0005 < np.mean(p < 0.001) < rare
    assert np.mean(glm.t_contrast(white, np.eye(2, 8)).p_value < 0.05) > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("model", ["ar1", "ar2", "arma11", "tukey"])
def test_long_series_take_their_formulas(model, monkeypatch):
    """Where no dense matrix is made, all is close to what these give."""
    n = 500
    X = np.column_stack([np.sin(np.arange(n) / 9), np.ones(n)])
    Y = arma(np.random.default_rng(1), n, 300, 0.6, -0.2).astype(np.float32)
    dense = glm.fit(X, Y, noise_model=model)
    monkeypatch.setattr(_sampling_error, "_MAX_DENSE", 0)
    long = glm.fit(X, Y, noise_model=model)
    assert dense.error.weights.any()
    assert not long.error.weights.any()
    assert_allclose(long.error.ar, dense.error.ar, atol=0.01)
    ours, theirs = (np.diag(fit.error.covariance) for fit in (long, dense))
    assert_allclose(np.sqrt(ours), np.sqrt(theirs), rtol=0.1)
    tests = [glm.t_contrast(fit, np.eye(2)) for fit in (long, dense)]
    assert_allclose(tests[0].dof, tests[1].dof, rtol=0.2)
    assert_allclose(tests[0].inflation, tests[1].inflation, rtol=0.05)


def test_errors(rng, dtype):
    X, Y = make_data(rng, dtype)
    for options, message in [
        ({"noise_model": "arma"}, "or 'arma11', or 'tukey'"),
        ({"noise_model": "tukey1"}, "'tukey1' for 61 scans .* a lag from 2 to 30"),
        ({"noise_model": "tukey40"}, "'tukey40' for 61 scans .* a lag from 2 to 30"),
        ({"noise_model": "arma11", "ar": [0.2]}, "'arma11' but ar or compat .* 'ar1'"),
        ({"noise_model": "tukey", "compat": "nilearn"}, "'tukey' but ar or compat"),
    ]:
        with pytest.raises(ValueError, match=message):
            glm.fit(X, Y, **options)
