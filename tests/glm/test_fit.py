"""Fits against dense generalised least squares, and under the null hypothesis."""

import subprocess
import sys

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import toeplitz
from scipy.optimize import root
from scipy.signal import lfilter

from jaxneuro import glm

N, V = 60, 4


def make_design(n=N):
    t = np.arange(n)
    waves = [np.sin(t / 3), np.cos(t / 7), np.sin(t**1.5 / 20), t / n]
    return np.column_stack([*waves, np.ones(n)])


def noise(rng, n, n_targets, ar):
    e = rng.standard_normal((n + 100, n_targets))
    return lfilter([1], [1, *(-np.asarray(ar))], e, axis=0)[100:]


def autocovariance(ar, n):
    """Of AR(p) with innovations of variance 1, at lags 0 to n - 1."""
    p = len(ar)
    system = np.eye(p + 1)
    for i in range(p + 1):
        for k in range(1, p + 1):
            system[i, abs(i - k)] -= ar[k - 1]
    gamma = list(np.linalg.solve(system, np.eye(p + 1)[0]))
    while len(gamma) < n:
        gamma.append(sum(ar[k] * gamma[-1 - k] for k in range(p)))
    return np.array(gamma[:n])


def stretch_of(run_id, keep):
    """Number of the stretch without a gap that a scan belongs to."""
    after_gap = np.concatenate([[True], (np.diff(run_id) != 0) | ~keep[:-1]])
    return np.cumsum(after_gap)


def dense_gls(X, y, ar, run_id, keep):
    """Coefficients, noise variance and covariance, with the full covariance matrix."""
    stretch = stretch_of(run_id, keep)
    cov = toeplitz(autocovariance(ar, len(y))) * (stretch[:, None] == stretch)
    inverse = np.linalg.inv(cov[np.ix_(keep, keep)])
    X, y = X[keep], y[keep]
    unit = np.linalg.inv(X.T @ inverse @ X)
    coef = unit @ X.T @ inverse @ y
    rest = y - X @ coef
    return coef, rest @ inverse @ rest / (len(y) - X.shape[1]), unit


ONE = np.zeros(N, int)
RUNS = np.repeat([7, 3], [33, 27])
ALL = np.ones(N, bool)
# Single scans and pairs stay between the gaps: shorter than the order.
SOME = ~np.isin(np.arange(N), [4, 10, 12, 15, 17, 20, 40, 44, 58])


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize(
    ("run_id", "keep"),
    [(ONE, ALL), (RUNS, ALL), (RUNS, SOME)],
    ids=["one", "runs", "gaps"],
)
def test_equals_dense_generalised_least_squares(rng, order, run_id, keep, dtype, tol):
    X = make_design()
    Y = (X @ rng.standard_normal((5, V)) + noise(rng, N, V, [0.5, 0.2])).astype(dtype)
    rows = np.vstack([np.eye(5), [1, -1, 0, 2, 0]])
    options = {"run_id": run_id, "keep": keep}
    fit = glm.fit(X, Y, noise_model=f"ar{order}", **options)
    t = glm.t_contrast(fit, rows)
    f = glm.f_contrast(fit, rows[:2])
    assert fit.ar.shape == (order, V)
    assert fit.dof == keep.sum() - 5
    loose = {"rtol": 10 * tol["rtol"], "atol": 10 * tol["atol"]}
    for v in range(V):
        ar = np.asarray(fit.ar[:, v], np.float64)
        coef, variance, unit = dense_gls(X, Y[:, v].astype(float), ar, run_id, keep)
        assert_allclose(fit.coef[:, v], coef, **loose)
        assert_allclose(fit.variance[v], variance, rtol=10 * tol["rtol"])
        spread = np.sqrt(variance * np.diag(rows @ unit @ rows.T))
        assert_allclose(t.stat[:, v], rows @ coef / spread, **loose)
        joint = coef[:2] @ np.linalg.solve(unit[:2, :2], coef[:2]) / (2 * variance)
        assert_allclose(f.stat[0, v], joint, **loose)


def test_ordinary_least_squares(rng, dtype, tol):
    X = make_design()
    Y = rng.standard_normal((N, V)).astype(dtype)
    fit = glm.fit(X, Y)
    coef, rest, *_ = np.linalg.lstsq(X, Y.astype(float))
    assert_allclose(fit.coef, coef, **tol)
    assert_allclose(fit.variance, rest / (N - 5), rtol=tol["rtol"])
    assert fit.ar.shape == (0, V)
    assert fit.coef.dtype == dtype
    assert isinstance(fit.coef, np.ndarray)
    assert isinstance(glm.fit(X, jax.numpy.asarray(Y)).coef, jax.Array)


