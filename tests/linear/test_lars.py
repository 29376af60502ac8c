import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from jaxneuro import linear, simulate

N, P, T = 60, 8, 6
FOLD = np.arange(N) % 3


@pytest.fixture
def data(rng, dtype):
    """Correlated features, so that some leave again."""
    X = rng.standard_normal((N, P)) @ (np.eye(P) + 0.5 * rng.standard_normal((P, P)))
    X = X * np.linspace(0.5, 2, P) + 1
    Y = X @ rng.standard_normal((P, T)) + 2 * rng.standard_normal((N, T)) + 3
    return X.astype(dtype), Y.astype(dtype)


def walk(X, y, max_steps):
    """The lasso path by its definition: knots and coefficients of one target.

    Between knots the active coefficients solve a linear system; the next knot is
    the nearest penalty at which one of them vanishes or an idle correlation
    reaches the penalty.
    """
    n = len(X)
    X, y = X - X.mean(0), y - y.mean()
    xx, xy = X.T @ X / n, X.T @ y / n
    active, sign = [int(np.abs(xy).argmax())], {}
    alpha = np.abs(xy).max()
    sign[active[0]] = np.sign(xy[active[0]])
    knots, coefs = [alpha], [np.zeros(xy.size)]
    left = None
    while len(knots) <= max_steps and alpha > 1e-12:
        s = np.array([sign[j] for j in active])
        inverse = np.linalg.inv(xx[np.ix_(active, active)])
        fixed, per_alpha = inverse @ xy[active], inverse @ s
        rest = xy - xx[:, active] @ fixed
        change = xx[:, active] @ per_alpha
        events = [(0.0, "end", None)]
        for place, j in enumerate(active):
            zero = fixed[place] / per_alpha[place]
            if 0 < zero < alpha * (1 - 1e-9):
                events.append((zero, "leave", j))
        for j in set(range(xy.size)) - set(active):
            for side in (1, -1):
                at = rest[j] / (side - change[j])
                same = j == left and side == sign[j]
                if 0 < at < alpha * (1 - 1e-9) and not same:
                    events.append((at, "enter", (j, side)))
        alpha, kind, what = max(events, key=lambda event: event[0])
        coef = np.zeros(xy.size)
        coef[active] = fixed - alpha * per_alpha
        left = None
        if kind == "leave":
            active.remove(what)
            coef[what], left = 0, what
        elif kind == "enter":
            active.append(what[0])
            sign[what[0]] = what[1]
        knots.append(alpha)
        coefs.append(coef)
    return np.array(knots), np.array(coefs)


def at_alpha(knots, coefs, alpha):
    """Coefficients at a penalty: zero before the path, constant after its end."""
    order = np.argsort(knots)
    return np.array([np.interp(alpha, knots[order], c[order]) for c in coefs.T])


def search(X, y, max_steps):
    """Candidates, their held-out errors by fold, the best and its coefficients."""
    paths = [walk(X[k != FOLD], y[k != FOLD], max_steps) for k in range(3)]
    candidates = np.unique(np.concatenate([knots for knots, _ in paths]))
    errors = np.empty((3, candidates.size))
    for k, path in enumerate(paths):
        x_mean, y_mean = X[k != FOLD].mean(0), y[k != FOLD].mean()
        for c, alpha in enumerate(candidates):
            predicted = (X[k == FOLD] - x_mean) @ at_alpha(*path, alpha) + y_mean
            errors[k, c] = ((y[k == FOLD] - predicted) ** 2).mean()
    best = candidates[errors.mean(0).argmin()]
    return candidates, errors, best, at_alpha(*walk(X, y, max_steps), best)


@pytest.mark.parametrize("max_iter", [3, 40])
def test_follows_the_path_by_its_definition(data, dtype, tol, max_iter):
    X, Y = (a.astype(np.float64) for a in data)
    result = linear.lasso_lars_cv(*data, FOLD, max_iter=max_iter, keep_scores=True)
    close = {"rtol": 1e-3, "atol": 1e-3} if dtype == np.float32 else tol
    assert result.alphas.shape == (3 * (max_iter + 1), T)
    for t in range(T):
        candidates, errors, best, coef = search(X, Y[:, t], max_iter)
        found = np.asarray(result.alphas[:, t], np.float64)
        order = np.argsort(found)[: np.isfinite(found).sum()]
        distance = np.abs(found[order][:, None] - candidates[None])
        assert distance.min(0).max() < 1e-4 * candidates[-1]
        assert distance.min(1).max() < 1e-4 * candidates[-1]
        assert_allclose(result.fit.alpha[t], best, rtol=1e-4, atol=1e-5)
        assert_allclose(result.fit.coef[:, t], coef, **close)
        scores = np.asarray(result.scores[:, order, t])
        assert_allclose(scores.mean(0).max(), -errors.mean(0).min(), rtol=1e-4)
        assert_allclose(scores[:, -1], -errors[:, -1], rtol=1e-4)
    assert np.asarray(result.converged).all()


