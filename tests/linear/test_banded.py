import sys

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import Lags, linear
from jaxneuro.linear import _rows

ALPHAS = np.array([1.0, 10.0, 100.0])
GAMMAS = np.array([[0.5, 0.5], [0.9, 0.1], [0.2, 0.8], [1.0, 0.0]])
BANDS = np.array([0, 0, 1, 0, 1, 1])
FOLD = np.arange(60) % 3


@pytest.fixture
def data(rng, dtype):
    X = (rng.standard_normal((60, 6)) + 1).astype(dtype)
    W = rng.standard_normal((6, 3)) * np.where(BANDS == 0, 1.0, 0.1)[:, None]
    W[:, 2] = W[::-1, 2]
    return X, (X @ W + rng.standard_normal((60, 3)) + 4).astype(dtype)


def ridge(X, Y, penalty):
    X, Y = X.astype(float), Y.astype(float)
    x0, y0 = X.mean(0), Y.mean(0)
    gram = (X - x0).T @ (X - x0) + np.diag(penalty)
    coef = np.linalg.solve(gram, (X - x0).T @ (Y - y0))
    return coef, y0 - x0 @ coef


def explicit_scores(X, Y, gamma):
    """Mean held-out R2 of each alpha (n_alphas, n_targets)."""
    found = []
    for alpha in ALPHAS:
        penalty = alpha / np.maximum(gamma, 1e-12)[BANDS]
        each = []
        for fold in range(3):
            test = fold == FOLD
            coef, constant = ridge(X[~test], Y[~test], penalty)
            y, p = Y[test].astype(float), X[test] @ coef + constant
            each.append(1 - ((y - p) ** 2).sum(0) / ((y - y.mean(0)) ** 2).sum(0))
        found.append(np.mean(each, 0))
    return np.array(found)


@pytest.mark.parametrize("small", [256, 1])
def test_scores_and_choice_equal_explicit_penalties(data, tol, monkeypatch, small):
    X, Y = data
    monkeypatch.setattr(_rows, "SMALL", small)  # folds above this are apart
    result = linear.banded_ridge_cv(X, Y, BANDS, ALPHAS, FOLD, gammas=GAMMAS)
    expected = np.array([explicit_scores(X, Y, gamma) for gamma in GAMMAS])
    loose = {"rtol": 20 * tol["rtol"], "atol": 5 * tol["atol"]}
    assert_allclose(result.scores[0], expected.max(1), **loose)
    for target in range(3):
        at = np.unravel_index(expected[..., target].argmax(), expected.shape[:2])
        with np.errstate(divide="ignore"):
            penalty = ALPHAS[at[1]] / GAMMAS[at[0]]
        assert_allclose(result.fit.alpha[:, target], penalty, rtol=1e-5)
        coef, constant = ridge(X, Y, np.minimum(penalty, 1e12)[BANDS])
        assert_allclose(result.fit.coef[:, target], coef[:, target], **loose)
        assert_allclose(result.fit.intercept[target], constant[target], **loose)


@pytest.mark.parametrize("n_kept", [0, 2])
def test_blocks_that_are_kept_or_not(data, tol, monkeypatch, n_kept):
    X, Y = data
    whole = linear.banded_ridge_cv(X, Y, BANDS, ALPHAS, FOLD, gammas=GAMMAS)
    # Of a target: samples, products, mean and squares by fold, and its mean.
    each = X.dtype.itemsize * (60 + 3 * 6 + 2 * 3 + 1)
    module = sys.modules["jaxneuro.linear._banded"]
    monkeypatch.setattr(module, "_KEPT", n_kept * each)
    made, center = [], module.center_block
    monkeypatch.setattr(
        module, "center_block", lambda *args: made.append(1) or center(*args)
    )
    parts = linear.banded_ridge_cv(
        X, Y, BANDS, ALPHAS, FOLD, gammas=GAMMAS, batch_size=1
    )
    assert len(made) == n_kept + len(GAMMAS) * (3 - n_kept)
    assert_allclose(parts.scores, whole.scores, **tol)
    assert_allclose(parts.fit.coef, whole.fit.coef, **tol)


def test_order_missing_samples_and_idle_features(data, tol):
    """None of them changes what the other targets and features get."""
    X, Y = data
    plain = linear.banded_ridge_cv(X, Y, BANDS, ALPHAS, FOLD, gammas=GAMMAS)
    Y = Y.copy()
    Y[7, 1] = np.nan
    X = np.concatenate([X, np.full_like(X[:, :1], 3)], axis=1)
    result = linear.banded_ridge_cv(
        X, Y, np.append(BANDS, 1), ALPHAS[::-1], FOLD, gammas=GAMMAS
    )
    assert np.asarray(result.converged).tolist() == [True, False, True]
    assert np.isnan(result.fit.coef[:, 1]).all()
    keep = [0, 2]
    assert_allclose(result.fit.alpha[:, keep], plain.fit.alpha[:, keep], rtol=1e-6)
    assert_allclose(result.fit.coef[:6, keep], plain.fit.coef[:, keep], **tol)
    assert_allclose(result.fit.coef[6, keep], 0, atol=1e-5)


def test_shared_weights_keep_an_alpha_each(data):
    X, Y = data
    options = {"gammas": GAMMAS, "shared": True}
    result = linear.banded_ridge_cv(X, Y, BANDS, ALPHAS, FOLD, **options)
    ratio = np.asarray(result.fit.alpha[1] / result.fit.alpha[0])
    assert (ratio == ratio[0]).all()
    best = np.asarray(result.scores)[0].mean(1).argmax()
    with np.errstate(divide="ignore"):
        assert_allclose(ratio[0], GAMMAS[best, 0] / GAMMAS[best, 1], rtol=1e-5)