class Residuals:
    """Lag products of the residuals of a design with gaps, by dense matrices."""

    def __init__(self, X, run_id, keep, order):
        stretch, places = stretch_of(run_id, keep)[keep], np.flatnonzero(keep)
        together = stretch[:, None] == stretch
        lag = np.abs(np.subtract.outer(places, places))
        self.pairs = [(lag == k) & together for k in range(order + 1)]
        self.R = np.eye(keep.sum()) - X[keep] @ np.linalg.pinv(X[keep])
        self.together, self.lag = together, lag

    def ratios(self, products):
        sums = np.array([products[pair].sum() for pair in self.pairs])
        return sums[1:] / sums[0]

    def expected(self, ar):
        cov = autocovariance(ar, self.lag.max() + 1)[self.lag] * self.together
        return self.R @ cov @ self.R

    def solve(self, products):
        seen, start = self.ratios(products), np.zeros(len(self.pairs) - 1)

        def gap(ar):
            return self.ratios(self.expected(ar)) - seen

        return root(gap, start, tol=1e-10).x

    def bias(self, ar, pooled):
        """Of second order, of ratios of quadratic forms and of what solves them."""
        V, h = self.expected(ar), 1e-3 * np.eye(len(ar))
        half = [pair @ V for pair in np.array(self.pairs, float)]
        cov = 2 * np.array([[np.sum(a * b.T) for b in half] for a in half])
        size = np.trace(V)
        r = self.ratios(V)
        slope = np.column_stack([-r, np.eye(len(r))]) / size
        of_ratio = (r * cov[0, 0] - cov[1:, 0]) / size**2

        def at(shift):
            return self.ratios(self.expected(ar + shift))

        inverse = np.linalg.inv(np.stack([(at(d) - at(-d)) / 2e-3 for d in h], 1))
        spread = inverse @ slope @ cov @ slope.T @ inverse.T
        bend = sum(
            spread[i, j] * (at(a + b) - at(a - b) - at(b - a) + at(-a - b)) / 4e-6
            for i, a in enumerate(h)
            for j, b in enumerate(h)
        )
        return inverse @ (of_ratio - (0 if pooled else bend / 2))

    def without_bias(self, raw, pooled):
        """Invert the bias, linear between zero and one half."""
        order = len(raw)
        zero = self.bias(np.zeros(order), pooled)
        rise = [2 * (self.bias(one / 2, pooled) - zero) for one in np.eye(order)]
        return np.linalg.solve(np.eye(order) + np.transpose(rise), raw - zero)


@pytest.mark.parametrize("order", [1, 2])
def test_estimate_solves_the_moment_equations(rng, order, x64):
    """Expected lag products are those observed; the solution's bias is taken off."""
    X = make_design()
    y = noise(rng, N, 1, [0.6])
    fit = glm.fit(X, y, noise_model=f"ar{order}", keep=SOME, run_id=RUNS)
    residuals = Residuals(X, RUNS, SOME, order)
    e = residuals.R @ y[SOME]
    raw = residuals.solve(e @ e.T)
    assert np.abs(fit.ar[:, 0] - raw).max() > 0.01
    # The table of order 1 is read linearly.
    assert_allclose(fit.ar[:, 0], residuals.without_bias(raw, False), atol=1e-4)


def test_coefficients_are_without_bias(rng):
    """Residuals are rougher than the noise: uncorrected, 0.5 would look like 0.38."""
    n = 120
    drift = [np.cos(np.pi / n * (np.arange(n) + 0.5) * k) for k in range(12)]
    Y = noise(rng, n, 4000, [0.5])
    fit = glm.fit(np.stack(drift, 1), Y.astype(np.float32), noise_model="ar1")
    assert abs(fit.ar.mean() - 0.5) < 0.004
    assert_allclose(fit.ar.std(), np.sqrt(fit.error.covariance[0, 0]), rtol=0.05)
    Y = noise(rng, n, 4000, [0.5, -0.3])
    fit = glm.fit(np.stack(drift, 1), Y.astype(np.float32), noise_model="ar2")
    assert_allclose(fit.ar.mean(axis=1), [0.5, -0.3], atol=0.007)


