"""Every way to solve a ridge regression against scikit-learn and NumPy."""

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import Ridge

from jaxneuro.core import ridge
from jaxneuro.core.moments import moments

ALPHAS = (0.1, 10.0, 1000.0)
SHAPES = {"tall": (40, 6, 3), "wide": (9, 20, 2), "single": (12, 1, 1)}


def laplacian(n):
    difference = np.diff(np.eye(n), axis=0)
    return difference.T @ difference


def full(n):
    root = np.random.default_rng(n).standard_normal((n, n))
    return root @ root.T + np.eye(n)


PENALTIES = {
    "identity": lambda n: None,
    "diagonal": lambda n: np.linspace(0.5, 4, n),
    "full": full,
    "laplacian": laplacian,
}


def as_matrix(penalty, n):
    if penalty is None:
        return np.eye(n)
    return np.diag(penalty) if penalty.ndim == 1 else penalty


@pytest.fixture(params=SHAPES, ids=str)
def data(request, rng, dtype):
    n, n_features, n_targets = SHAPES[request.param]
    X = rng.standard_normal((n, n_features))
    Y = rng.standard_normal((n, n_targets)) + 2 * X[:, :1]
    return (X - X.mean(0)).astype(dtype), (Y - Y.mean(0)).astype(dtype)


@pytest.fixture
def tall(rng, dtype):
    X = rng.standard_normal((50, 7)).astype(dtype)
    return X, (X @ rng.standard_normal((7, 3))).astype(dtype) + X[:, :3] ** 2


def solve_moments(X, Y, alpha):
    return ridge.solve(moments(X, Y), alpha)


SOLVERS = {
    "moments": solve_moments,
    "dual": ridge.solve_dual,
    "svd": ridge.solve_svd,
}


def sklearn_ridge(X, Y, alpha):
    model = Ridge(alpha, fit_intercept=False, solver="svd")
    return model.fit(X.astype(float), Y.astype(float)).coef_.reshape(-1, X.shape[1]).T


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("alpha", ALPHAS)
def test_equals_scikit_learn(data, tol, solver, alpha):
    got = SOLVERS[solver](*data, alpha)
    assert got.dtype == data[0].dtype
    # A kernel of low rank has rounding errors that only alpha holds down.
    factor = 10 if solver == "dual" else 1
    loose = {name: factor * value for name, value in tol.items()}
    assert_allclose(got, sklearn_ridge(*data, alpha), **loose)


@pytest.mark.parametrize("solver", SOLVERS)
def test_alpha_per_target(data, tol, solver):
    alpha = np.array([0.3, 700.0, 5.0])[: data[1].shape[1]]
    assert_allclose(SOLVERS[solver](*data, alpha), sklearn_ridge(*data, alpha), **tol)


@pytest.mark.parametrize("solver", ["dual", "svd"])
@pytest.mark.parametrize("deficient", ["wide", "repeated"])
def test_no_penalty_gives_least_norm(rng, dtype, tol, solver, deficient):
    X = rng.standard_normal((9, 20) if deficient == "wide" else (30, 4))
    if deficient == "repeated":
        X = X[:, [0, 1, 2, 3, 1, 0]]
    X = (X - X.mean(0)).astype(dtype)
    Y = rng.standard_normal((len(X), 2)).astype(dtype)
    expected = np.linalg.lstsq(X.astype(float), Y.astype(float), rcond=1e-6)[0]
    loose = {name: 10 * value for name, value in tol.items()}  # the kernel is squared
    assert_allclose(SOLVERS[solver](X, Y, 0.0), expected, **loose)
    # One target without a penalty beside one with.
    mixed = SOLVERS[solver](X, Y, np.array([0.0, 3.0]))
    assert_allclose(mixed[:, 0], expected[:, 0], **loose)
    assert_allclose(mixed[:, 1], sklearn_ridge(X, Y, 3.0)[:, 1], **tol)


def test_svd_keeps_what_products_lose(rng):
    X = rng.standard_normal((60, 2))
    X = np.column_stack([X, X[:, 0] + 1e-3 * rng.standard_normal(60)])
    X = X.astype(np.float32)
    Y = (X @ np.array([[1.0], [2.0], [-1.0]])).astype(np.float32)
    expected = np.linalg.lstsq(X.astype(float), Y.astype(float))[0]

    def error(coef):
        return np.abs(np.asarray(coef, float) - expected).max()

    by_svd = error(ridge.solve_svd(X, Y, 0.0))
    assert by_svd < 1e-3
    assert by_svd < error(ridge.solve(moments(X, Y), 1e-6)) / 10


def test_singular_system_is_nan(dtype):
    X = np.random.default_rng(0).standard_normal((20, 3)).astype(dtype)
    X[:, 1] = 0
    m = moments(X, X[:, :2])
    assert np.isnan(ridge.solve(m, 0.0)).all()
    # One penalty per target takes the spectrum, which gives the least norm.
    coef = ridge.solve(m, np.zeros(2))
    assert_allclose(coef, [[1, 0], [0, 0], [0, 0]], atol=1e-5)


