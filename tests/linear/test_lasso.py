import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from jaxneuro import linear


def objective(X, Y, coef, intercept, alpha, l1_ratio=1.0, weight=None):
    weight = np.ones(len(X)) if weight is None else weight
    error = weight @ (Y - X @ coef - intercept) ** 2 / (2 * weight.sum())
    absolute, square = np.abs(coef).sum(0), (coef**2).sum(0) / 2
    return error + alpha * (l1_ratio * absolute + (1 - l1_ratio) * square)


def descend(X, y, alpha, l1_ratio=1.0, positive=False, center=True, weight=None):
    """Coordinate descent on one target, until nothing moves."""
    weight = np.ones(len(X)) if weight is None else weight
    share = weight / weight.sum()
    x_mean = share @ X if center else np.zeros(X.shape[1])
    y_mean = share @ y if center else 0.0
    X, y = X - x_mean, y - y_mean
    xx, xy = (share[:, None] * X).T @ X, (share[:, None] * X).T @ y
    coef = np.zeros(X.shape[1])
    for _ in range(20000):
        before = coef.copy()
        for j in range(coef.size):
            pull = xy[j] - xx[j] @ coef + xx[j, j] * coef[j]
            size = max((pull if positive else abs(pull)) - alpha * l1_ratio, 0)
            curve = xx[j, j] + alpha * (1 - l1_ratio)
            coef[j] = np.sign(pull) * size / curve if curve > 0 else 0
        if np.abs(coef - before).max() < 1e-13:
            break
    return coef, y_mean - x_mean @ coef


@pytest.fixture
def data(rng, dtype):
    """Forty samples of seven features of unequal size, five targets."""
    X = rng.standard_normal((40, 7)) * np.linspace(0.4, 3, 7) + 2
    Y = X[:, :3] @ rng.standard_normal((3, 5)) + rng.standard_normal((40, 5)) - 4
    return X.astype(dtype), Y.astype(dtype)


def tight(dtype):
    """What the stopping rule leaves of an error."""
    small = np.dtype(dtype) == np.float32
    return {"rtol": 2e-4, "atol": 5e-5} if small else {"rtol": 1e-6, "atol": 1e-7}


@pytest.mark.parametrize("l1_ratio", [1.0, 0.4])
@pytest.mark.parametrize("positive", [False, True])
def test_equals_coordinate_descent(data, dtype, rng, l1_ratio, positive):
    X, Y = data
    weight = rng.uniform(0, 2, len(X))
    weight[3] = 0
    alpha = np.linspace(0.05, 0.6, 5)
    for options, center in (
        ({}, True),
        ({"sample_weight": weight.astype(dtype)}, True),
        ({"fit_intercept": False}, False),
    ):
        fit = linear.lasso(X, Y, alpha, l1_ratio=l1_ratio, positive=positive, **options)
        used = weight if "sample_weight" in options else None
        for t in range(5):
            coef, intercept = descend(
                *(X.astype(float), Y[:, t].astype(float), alpha[t]),
                *(l1_ratio, positive, center, used),
            )
            assert_allclose(fit.coef[:, t], coef, **tight(dtype))
            assert_allclose(fit.intercept[t], intercept, rtol=1e-4, atol=1e-4)
        assert np.asarray(fit.converged).all()
        assert_allclose(fit.alpha, alpha, rtol=1e-6)


def test_path_solves_each_penalty_in_the_order_given(data, dtype):
    X, Y = data
    alphas = [0.2, 1.5, 0.02, 0.6]
    path = linear.lasso_path(X, Y, alphas, l1_ratio=0.8)
    assert path.coef.shape == (4, 7, 5)
    for k, alpha in enumerate(alphas):
        single = linear.lasso(X, Y, alpha, l1_ratio=0.8)
        assert_allclose(path.coef[k], single.coef, **tight(dtype))
        assert_allclose(path.alpha[k], np.full(5, alpha), rtol=1e-6)


def test_gap_bounds_the_distance_from_the_minimum(data):
    X, Y = (a.astype(np.float64) for a in data)
    alpha = 0.1
    best = np.stack([descend(X, y, alpha, 0.7)[0] for y in Y.T], axis=1)
    least = objective(X, Y, best, (Y - X @ best).mean(0), alpha, 0.7)
    gaps = []
    for max_iter in (1, 4, 200):
        fit = linear.lasso(*data, alpha, l1_ratio=0.7, max_iter=max_iter)
        coef = np.asarray(fit.coef, np.float64)
        here = objective(X, Y, coef, (Y - X @ coef).mean(0), alpha, 0.7)
        assert (here - least <= np.asarray(fit.gap) * 1.001 + 1e-6).all()
        assert_array_equal(fit.converged, np.full(5, max_iter == 200))
        assert_array_equal(fit.n_iter <= max_iter, True)
        gaps.append(np.asarray(fit.gap).max())
    assert gaps[0] > gaps[1] > gaps[2] >= -1e-9