@pytest.mark.parametrize(
    ("order", "ar", "n_targets"),
    [
        (1, [0.4], 8000),
        pytest.param("global", [0.4, 0.2], 60_000, marks=pytest.mark.slow),
        pytest.param(1, [0.4], 60_000, marks=pytest.mark.slow),
        pytest.param(1, [0.2], 60_000, marks=pytest.mark.slow),
        pytest.param(2, [0.4, 0.2], 60_000, marks=pytest.mark.slow),
        pytest.param(2, [0.5, -0.2], 60_000, marks=pytest.mark.slow),
    ],
)
def test_false_positives_are_as_many_as_they_should_be(order, ar, n_targets):
    rng = np.random.default_rng(5)
    n = 200
    t = np.arange(n)
    drift = np.stack([np.cos(np.pi / n * (t + 0.5) * k) for k in range(6)], 1)
    X = np.column_stack([np.sin(t / 4), np.sign(np.sin(t / 6)), drift])
    Y = noise(rng, n, n_targets, ar).astype(np.float32)
    model = "global_ar2" if order == "global" else f"ar{order}"
    fit = glm.fit(X, Y, noise_model=model)
    t, f = glm.t_contrast(fit, np.eye(2, 8)), glm.f_contrast(fit, np.eye(2, 8))
    # The factor is what it says: how much estimates vary beside their errors.
    varies = t.effect.var(axis=1) / t.variance.mean(axis=1)
    assert_allclose(varies, t.inflation, rtol=0.01 + 4 * np.sqrt(2 / n_targets))
    for p in (*t.p_value, f.p_value):
        for level in (0.05, 0.001):
            spread = np.sqrt(level * (1 - level) / p.size)
            assert abs(np.mean(p < level) - level) < 3.5 * spread
    white = glm.t_contrast(glm.fit(X, Y), np.eye(2, 8)).p_value
    assert np.mean(white < 0.001) > 0.003


@pytest.mark.parametrize("order", [1, 2])
def test_one_autoregression_for_all(rng, order, dtype, tol):
    """Residuals' mean autocorrelation gives one model; then dense least squares."""
    X, n_targets = make_design(), 400
    Y = noise(rng, N, n_targets, [0.5, -0.2]) * rng.uniform(0.1, 10, n_targets)
    Y = Y.astype(dtype)
    Y[:, 7] = 3
    options = {"run_id": RUNS, "keep": SOME}
    with pytest.warns(UserWarning, match=r"in 1 of 400 targets \(7\)"):
        fit = glm.fit(X, Y, noise_model=f"global_ar{order}", **options)
    assert isinstance(fit.coef, np.ndarray)
    ar = np.asarray(fit.ar[:, 0], np.float64)
    assert_allclose(fit.ar[:, 8:], np.tile(ar[:, None], n_targets - 8), rtol=1e-6)
    residuals = Residuals(X, RUNS, SOME, order)
    e = residuals.R @ np.delete(Y, 7, axis=1)[SOME].astype(float)
    e = e / np.sqrt(np.sum(e**2, 0))
    raw = residuals.solve(e @ e.T)
    assert_allclose(ar, residuals.without_bias(raw, True), atol=1e-4)
    t = glm.t_contrast(fit, np.eye(5))
    assert t.dof == (SOME.sum() - 5,) * 5
    for v in range(3):
        coef, variance, unit = dense_gls(X, Y[:, v].astype(float), ar, RUNS, SOME)
        spread = np.sqrt(variance * np.diag(unit))
        close = {"rtol": 10 * tol["rtol"], "atol": 10 * tol["atol"]}
        assert_allclose(t.stat[:, v], coef / spread, **close)


def test_ill_conditioned_designs_are_named(rng):
    """Powers as in Filip of NIST's certified regressions."""
    x = np.linspace(-8.8, -3.1, 82)
    X = x[:, None] ** np.arange(11)
    with pytest.warns(UserWarning, match=r"condition number 4\.5e\+09.*digits"):
        glm.fit(X, rng.standard_normal((82, 2)))


def test_dependent_columns(rng, dtype, tol):
    X = make_design()
    X = np.column_stack([X, X[:, 0] + X[:, 1]])
    Y = rng.standard_normal((N, V)).astype(dtype)
    fit = glm.fit(X, Y, noise_model="ar1")
    assert fit.dof == N - 5
    ar = np.asarray(fit.ar, np.float64)
    for v in range(V):
        inverse = np.linalg.inv(toeplitz(autocovariance(ar[:, v], N)))
        half = np.linalg.cholesky(inverse).T
        assert_allclose(
            fit.coef[:, v], np.linalg.pinv(half @ X) @ half @ Y[:, v], **tol
        )
    with pytest.warns(UserWarning, match=r"does not determine 1 of 2 contrasts \(0\)"):
        t = glm.t_contrast(fit, [[1, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 1]])
    assert np.isnan(t.stat[0]).all()
    assert np.isfinite(t.stat[1]).all()