@pytest.mark.parametrize("kind", PENALTIES)
def test_spectrum_diagonalizes_both(tall, kind):
    m = moments(*tall)
    penalty = PENALTIES[kind](7)
    s = ridge.spectrum(m.xx, penalty)
    Q = np.asarray(s.basis, float)
    R = as_matrix(penalty, 7)
    atol = 1e-9 if m.xx.dtype == np.float64 else 2e-4
    assert_allclose(Q.T @ m.xx @ Q, np.diag(s.gain), atol=atol * np.trace(m.xx))
    assert_allclose(Q.T @ R @ Q, np.diag(s.cost), atol=atol * np.trace(R))
    assert (np.asarray(s.gain) >= 0).all()
    assert (np.asarray(s.cost) >= 0).all()


def test_laplacian_leaves_constants_free(tall):
    cost = np.sort(ridge.spectrum(moments(*tall).xx, laplacian(7)).cost)
    assert cost[0] < 1e-4
    assert cost[1] > 1e-2


@pytest.mark.parametrize("kind", PENALTIES)
@pytest.mark.parametrize("method", ["eigh", "cholesky", "auto"])
def test_path_equals_normal_equations(tall, tol, kind, method):
    X, Y = (a.astype(float) - a.astype(float).mean(0) for a in tall)
    penalty = PENALTIES[kind](7)
    path = ridge.ridge_path(moments(*tall), ALPHAS, penalty=penalty, method=method)
    assert path.shape == (3, 7, 3)
    # The basis of a full penalty has the condition number of its factor.
    loose = {name: 10 * value for name, value in tol.items()}
    for coef, alpha in zip(path, ALPHAS, strict=True):
        system = X.T @ X + alpha * as_matrix(penalty, 7)
        assert_allclose(coef, np.linalg.solve(system, X.T @ Y), **loose)


@pytest.mark.parametrize("kind", PENALTIES)
def test_penalized_solve_per_target(tall, tol, kind):
    X, Y = (a.astype(float) - a.astype(float).mean(0) for a in tall)
    penalty = PENALTIES[kind](7)
    coef = ridge.solve(moments(*tall), ALPHAS, penalty=penalty)
    one = ridge.solve(moments(*tall), ALPHAS[1], penalty=penalty)
    loose = {name: 10 * value for name, value in tol.items()}
    assert_allclose(one[:, 1], coef[:, 1], **loose)
    for target, alpha in enumerate(ALPHAS):
        system = X.T @ X + alpha * as_matrix(penalty, 7)
        expected = np.linalg.solve(system, X.T @ Y[:, target])
        assert_allclose(coef[:, target], expected, **loose)


def test_shrink_inverts_where_it_can():
    s = ridge.Spectrum(
        basis=np.eye(3, dtype=np.float32),
        gain=np.array([4.0, 1.0, 1e-9], np.float32),
        cost=np.array([1.0, 2.0, 1.0], np.float32),
    )
    assert_allclose(ridge.shrink(s, np.float32(0)), [0.25, 1, 0])
    assert_allclose(ridge.shrink(s, np.float32(2)), [1 / 6, 1 / 5, 1 / 2])
    both = ridge.shrink(s, np.array([[0, 2]], np.float32))
    assert_allclose(both.T, [[0.25, 1, 0], [1 / 6, 1 / 5, 1 / 2]])


@pytest.mark.parametrize(
    ("method", "n_alphas", "n_features", "expected"),
    [
        ("auto", 1, 10, "cholesky"),
        ("auto", 2, 1000, "eigh"),
        ("auto", 13, 1001, "cholesky"),
        ("auto", 14, 1001, "eigh"),
        ("eigh", 1, 5000, "eigh"),
        ("cholesky", 99, 5, "cholesky"),
    ],
)
def test_method_follows_the_size(method, n_alphas, n_features, expected):
    assert ridge.pick_method(method, n_alphas, n_features) == expected


def test_gradient_through_the_least_norm_is_finite(dtype):
    X = np.random.default_rng(1).standard_normal((5, 11)).astype(dtype)
    Y = X[:, :2]
    slope = jax.grad(lambda alpha: (ridge.solve_dual(X, Y, alpha) ** 2).sum())(1.0)
    assert np.isfinite(slope)
    assert slope < 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda m: ridge.solve(m, np.ones(2)),
            r"alpha has shape \(2,\) but must be a number or have shape \(3,\)",
        ),
        (
            lambda m: ridge.ridge_path(m, ALPHAS, method="qr"),
            "method is 'qr' but must be one of 'auto', 'eigh', 'cholesky'",
        ),
        (
            lambda m: ridge.solve_dual(np.ones((4, 2)), np.ones((3, 1)), 1.0),
            "Y has 3 samples but X has 4",
        ),
        (
            lambda m: ridge.solve_svd(np.ones((4, 2)), np.ones(4), 1.0),
            r"Y has shape \(4,\) but must be two-dimensional",
        ),
    ],
)
def test_bad_input(tall, call, message):
    with pytest.raises(ValueError, match=message):
        call(moments(*tall))