def test_alpha_zero_is_least_squares(data, dtype):
    X, Y = data
    fit = linear.lasso(X, Y, 0.0, max_iter=5000)
    centered = X - X.mean(0, keepdims=True)
    expected = np.linalg.lstsq(centered, Y - Y.mean(0), rcond=None)[0]
    assert_allclose(fit.coef, expected, rtol=1e-3, atol=1e-3)


def test_missing_samples_cost_only_their_target(data):
    X, Y = data
    fit = linear.lasso(X, Y, 0.1)
    Y = Y.copy()
    Y[3, 1], Y[4, 2] = np.nan, np.inf
    holes = linear.lasso(X, Y, 0.1)
    assert_array_equal(np.isnan(holes.coef).all(0), [False, True, True, False, False])
    assert_array_equal(holes.converged, [True, False, False, True, True])
    keep = [0, 3, 4]
    assert_allclose(holes.coef[:, keep], fit.coef[:, keep], rtol=1e-6)
    searched = linear.lasso_cv(X, Y, np.arange(40) % 4, n_alphas=6)
    assert_array_equal(np.isnan(searched.scores[0]).all(0), np.isnan(holes.gap))
    assert np.isfinite(searched.fit.coef[:, keep]).all()


def test_constant_and_twin_features(data):
    X, Y = data
    plain = linear.lasso(X, Y, 0.1)
    more = np.concatenate([X, np.full_like(X[:, :1], 3), X[:, :1]], axis=1)
    fit = linear.lasso(more, Y, 0.1, max_iter=5000)
    assert_array_equal(fit.coef[7], np.zeros(5))
    merged = fit.coef[:7].at[0].add(fit.coef[8])
    assert_allclose(merged, plain.coef, rtol=2e-3, atol=2e-4)


def test_more_features_than_samples(rng, dtype):
    X = rng.standard_normal((30, 80)).astype(dtype)
    Y = (X[:, [5, 40]] @ np.array([[2.0], [-3.0]], dtype)).astype(dtype)
    fit = linear.lasso(X, Y, 0.1, max_iter=5000)
    assert np.asarray(fit.converged).all()
    assert_array_equal(np.argsort(-np.abs(fit.coef[:, 0]))[:2], [40, 5])
    assert (np.abs(fit.coef[:, 0]) > 0.02).sum() <= 10


def test_ill_conditioned_is_reported(rng, dtype):
    X = rng.standard_normal((50, 20)) + 100 * rng.standard_normal((50, 1))
    Y = (X[:, :2] @ rng.standard_normal((2, 3))).astype(dtype)
    X = X.astype(dtype)
    short = linear.lasso(X, Y, 1e-3, max_iter=3)
    assert not np.asarray(short.converged).any()
    assert (np.asarray(short.gap) > 0).all()
    assert np.isfinite(short.coef).all()