def test_screening_by_gcv_finds_as_good_weights(data):
    X, Y = data
    options = {"key": jax.random.key(0), "n_iter": 24}
    slow = linear.banded_ridge_cv(X, Y, BANDS, ALPHAS, FOLD, **options)
    fast = linear.banded_ridge_cv(X, Y, BANDS, ALPHAS, FOLD, search="gcv", **options)
    assert slow.scores.shape == (1, 24, 3)
    assert fast.scores.shape == (1, 16, 3)
    best = [np.asarray(r.scores)[0].max(0).mean() for r in (slow, fast)]
    assert best[1] > best[0] - 0.01
    assert_allclose(np.asarray(slow.alphas).sum(1), 1, rtol=1e-5)


def test_screening_through_the_kernel(data, tol):
    """Predictors of zero change nothing but the way; the folds are unequal."""
    X, Y = data
    fold_id = np.maximum(np.arange(60) % 4 - 1, 0)
    options = {"key": jax.random.key(0), "n_iter": 12, "search": "gcv"}
    narrow = linear.banded_ridge_cv(X, Y, BANDS, ALPHAS, fold_id, **options)
    wide = np.concatenate([X, np.zeros((60, 54), X.dtype)], axis=1)
    bands = np.resize(BANDS, 60)
    found = linear.banded_ridge_cv(wide, Y, bands, ALPHAS, fold_id, **options)
    loose = {"rtol": 20 * tol["rtol"], "atol": 5 * tol["atol"]}
    assert_allclose(found.scores, narrow.scores, **loose)
    assert_allclose(found.fit.coef[:6], narrow.fit.coef, **loose)
    assert_allclose(found.fit.intercept, narrow.fit.intercept, **loose)


def test_wide_bands_go_through_the_kernel(rng, dtype, tol):
    X = rng.standard_normal((20, 31)).astype(dtype)
    Y = (X[:, :2] + 0.1 * rng.standard_normal((20, 2))).astype(dtype)
    bands, fold_id = np.arange(31) % 2, np.arange(20) % 2
    result = linear.banded_ridge_cv(X, Y, bands, [3.0], fold_id, gammas=[[0.7, 0.3]])
    coef, _ = ridge(X, Y, 3 / np.array([0.7, 0.3])[bands])
    assert_allclose(result.fit.coef, coef, **tol)


def test_split_scores_sum_to_the_joint_score(data):
    X, Y = data
    fit = linear.ridge(X[:40], Y[:40], 5.0)
    split = linear.split_scores(fit, X[40:], Y[40:], BANDS)
    y, p = Y[40:].astype(float), np.asarray(linear.predict(fit, X[40:]), float)
    joint = 1 - ((y - p) ** 2).sum(0) / ((y - y.mean(0)) ** 2).sum(0)
    assert split.shape == (2, 3)
    assert_allclose(np.asarray(split).sum(0), joint, rtol=1e-4, atol=1e-5)


def test_variance_partition_sums_to_the_full_model(data):
    X, Y = data
    part = linear.variance_partition(X, Y, BANDS, ALPHAS, FOLD)
    assert part.subsets == ((0,), (1,), (0, 1))
    full = linear.ridge_cv(X, Y, ALPHAS, FOLD)
    assert_allclose(part.r2[2], np.asarray(full.scores)[0].max(0), atol=1e-5)
    assert_allclose(np.asarray(part.common).sum(0), part.r2[2], atol=1e-5)
    assert_allclose(part.unique[0], part.r2[2] - part.r2[1], atol=1e-6)


def test_bands_have_delays_of_their_own():
    x = np.arange(1.0, 13).reshape(6, 2)
    run_id = np.array([0, 0, 0, 1, 1, 1])
    wide, band = linear.delay_bands(
        x, [0, 1], [Lags(0, 1, 1), Lags(2, 2, 1)], run_id=run_id
    )
    expected = [[1, 0, 0], [3, 1, 0], [5, 3, 2], [7, 0, 0], [9, 7, 0], [11, 9, 8]]
    assert_allclose(wide, expected)
    assert band.tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alphas": [0.0, 1.0]}, "alphas holds 0 but penalties of bands must be"),
        ({"bands": [0, 1]}, r"bands has shape \(2,\) but must be \(6,\)"),
        ({"bands": BANDS * 9}, r"bands holds \[0, 9\] but must hold the numbers 0, 1"),
        ({"bands": np.arange(1, 7)}, "bands holds .* of bands that have a feature"),
        ({"fold_id": np.arange(60)}, "fold_id holds 60 folds of one sample, whose r2"),
        ({"gammas": [[1.0, 2.0, 3.0]]}, r"gammas has shape \(1, 3\) but must be"),
        ({"gammas": [[1.0, -2.0]]}, "gammas must be finite and not negative"),
        ({"gammas": [[0.0, 0.0]]}, "gammas has a row of zeros"),
        ({"gammas": None}, "key is None but a search draws weights"),
        (
            {"gammas": None, "key": jax.random.key(0), "n_iter": 0},
            "n_iter is 0 but must be 1 or more",
        ),
        ({"fold_id": "gcv"}, "fold_id is 'gcv' but must number the fold"),
        ({"search": "newton"}, "search is 'newton' but must be one of 'random', 'gcv'"),
        ({"metric": "auc"}, "metric is 'auc'"),
    ],
)
def test_bad_input(data, change, message):
    given = {"bands": BANDS, "alphas": ALPHAS, "fold_id": FOLD, "gammas": GAMMAS}
    given |= change
    with pytest.raises(ValueError, match=message):
        linear.banded_ridge_cv(*data, **given)
    with pytest.raises(ValueError, match="lags holds 1 windows but bands has 2 bands"):
        linear.delay_bands(data[0], BANDS, [Lags(0, 1, 1)])
