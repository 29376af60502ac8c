import numpy as np
import pytest
import scipy.stats
from numpy.testing import assert_allclose

from jaxneuro import glm

T, P, V = 60, 3, 6


@pytest.fixture
def data(rng, dtype):
    X = np.column_stack([rng.standard_normal((T, P - 1)), np.ones(T)])
    own = [rng.standard_normal((T, V)) + shift for shift in (30, 0)]
    own[1] += 0.5 * own[0] - 15
    Y = X @ rng.standard_normal((P, V)) + 0.7 * own[0] - own[1]
    Y = Y + rng.standard_normal((T, V)) + 50
    return X, [one.astype(dtype) for one in own], Y.astype(dtype)


def loop(X, own, Y, weights):
    """Least squares, target by target."""
    effect, variance = np.empty((2, len(weights), Y.shape[1]))
    for v in range(Y.shape[1]):
        A = np.column_stack([X, *(np.asarray(o[:, v], float) for o in own)])
        y = np.asarray(Y[:, v], float)
        coef = np.linalg.lstsq(A, y)[0]
        sigma2 = ((y - A @ coef) ** 2).sum() / (len(A) - A.shape[1])
        effect[:, v] = weights @ coef
        inverse = np.linalg.inv(A.T @ A)
        variance[:, v] = sigma2 * np.einsum("ci,ij,cj->c", weights, inverse, weights)
    return effect, variance


@pytest.mark.parametrize("n_own", [1, 2])
def test_equals_a_loop(data, dtype, n_own):
    X, own, Y = data
    own = own[:n_own]
    result = glm.fit_voxelwise(X, own if n_own > 1 else own[0], Y)
    effect, variance = loop(X, own, Y, np.eye(P + n_own))
    rtol = 1e-9 if dtype == np.float64 else 1e-3
    assert_allclose(result.effect, effect, rtol=rtol, atol=rtol)
    assert_allclose(result.variance, variance, rtol=rtol)
    t = effect / np.sqrt(variance)
    assert_allclose(result.stat, t, rtol=rtol, atol=rtol)
    p = scipy.stats.t.sf(t, T - P - n_own)
    assert_allclose(result.p_value, p, rtol=30 * rtol, atol=1e-12)
    assert result.dof == (T - P - n_own,) * (P + n_own)
    assert result.kind == "t"


def test_contrasts_mix_shared_and_voxelwise(rng, data, dtype):
    X, own, Y = data
    weights = rng.standard_normal((4, P + 2))
    result = glm.fit_voxelwise(X, own, Y, weights=weights)
    effect, variance = loop(X, own, Y, weights)
    rtol = 1e-9 if dtype == np.float64 else 1e-3
    assert_allclose(result.effect, effect, rtol=rtol, atol=30 * rtol)
    assert_allclose(result.variance, variance, rtol=rtol)


def test_known_coefficients_and_error_rate(rng, dtype):
    """Local noise that a voxelwise regressor carries costs no false positives."""
    n = 2000
    X = np.column_stack([rng.standard_normal(T), np.ones(T)])
    own = rng.standard_normal((T, n))
    Y = 2 * own + rng.standard_normal((T, n))
    result = glm.fit_voxelwise(X, own.astype(dtype), Y.astype(dtype))
    assert abs(np.asarray(result.effect[2]).mean() - 2) < 0.02
    share = (np.asarray(result.p_value[0]) < 0.05).mean()
    assert abs(share - 0.05) < 4 * np.sqrt(0.05 * 0.95 / n)


def test_targets_without_a_solution_are_counted(data):
    X, own, Y = data
    expected = glm.fit_voxelwise(X, own, Y)
    own, Y = [one.copy() for one in own], Y.copy()
    own[0][:, 0] = 7.0  # in the span of the constant
    own[1][:, 1] = 3 * own[0][:, 1] + X[:, 0].astype(Y.dtype)
    Y[4, 2] = np.nan
    Y[:, 3] = 5.0
    with pytest.warns(UserWarning, match="4 of 6 targets are NaN: their data or vox"):
        result = glm.fit_voxelwise(X, own, Y)
    for name in ("effect", "variance", "stat", "p_value"):
        values = np.asarray(getattr(result, name))
        assert np.isnan(values[:, :4]).all()
        whole = np.asarray(getattr(expected, name))[:, 4:]
        assert_allclose(values[:, 4:], whole, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"V": np.ones((T, 2))}, r"V has shape \(60, 2\) but Y has \(60, 6\)"),
        ({"V": []}, "V is empty; give at least one array of regressors"),
        ({"X": np.ones((T, 2))}, "X has 2 columns of rank 1; drop the columns"),
        ({"X": np.ones((9, 2))}, "Y has 60 time points but X has 9"),
        ({"X": np.eye(T)}, "X and V have 62 regressors for 60 scans"),
        ({"weights": np.eye(3)}, r"weights has shape \(3, 3\) but there are 3 shared"),
    ],
)
def test_bad_input(data, change, message):
    X, own, Y = data
    given = {"X": X, "V": own, "Y": Y} | change
    with pytest.raises(ValueError, match=message):
        glm.fit_voxelwise(given.pop("X"), given.pop("V"), given.pop("Y"), **given)