def test_blocks_change_nothing(data, dtype):
    # Finished targets go on while others of their block work: within tolerance.
    X, Y = data
    whole, parts = linear.lasso(X, Y, 0.1), linear.lasso(X, Y, 0.1, batch_size=2)
    assert_allclose(parts.coef, whole.coef, **tight(dtype))
    fold = np.arange(40) % 4
    whole = linear.lasso_cv(X, Y, fold, n_alphas=6)
    parts = linear.lasso_cv(X, Y, fold, n_alphas=6, batch_size=2)
    assert_allclose(parts.fit.alpha, whole.fit.alpha, rtol=1e-6)
    assert_allclose(parts.fit.coef, whole.fit.coef, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("positive", [False, True])
def test_search_scores_each_penalty_on_each_fold(data, dtype, positive):
    X, Y = (a.astype(np.float64) for a in data)
    fold = np.arange(40) % 3
    alphas = np.array([0.05, 0.8, 0.3])
    options = {"positive": positive, "l1_ratio": 0.9, "keep_scores": True}
    result = linear.lasso_cv(*data, fold, alphas=alphas, **options, tol=1e-7)
    expected = np.empty((3, 3, 5))
    for k in range(3):
        train, test = fold != k, fold == k
        for a, alpha in enumerate(np.sort(alphas)[::-1]):
            for t in range(5):
                coef, c = descend(X[train], Y[train, t], alpha, 0.9, positive)
                expected[k, a, t] = -((Y[test, t] - X[test] @ coef - c) ** 2).mean()
    assert_allclose(result.scores, expected, rtol=2e-4)
    best = np.sort(alphas)[::-1][expected.mean(0).argmax(0)]
    assert_allclose(result.fit.alpha, best, rtol=1e-6)
    refit = linear.lasso(*data, best, positive=positive, l1_ratio=0.9)
    assert_allclose(result.fit.coef, refit.coef, **tight(dtype))
    assert_array_equal(result.converged, np.ones(5, bool))


def test_grid_of_its_own_for_every_target(data):
    X, Y = data
    result = linear.lasso_cv(X, Y, np.arange(40) % 4, n_alphas=6, eps=0.01)
    centered = X - X.mean(0, keepdims=True)
    top = np.abs(centered.T @ (Y - Y.mean(0))).max(0) / 40
    assert_allclose(result.alphas, np.geomspace(top, 0.01 * top, 6), rtol=1e-4)
    assert result.scores.shape == (1, 6, 5)


def test_constant_target_has_no_coefficients(data):
    X, Y = data
    Y = Y.copy()
    Y[:, 2] = 7
    for result in (
        linear.lasso_cv(X, Y, np.arange(40) % 4, n_alphas=6),
        linear.lasso_lars_cv(X, Y, np.arange(40) % 4, max_iter=3),
    ):
        assert_array_equal(result.fit.coef[:, 2], np.zeros(7))
        assert_allclose(result.fit.intercept[2], 7, rtol=1e-6)


def test_folds_of_one_sample(data):
    X, Y = data[0][:12], data[1][:12]
    result = linear.lasso_cv(X, Y, np.arange(12), n_alphas=4, keep_scores=True)
    assert result.scores.shape == (12, 4, 5)
    assert np.isfinite(result.scores).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"l1_ratio": 0.0}, "l1_ratio is 0 but must be above 0"),
        ({"l1_ratio": 1.2}, "l1_ratio is 1.2 but must be above 0"),
        ({"max_iter": 0}, "max_iter is 0 but must be a whole number"),
        ({"tol": 0.0}, "tol is 0 but must be positive"),
        ({"alpha": -0.1}, "alpha is -0.1 but must be finite and not negative"),
        ({"alpha": np.ones(3)}, r"alpha has shape \(3,\) but must be a number"),
        ({"sample_weight": -np.ones(40)}, "sample_weight has 40 negative, NaN or"),
        ({"sample_weight": np.zeros(40)}, "sample_weight is zero for all samples"),
        ({"sample_weight": np.ones(3)}, "sample_weight has 3 samples but X has 40"),
    ],
)
def test_refuses_bad_options(data, options, message):
    options = {"alpha": 0.1} | options
    with pytest.raises(ValueError, match=message):
        linear.lasso(*data, options.pop("alpha"), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alphas": [0.1, -1.0]}, "alphas holds -1 but penalties must be finite"),
        ({"alphas": []}, "alphas has shape"),
        ({"n_alphas": 0}, "n_alphas is 0 but must be a whole number"),
        ({"eps": 1.0}, "eps is 1.0 but must lie between 0 and 1"),
        ({"fold_id": np.zeros(40, int)}, "fold_id holds the folds"),
        ({"fold_id": np.arange(3)}, r"fold_id has shape \(3,\) but must be \(40,\)"),
    ],
)
def test_search_refuses_bad_options(data, options, message):
    options = {"fold_id": np.arange(40) % 4} | options
    with pytest.raises(ValueError, match=message):
        linear.lasso_cv(*data, options.pop("fold_id"), **options)


def test_refuses_bad_shapes(data):
    X, Y = data
    with pytest.raises(ValueError, match="Y has 39 samples but X has 40"):
        linear.lasso(X, Y[:-1], 0.1)
    with pytest.raises(ValueError, match="Y has shape"):
        linear.lasso(X, Y[:, 0], 0.1)
    with pytest.raises(ValueError, match="alphas holds -1"):
        linear.lasso_path(X, Y, [0.1, -1.0])
    with pytest.raises(TypeError, match="X has dtype complex"):
        linear.lasso(X.astype(complex), Y, 0.1)
