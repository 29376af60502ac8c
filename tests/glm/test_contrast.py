"""Contrasts: many at once, dependent rows, fixed effects."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from jaxneuro import glm

N, P, V = 80, 5, 3


@pytest.fixture
def data(rng, dtype):
    X = np.column_stack([rng.standard_normal((N, P - 1)), np.ones(N)])
    Y = X @ rng.standard_normal((P, V)) + rng.standard_normal((N, V))
    return X, Y.astype(dtype)


def test_t_and_f_of_independent_noise(data, tol):
    X, Y = data
    fit = glm.fit(X, Y)
    rows = np.array([[1, 0, 0, 0, 0], [1, -1, 0, 2, 0.5]])
    t, f = glm.t_contrast(fit, rows), glm.f_contrast(fit, rows)
    y = Y.astype(float)
    coef = np.linalg.lstsq(X, y)[0]
    variance = np.sum((y - X @ coef) ** 2, 0) / (N - P)
    unit = np.linalg.inv(X.T @ X)
    cov = rows @ unit @ rows.T
    assert_allclose(t.effect, rows @ coef, **tol)
    assert_allclose(t.variance, np.diag(cov)[:, None] * variance, rtol=tol["rtol"])
    assert_allclose(t.stat, t.effect / np.sqrt(t.variance), rtol=tol["rtol"])
    size = np.einsum("iv,ij,jv->v", rows @ coef, np.linalg.inv(cov), rows @ coef)
    assert_allclose(f.stat[0], size / 2 / variance, rtol=tol["rtol"])
    assert (t.kind, f.kind, t.dof, f.dof) == ("t", "F", (75.0, 75.0), (75.0,))
    assert f.dof_num == (2,)
    single = glm.f_contrast(fit, rows[:1])
    assert_allclose(single.stat[0], t.stat[0] ** 2, rtol=tol["rtol"])


@pytest.mark.parametrize("model", ["ols", "ar1", "ar2"])
def test_several_f_and_rows_that_repeat(data, model, tol):
    X, Y = data
    fit = glm.fit(X, Y, noise_model=model)
    one, two = np.eye(P)[:3], np.eye(P)[1:2]
    again = np.vstack([one, one[0] - 2 * one[1], one[2]])
    f = glm.f_contrast(fit, [one, two, again])
    assert f.dof_num == (3, 1, 3)
    assert f.effect.shape == (3, 3, V)
    assert_allclose(f.effect[1, 1:], 0)
    loose = {"rtol": 10 * tol["rtol"]}
    assert_allclose(f.stat[2], f.stat[0], **loose)
    for i, rows in enumerate((one, two)):
        alone = glm.f_contrast(fit, rows)
        assert_allclose(alone.p_value[0], f.p_value[i], rtol=1e-3)
    size = np.sum(f.effect**2, axis=1) / np.array(f.dof_num)[:, None] / f.variance
    assert_allclose(f.stat, size, **loose)


@pytest.mark.parametrize("model", ["ols", "ar1", "ar2", "arma11", "tukey6"])
def test_fit_and_contrasts_in_one_pass(data, model, tol):
    X, Y = data
    rows, blocks = np.eye(P)[:2], [np.eye(P)[1:3], np.eye(P)[:4]]
    fit, t, f = glm.fit_contrasts(X, Y, t=rows, F=blocks, noise_model=model)
    alone = glm.fit(X, Y, noise_model=model)
    for name in ("coef", "variance", "ar"):
        assert_allclose(getattr(fit, name), getattr(alone, name), **tol)
    pairs = (t, glm.t_contrast(alone, rows)), (f, glm.f_contrast(alone, blocks))
    for found, expected in pairs:
        assert found.kind == expected.kind
        assert found.dof_num == expected.dof_num
        assert_allclose(found.dof, expected.dof)
        for name in ("effect", "variance", "stat", "p_value", "z_score"):
            one, two = getattr(found, name), getattr(expected, name)
            assert_allclose(one, two, rtol=10 * tol["rtol"], atol=tol["atol"])
    # What comes later goes on from the same fit.
    later = glm.t_contrast(fit, rows)
    assert_allclose(later.stat, t.stat, rtol=10 * tol["rtol"])


def test_contrasts_are_refused_before_the_fit(data):
    X, Y = data
    with pytest.raises(ValueError, match=r"weights has shape \(2,\) but the design"):
        glm.fit_contrasts(X, Y, F=[1, 0])
    fit, t, f = glm.fit_contrasts(X, Y, t=np.eye(P)[0])
    assert f is None
    assert_allclose(t.effect[0], fit.coef[0])
    assert glm.fit_contrasts(X, Y)[1:] == (None, None)


def test_wide_f_takes_the_other_factorisation(rng, dtype, tol):
    X = rng.standard_normal((90, 12))
    fit = glm.fit(X, rng.standard_normal((90, V)).astype(dtype), noise_model="ar1")
    nine = glm.f_contrast(fit, np.eye(12)[:9])
    turn = np.linalg.qr(rng.standard_normal((9, 9)))[0]
    turned = glm.f_contrast(fit, turn @ np.eye(12)[:9])
    assert_allclose(turned.stat, nine.stat, rtol=10 * tol["rtol"])


def test_estimated_noise_costs_degrees_of_freedom(rng, dtype):
    t = np.arange(N)
    slow, fast = np.sin(t / 9), (-1.0) ** t * np.sin(t / 5)
    X = np.column_stack([slow, rng.permutation(slow), fast, np.ones(N)])
    Y = rng.standard_normal((N, 200)).astype(dtype)
    fit = glm.fit(X, Y, noise_model="ar1")
    contrast = glm.t_contrast(fit, np.eye(3, 4))
    assert contrast.dof[0] < 0.5 * fit.dof
    assert contrast.dof[1] > 0.85 * fit.dof
    # Worsley's rule for white noise: lag-1 correlation of the regressor.
    tau = slow[1:] @ slow[:-1] / (slow @ slow)
    assert_allclose(contrast.dof[0], 1 / (1 / fit.dof + 2 * tau**2 / N), rtol=0.1)
    f = glm.f_contrast(fit, np.eye(2, 4))
    for test, i in ((contrast, 0), (contrast, 2), (f, 0)):
        assert 0.9 < test.inflation[i] < 1.1
        assert test.inflation[i] != 1
        stat, factor = test.stat[i].astype(float), test.inflation[i]
        if test.kind == "t":
            p = stats.t.sf(stat / np.sqrt(factor), test.dof[i])
        else:
            p = stats.f.sf(stat / factor, 2, test.dof[i])
        assert_allclose(test.p_value[i], p, rtol=2e-4)
    known = glm.t_contrast(glm.fit(X, Y, noise_model="ar1", ar=[0.3]), np.eye(3, 4))
    assert known.dof == (fit.dof,) * 3
    assert known.inflation == (1,) * 3
    as_peer = glm.fit(X, Y, noise_model="ar1", compat="nilearn")
    assert glm.f_contrast(as_peer, np.eye(3, 4)).dof == (fit.dof,)


def test_trends_leave_one_degree_of_freedom_of_the_mean(rng, dtype):
    """Where the noise hardly ever returns, nothing is known of a constant's error."""
    t = np.arange(N)
    X = np.column_stack([np.sin(t / 2), np.ones(N)])
    Y = (0.1 * t**2)[:, None] + rng.standard_normal((N, 8))
    fit = glm.fit(X, Y.astype(dtype), noise_model="ar1")
    contrast = glm.t_contrast(fit, np.eye(2))
    assert contrast.dof[0] > 20
    assert contrast.dof[1] == 1
    assert np.isfinite(contrast.p_value).all()


