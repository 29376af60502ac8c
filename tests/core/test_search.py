"""Held-out scores from moments against scores of explicit predictions."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from jaxneuro.core import ridge, search
from jaxneuro.core.moments import Moments, moments

ALPHAS = np.logspace(-1, 3, 4)
# Four penalties and three targets: the first size turns the test moments into the
# basis, the second turns the coefficients back.
N_FEATURES = {"turn the test moments": 5, "turn the coefficients": 11}


def r2(y, p):
    return 1 - ((y - p) ** 2).sum(0) / ((y - y.mean(0)) ** 2).sum(0)


def correlation(y, p):
    return np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(y.T, p.T, strict=True)])


def mse(y, p):
    return -((y - p) ** 2).mean(0)


ORACLES = {"r2": r2, "correlation": correlation, "mse": mse}


def laplacian(n):
    difference = np.diff(np.eye(n), axis=0)
    return difference.T @ difference


PENALTIES = {
    "identity": lambda n: None,
    "diagonal": lambda n: np.linspace(0.5, 4, n),
    "laplacian": laplacian,
}


METHODS = ("eigh", "cholesky")


def as_matrix(penalty, n):
    if penalty is None:
        return np.eye(n)
    return np.diag(penalty) if penalty.ndim == 1 else penalty


def data(rng, dtype, n_features):
    X = rng.standard_normal((70, n_features)) + 1.0
    Y = X @ rng.standard_normal((n_features, 3))
    Y += rng.standard_normal((70, 3)) * [1.0, 3.0, 9.0] + 2.0
    X[50:] += 0.5  # the test samples have means of their own
    return X.astype(dtype), Y.astype(dtype)


# Every pair of choices, in half of their combinations; the other half is slow.
CHOICES = [list(enumerate(c)) for c in (N_FEATURES, METHODS, ORACLES, PENALTIES)]
CASES = [
    pytest.param(*names, marks=[pytest.mark.slow] if sum(places) % 2 else [])
    for places, names in (zip(*case, strict=True) for case in product(*CHOICES))
]


@pytest.mark.parametrize(("size", "method", "metric", "kind"), CASES)
def test_equals_scores_of_predictions(rng, dtype, tol, size, method, metric, kind):
    n_features = N_FEATURES[size]
    X, Y = data(rng, dtype, n_features)
    train, test = moments(X[:50], Y[:50]), moments(X[50:], Y[50:])
    penalty = PENALTIES[kind](n_features)
    scores = search.cv_scores(
        train, test, ALPHAS, penalty=penalty, metric=metric, method=method
    )
    assert scores.shape == (4, 3)
    assert scores.dtype == dtype
    X, Y = X.astype(float), Y.astype(float)
    x_mean, y_mean = X[:50].mean(0), Y[:50].mean(0)
    Xc, Yc = X[:50] - x_mean, Y[:50] - y_mean
    for alpha, score in zip(ALPHAS, scores, strict=True):
        system = Xc.T @ Xc + alpha * as_matrix(penalty, n_features)
        coef = np.linalg.solve(system, Xc.T @ Yc)
        expected = ORACLES[metric](Y[50:], (X[50:] - x_mean) @ coef + y_mean)
        assert_allclose(score, expected, rtol=5 * tol["rtol"], atol=10 * tol["atol"])


def test_without_intercept(rng, dtype, tol):
    X, Y = data(rng, dtype, 5)
    train = Moments(
        n=np.asarray(50, dtype),
        x_mean=np.zeros(5, dtype),
        y_mean=np.zeros(3, dtype),
        xx=X[:50].T @ X[:50],
        xy=X[:50].T @ Y[:50],
        yy=(Y[:50] ** 2).sum(0),
    )
    scores = search.cv_scores(train, moments(X[50:], Y[50:]), ALPHAS)
    X, Y = X.astype(float), Y.astype(float)
    for alpha, score in zip(ALPHAS, scores, strict=True):
        system = X[:50].T @ X[:50] + alpha * np.eye(5)
        coef = np.linalg.solve(system, X[:50].T @ Y[:50])
        expected = r2(Y[50:], X[50:] @ coef)
        assert_allclose(score, expected, rtol=5 * tol["rtol"], atol=10 * tol["atol"])


@pytest.mark.parametrize("metric", ORACLES)
def test_constant_target_has_no_score(rng, dtype, metric):
    X, Y = data(rng, dtype, 5)
    Y[50:, 1] = 4.0
    train, test = moments(X[:50], Y[:50]), moments(X[50:], Y[50:])
    scores = np.asarray(search.cv_scores(train, test, ALPHAS, metric=metric))
    assert np.isnan(scores[:, 1]).all() == (metric != "mse")
    assert np.isfinite(scores[:, [0, 2]]).all()


def test_score_of_given_coefficients(rng, dtype, tol):
    X, Y = data(rng, dtype, 5)
    coef = rng.standard_normal((5, 3)).astype(dtype)
    train, test = moments(X[:50], Y[:50]), moments(X[50:], Y[50:])
    prediction = (X[50:] - X[:50].mean(0)) @ coef + Y[:50].mean(0)
    for metric, oracle in ORACLES.items():
        got = search.score_coef(coef, train, test, metric=metric)
        expected = oracle(Y[50:].astype(float), prediction)
        assert_allclose(got, expected, rtol=10 * tol["rtol"], atol=tol["atol"])


@pytest.mark.parametrize("kind", PENALTIES)
def test_gcv_equals_the_hat_matrix(rng, dtype, tol, kind):
    X, Y = data(rng, dtype, 6)
    penalty = PENALTIES[kind](6)
    scores = search.gcv_scores(moments(X, Y), ALPHAS, penalty=penalty)
    n = len(X)
    Xc, Yc = (a.astype(float) - a.astype(float).mean(0) for a in (X, Y))
    null = (Yc**2).mean(0) / (1 - 1 / n) ** 2
    for alpha, score in zip(ALPHAS, scores, strict=True):
        hat = Xc @ np.linalg.solve(Xc.T @ Xc + alpha * as_matrix(penalty, 6), Xc.T)
        dof = 1 + np.trace(hat)  # the intercept is one
        gcv = ((Yc - hat @ Yc) ** 2).mean(0) / (1 - dof / n) ** 2
        assert_allclose(score, 1 - gcv / null, rtol=tol["rtol"], atol=10 * tol["atol"])


def test_gcv_of_a_constant_target_is_nan(rng, dtype):
    X, Y = data(rng, dtype, 6)
    Y[:, 2] = 0.5
    scores = np.asarray(search.gcv_scores(moments(X, Y), ALPHAS))
    assert np.isnan(scores[:, 2]).all()
    assert np.isfinite(scores[:, :2]).all()


class TestChoose:
    @pytest.fixture
    def scores(self, rng, dtype):
        return rng.standard_normal((5, 4, 6)).astype(dtype)

    def test_each_target_takes_its_best_mean(self, scores):
        index, defined = search.choose(ALPHAS, scores)
        assert_array_equal(index, scores.mean(0).argmax(0))
        assert defined.all()

    def test_undefined_folds_do_not_count(self, scores):
        scores[0, :, 1] = scores[3, :, 1] = np.nan
        scores[2, 1, 4] = np.nan
        index, defined = search.choose(ALPHAS, scores)
        assert_array_equal(index, np.nanmean(scores, 0).argmax(0))
        assert defined.all()

    def test_without_a_score_the_largest_penalty_is_taken(self, scores):
        scores[:, :, 2] = np.nan
        shuffled = ALPHAS[[2, 3, 0, 1]]
        index, defined = search.choose(shuffled, scores)
        assert shuffled[index[2]] == ALPHAS.max()
        assert_array_equal(defined, np.arange(6) != 2)
        others = [0, 1, 3, 4, 5]
        assert_array_equal(index[np.array(others)], scores.mean(0).argmax(0)[others])

    def test_a_penalty_without_a_score_is_passed_over(self, scores):
        best = scores.mean(0).argmax(0)
        scores[:, best[0], 0] = np.nan
        index, _ = search.choose(ALPHAS, scores)
        rest = scores.mean(0)[:, 0]
        assert index[0] == np.nanargmax(rest) != best[0]

    def test_groups_share_the_best_mean(self, scores):
        groups = np.array([0, 2, 0, 1, 2, 2])
        scores[:, :, 5] = np.nan  # does not count for its group, but follows it
        scores[1, :, 0] = np.nan
        index, defined = search.choose(ALPHAS, scores, groups=groups, n_groups=3)
        mean = np.full((4, 6), np.nan)
        mean[:, :5] = np.nanmean(scores[:, :, :5], 0)
        for group, members in enumerate([[0, 2], [3], [1, 4]]):
            expected = mean[:, members].mean(1).argmax()
            assert_array_equal(index[groups == group], expected)
        assert defined.all()

    def test_group_without_a_score(self, scores):
        groups = np.array([0, 0, 1, 1, 1, 1])
        scores[:, :, :2] = np.nan
        index, defined = search.choose(ALPHAS, scores, groups=groups, n_groups=2)
        assert_array_equal(index[:2], ALPHAS.argmax())
        assert_array_equal(defined, groups == 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "auc"}, "metric is 'auc' but must be one of 'r2', 'correlation'"),
        ({"method": "qr"}, "method is 'qr' but must be one of 'auto', 'eigh'"),
    ],
)
def test_bad_input(rng, dtype, options, message):
    m = moments(*data(rng, dtype, 5))
    with pytest.raises(ValueError, match=message):
        search.cv_scores(m, m, ALPHAS, **options)


def test_auto_is_one_of_the_methods(rng, dtype, tol):
    X, Y = data(rng, dtype, 5)
    m = moments(X, Y)
    assert ridge.pick_method("auto", len(ALPHAS), 5) == "eigh"
    auto, eigh = (search.cv_scores(m, m, ALPHAS, method=k) for k in ("auto", "eigh"))
    assert_array_equal(auto, eigh)