@pytest.mark.parametrize("model", ["ols", "ar1", "ar2"])
def test_undefined_targets_are_counted(rng, model, dtype):
    X, Y = make_design(), rng.standard_normal((N, 7)).astype(dtype)
    Y[3, 1], Y[:, 4], Y[9, 5] = np.nan, 12.3, np.inf
    clean = glm.fit(X, Y[:, [0, 2, 3, 6]], noise_model=model)
    with pytest.warns(UserWarning, match=r"not finite in 3 of 7 targets \(1, 4, 5\)"):
        fit = glm.fit(X, Y, noise_model=model)
    for got in (fit.coef, fit.variance[None], glm.t_contrast(fit, np.eye(5)).p_value):
        assert np.isnan(got[:, [1, 4, 5]]).all()
    assert_allclose(fit.coef[:, [0, 2, 3, 6]], clean.coef, rtol=1e-4, atol=1e-5)


class Sliced:
    """Rows and columns on demand, like a dataset on disk."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, key):
        return self.array[key]


@pytest.mark.parametrize("n_targets", [1, 700])
def test_blocks_and_sources_agree(rng, n_targets, dtype, tmp_path, monkeypatch):
    from jaxneuro.glm import _blocks

    X, Y = make_design(), rng.standard_normal((N, n_targets)).astype(dtype)
    whole = glm.fit(X, Y, noise_model="ar1")
    np.save(tmp_path / "y.npy", Y)
    monkeypatch.setattr(_blocks, "_CACHE", 1)
    monkeypatch.setattr(_blocks, "_READ", 300 * Y[:, 0].nbytes)
    for source in (Y, Sliced(Y), np.load(tmp_path / "y.npy", mmap_mode="r")):
        fit = glm.fit(X, source, noise_model="ar1")
        assert_allclose(fit.coef, whole.coef, rtol=1e-3, atol=1e-5)
    on_device = glm.fit(X, jax.numpy.asarray(Y), noise_model="ar1")
    assert_allclose(on_device.coef, whole.coef, rtol=1e-3, atol=1e-5)


def test_blocks_for_an_accelerator_count_the_data(rng, dtype, monkeypatch):
    """What the host sums before is no measure of what is shipped."""
    from jaxneuro.glm import _blocks

    Y, widths = rng.standard_normal((N, 700)).astype(dtype), []
    monkeypatch.setattr(_blocks.jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(_blocks, "_DEVICE", 256 * Y[:, 0].nbytes)

    def kernel(y):
        widths.append(y.shape[1])
        return y.sum(0)

    found = _blocks.map_targets(
        kernel, (Y,), dtype=Y.dtype, bytes_each=1, first=lambda y: y[:1]
    )
    assert widths == [256] * 3
    assert_allclose(found, Y.sum(0), rtol=1e-4, atol=1e-4)


def test_data_on_disk_are_read_in_few_parts(rng, dtype, monkeypatch):
    from jaxneuro.glm import _blocks

    class Counted(Sliced):
        reads = 0

        def __getitem__(self, key):
            Counted.reads += 1
            return super().__getitem__(key)

    X, Y = make_design(), rng.standard_normal((N, 2000)).astype(dtype)
    monkeypatch.setattr(_blocks, "_READ", 1000 * Y[:, 0].nbytes)
    monkeypatch.setattr(_blocks, "_PIECE", 128 * Y[:, 0].nbytes)
    fit = glm.fit(X, Counted(Y))
    assert Counted.reads == 2
    assert_allclose(fit.coef, glm.fit(X, Y).coef, rtol=1e-3, atol=1e-4)


PEAK = """
import resource, sys
import numpy as np
from jaxneuro import glm

def peak():
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