@pytest.mark.parametrize("weighted", [False, True])
def test_fixed_effects_of_t(data, weighted, tol):
    X, Y = data
    runs = [glm.t_contrast(glm.fit(X, Y * s), np.eye(P)[:2]) for s in (1, 2, 3)]
    got = glm.fixed_effects(runs, precision_weighted=weighted)
    e = np.stack([run.effect for run in runs]).astype(float)
    v = np.stack([run.variance for run in runs]).astype(float)
    if weighted:
        variance = 1 / np.sum(1 / v, 0)
        effect = np.sum(e / v, 0) * variance
    else:
        effect, variance = e.mean(0), v.sum(0) / 9
    assert_allclose(got.effect, effect, rtol=tol["rtol"])
    assert_allclose(got.variance, variance, rtol=tol["rtol"])
    assert_allclose(got.stat, effect / np.sqrt(variance), rtol=tol["rtol"])
    assert got.dof == (225.0, 225.0)
    assert glm.fixed_effects(runs, dof=[100] * 3).dof == (300.0, 300.0)


@pytest.mark.parametrize("weighted", [False, True])
def test_fixed_effects_equal_nilearn(rng, weighted, x64):
    params = pytest.importorskip("nilearn.glm.contrasts")._compute_fixed_effects_params
    X = np.column_stack([rng.standard_normal((N, 2)), np.ones(N)])
    fits = [glm.fit(X, rng.standard_normal((N, 9)), compat="nilearn") for _ in range(4)]
    runs = [glm.t_contrast(fit, np.eye(1, 3)) for fit in fits]
    got = glm.fixed_effects(runs, precision_weighted=weighted)
    effects, variances = ([getattr(run, k)[0] for run in runs]
                          for k in ("effect", "variance"))  # fmt: skip
    dofs = [run.dof[0] for run in runs]
    expected = params(np.array(effects), np.array(variances), weighted, dofs)
    for name, value in zip(
        ("effect", "variance", "stat", "z_score"), expected, strict=True
    ):
        assert_allclose(getattr(got, name)[0], value, rtol=1e-10, atol=1e-10)
    if weighted:
        return
    f = [glm.f_contrast(fit, np.eye(2, 3)) for fit in fits]
    got = glm.fixed_effects(f)
    size = sum(run.effect[0] for run in f) / 4
    variance = sum(run.variance[0] for run in f) / 16
    assert_allclose(got.stat[0], np.sum(size**2, 0) / 2 / variance, rtol=1e-10)