def test_ends_at_the_lasso_of_the_chosen_penalty(data, dtype):
    result = linear.lasso_lars_cv(*data, FOLD, max_iter=40)
    fit = linear.lasso(*data, result.fit.alpha, max_iter=5000)
    close = 1e-3 if dtype == np.float32 else 1e-6
    assert_allclose(result.fit.coef, fit.coef, rtol=close, atol=close)
    assert_allclose(result.fit.intercept, fit.intercept, rtol=close, atol=close)
    clear = np.asarray(result.fit.alpha) > 0.01  # no bound without a penalty
    assert (np.asarray(result.fit.gap)[clear] < 1e-4).all()
    assert clear.sum() > 2


def test_few_steps_bound_the_number_of_features(data):
    result = linear.lasso_lars_cv(*data, FOLD, max_iter=3)
    assert ((np.asarray(result.fit.coef) != 0).sum(0) <= 3).all()
    assert_array_equal(result.fit.n_iter <= 3, np.ones(T, bool))


@pytest.mark.slow
def test_weights_and_no_intercept(data, dtype, rng):
    X, Y = data
    weight = rng.integers(0, 3, N)
    for options in ({}, {"fit_intercept": False}):
        weighed = linear.lasso_lars_cv(
            X, Y, FOLD, max_iter=5, sample_weight=weight.astype(dtype), **options
        )
        rows = np.repeat(np.arange(N), weight)
        repeated = linear.lasso_lars_cv(
            X[rows], Y[rows], FOLD[rows], max_iter=5, **options
        )
        assert_allclose(weighed.fit.coef, repeated.fit.coef, rtol=1e-2, atol=2e-3)
        assert_allclose(weighed.fit.alpha, repeated.fit.alpha, rtol=1e-3)


@pytest.mark.slow
def test_twin_constant_and_many_features(data, rng, dtype):
    X, Y = data
    plain = linear.lasso_lars_cv(X, Y, FOLD)
    more = np.concatenate([X, np.full_like(X[:, :1], 3), X[:, :1]], axis=1)
    result = linear.lasso_lars_cv(more, Y, FOLD)
    assert_array_equal(result.fit.coef[P], np.zeros(T))
    merged = result.fit.coef[:P].at[0].add(result.fit.coef[P + 1])
    assert_allclose(merged, plain.fit.coef, rtol=1e-2, atol=2e-3)
    wide = rng.standard_normal((30, 70)).astype(dtype)
    Y = wide[:, :1] * 3 - wide[:, 4:5]
    result = linear.lasso_lars_cv(wide, Y, np.arange(30) % 3)
    assert_array_equal(np.argsort(-np.abs(result.fit.coef[:, 0]))[:2], [0, 4])


def test_missing_samples_and_blocks(data, tol):
    X, Y = data
    whole = linear.lasso_lars_cv(X, Y, FOLD, max_iter=3)
    parts = linear.lasso_lars_cv(X, Y, FOLD, max_iter=3, batch_size=4)
    assert_allclose(parts.fit.coef, whole.fit.coef, **tol)
    Y = Y.copy()
    Y[0, 1] = np.nan
    holes = linear.lasso_lars_cv(X, Y, FOLD, max_iter=3)
    assert_array_equal(np.isnan(holes.fit.coef).any(0), np.arange(T) == 1)
    assert_array_equal(holes.converged, np.arange(T) != 1)


def test_refuses_bad_options(data):
    with pytest.raises(ValueError, match="max_iter is 0 but must be a whole number"):
        linear.lasso_lars_cv(*data, FOLD, max_iter=0)
    with pytest.raises(ValueError, match=r"fold_id has shape \(2,\)"):
        linear.lasso_lars_cv(*data, FOLD[:2])


@pytest.mark.slow
def test_recovers_the_fields_of_voxels():
    """Sparse fields lie where those of the simulation do, to a third of a pixel."""
    key = jax.random.key(3)
    pixels, bold = simulate.pixel_voxels(key, n_samples=2000, n_targets=80)
    planted = np.asarray(simulate.pixel_fields(key, n_targets=80))
    result = linear.lasso_lars_cv(pixels, bold, np.arange(2000) % 5, max_iter=10)
    found = np.asarray(result.fit.coef)
    clear = np.corrcoef(np.asarray(pixels) @ planted, bold, rowvar=False)
    clear = np.diag(clear[:80, 80:]) > 0.4
    assert clear.sum() > 40
    place = np.indices((10, 10)).reshape(2, -1)
    centers = [
        place @ np.abs(field) / np.abs(field).sum(0)
        for field in (found[:, clear], planted[:, clear])
    ]
    distance = np.sqrt(((centers[0] - centers[1]) ** 2).sum(0))
    assert np.median(distance) < 1 / 3
    peak = np.abs(found[:, clear]).argmax(0), np.arange(clear.sum())
    assert (np.sign(found[:, clear][peak]) == np.sign(planted[:, clear][peak])).all()