Y = np.load(sys.argv[1], mmap_mode="r")
X = np.column_stack([np.sin(np.arange(len(Y)) / 3), np.ones(len(Y))])
few = np.load(sys.argv[1], mmap_mode="r")[:, :30_000]
for data in (few, Y):
    fit = glm.fit(X, data, noise_model="ar1")
    glm.t_contrast(fit, np.eye(2))
    print(peak())
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_data(tmp_path):
    """A file of 600 MB: results and blocks of it are all that is held."""
    n_times, n_targets = 500, 300_000
    path = tmp_path / "Y.npy"
    Y = np.lib.format.open_memmap(path, "w+", np.float32, (n_times, n_targets))
    row = np.random.default_rng(0).standard_normal(n_targets, dtype=np.float32)
    for t in range(n_times):
        Y[t] = np.roll(row, 7919 * t)
    Y.flush()
    del Y
    command = [sys.executable, "-c", PEAK, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    before, after = (int(line) for line in done.stdout.split())
    # Reading takes 64 MB at once, and the results are 50 MB.
    assert after - before < 250e6


def test_integers_in_raw_units(rng, dtype, tol):
    X = make_design()
    Y = (10_000 + 50 * rng.standard_normal((N, V))).astype(np.int16)
    fit = glm.fit(X, Y, noise_model="ar1")
    same = glm.fit(X, (Y - 10_000).astype(dtype), noise_model="ar1")
    assert_allclose(fit.coef[:4], same.coef[:4], rtol=1e-3, atol=1e-3)
    assert_allclose(fit.variance, same.variance, rtol=1e-4)


def test_errors(rng):
    X, Y = make_design(), rng.standard_normal((N, V))
    for options, message in [
        ({"noise_model": "arma"}, "noise_model is 'arma' but must be 'ols' or 'ar1'"),
        ({"compat": "spm"}, "compat is 'spm' but must be one of None, 'nilearn'"),
        ({"run_id": [0, 1]}, "run_id has 2 time points but X has 60"),
        ({"keep": np.ones(N)}, "keep has dtype float64 but must be boolean"),
        ({"ar": [0.3]}, "ar has shape .* order 0"),
        ({"ar": [0.2], "noise_model": "global_ar1"}, "'global_ar1' but ar or compat"),
        ({"ar": [1.2], "noise_model": "ar1"}, "not stationary for 4 of 4 targets"),
        ({"run_id": RUNS, "compat": "nilearn"}, "run_id and keep have no counterpart"),
        (
            {"run_id": np.arange(N) // 3, "noise_model": "ar3"},
            "order 3 but the longest stretch of scans without a gap has 3",
        ),
    ]:
        with pytest.raises(ValueError, match=message):
            glm.fit(X, Y, **options)
    with pytest.raises(ValueError, match="Y has 59 time points but X has 60"):
        glm.fit(X, Y[1:])
    with pytest.raises(ValueError, match=r"Y has shape \(60, 0\) but must hold"):
        glm.fit(X, Y[:, :0])
    with pytest.raises(ValueError, match="70 regressors .* for 60 scans"):
        glm.fit(rng.standard_normal((N, 70)), Y)
    with pytest.raises(ValueError, match="X has 4 NaN"):
        glm.fit(np.where(np.arange(N)[:, None] + np.arange(5) == 3, np.nan, X), Y)


@pytest.mark.parametrize("noise_model", ["ols", "ar1", "ar2", "arma11"])
def test_pieces_side_by_side_are_the_whole(rng, noise_model, dtype, monkeypatch):
    """Memory that begins anywhere, in either order, by pieces of several blocks."""
    from jaxneuro.glm import _blocks

    X, Y = make_design(), rng.standard_normal((N, 700)).astype(dtype)
    fit, t, F = glm.fit_contrasts(
        X, Y, t=np.eye(5)[:2], F=np.eye(5)[:3], noise_model=noise_model
    )
    whole = np.empty(Y.size + 1, dtype)
    moved = whole[1:].reshape(Y.shape)
    moved[:] = Y
    monkeypatch.setattr(_blocks, "_CACHE", 1)  # blocks of 128 targets
    monkeypatch.setattr(_blocks, "_PIECE", 200 * Y[:, 0].nbytes)
    monkeypatch.setattr(_blocks.os, "cpu_count", lambda: 3)
    close = {"rtol": 1e-3, "atol": 1e-4} if dtype == np.float32 else {"rtol": 1e-9}
    for source in (moved, np.asfortranarray(Y)):
        found = glm.fit_contrasts(
            X, source, t=np.eye(5)[:2], F=np.eye(5)[:3], noise_model=noise_model
        )
        assert_allclose(found[0].coef, fit.coef, **close)
        assert_allclose(found[0].variance, fit.variance, **close)
        assert_allclose(found[1].z_score, t.z_score, **close)
        assert_allclose(found[2].stat, F.stat, **close)


def test_residuals_that_are_small_beside_the_data_keep_their_digits(rng, dtype):
    X, noise = make_design(), 1e-3 * rng.standard_normal((N, 300))
    Y = (X @ rng.standard_normal((X.shape[1], 300)) + noise).astype(dtype)
    dof = N - np.linalg.matrix_rank(X)
    projector = np.eye(N) - X @ np.linalg.pinv(X)
    expected = np.sum((projector @ Y.astype(float)) ** 2, axis=0) / dof
    tolerance = 1e-9 if dtype == np.float64 else 2e-3
    assert_allclose(glm.fit(X, Y).variance, expected, rtol=tolerance)