def test_r2_residuals_and_predictions(data, tol):
    X, Y = data
    y, task, nuisance = Y.astype(float), X[:, :2], X[:, 2:]

    def left(columns):
        return np.sum((y - columns @ np.linalg.lstsq(columns, y)[0]) ** 2, 0)

    plain = 1 - left(X) / left(nuisance)
    adjusted = 1 - (left(X) / (N - P)) / (left(nuisance) / (N - P + 2))
    assert_allclose(glm.r2(task, Y, nuisance=nuisance), plain, **tol)
    got = glm.r2(task, Y, nuisance=nuisance, adjusted=True)
    assert_allclose(got, adjusted, **tol)
    zero = 1 - left(task) / np.sum(y**2, 0)
    assert_allclose(glm.r2(task, Y), zero, **tol)
    fit = glm.fit(X, Y)
    assert_allclose(glm.predict(fit, X) + glm.residuals(X, Y), Y, **tol)
    assert_allclose(X.T @ glm.residuals(X, Y), 0, atol=100 * tol["atol"])
    assert np.isnan(glm.r2(task, np.ones((N, 1), Y.dtype), nuisance=X[:, 4:])[0])


def test_errors(data):
    X, Y = data
    fit = glm.fit(X, Y)
    with pytest.raises(ValueError, match=r"weights has shape \(4,\) .* 5 regressors"):
        glm.t_contrast(fit, np.ones(4))
    with pytest.raises(ValueError, match="weights is zero everywhere in row 1"):
        glm.f_contrast(fit, [[1, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
    with pytest.raises(ValueError, match="weights has 1 NaN"):
        glm.t_contrast(fit, [1, np.nan, 0, 0, 0])
    with pytest.raises(ValueError, match="contrasts is empty"):
        glm.fixed_effects([])
    t, f = glm.t_contrast(fit, np.eye(P)), glm.f_contrast(fit, np.eye(P))
    with pytest.raises(ValueError, match=r"contrasts\[1\] is F of shape"):
        glm.fixed_effects([t, f])
    with pytest.raises(ValueError, match="dof has shape .* there are 2 runs"):
        glm.fixed_effects([t, t], dof=[100])
    with pytest.raises(ValueError, match="X has 3 regressors but the fit has 5"):
        glm.predict(fit, X[:, :3])
    with pytest.raises(ValueError, match="X and nuisance have rank 80 for 80 scans"):
        glm.r2(np.eye(N), Y)
