import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import trf
from jaxneuro.signal import Lags


def flat(coef):
    return np.asarray(coef).reshape(-1, coef.shape[-1])


def test_patterns_of_many_outputs(rec, tol):
    fit = trf.fit(rec.X, rec.Y, rec.lags, 5.0, trial_id=rec.trial_id)
    weights, D = flat(fit.coef).astype(float), rec.D - rec.D.mean(0)
    shared = D.T @ (D @ weights)
    joint = shared @ np.linalg.inv(weights.T @ shared)
    got = trf.patterns(fit, rec.X, trial_id=rec.trial_id)
    assert got.shape == fit.coef.shape
    assert_allclose(flat(got), joint, **tol)
    alone = shared / np.diag(weights.T @ shared)
    got = trf.patterns(fit, rec.X, trial_id=rec.trial_id, joint=False)
    assert_allclose(flat(got), alone, **tol)


def test_permutation_of_nothing_is_the_score(rec):
    alpha = np.array([5.0, 700.0])
    test = trf.permutation_test(
        rec.X,
        rec.Y,
        rec.lags,
        alpha,
        rec.trial_id,
        key=jax.random.key(0),
        n_permutations=150,
        trial_id=rec.trial_id,
    )
    expected = []
    for fold in range(4):
        rows = rec.trial_id == fold
        each = []
        for target in range(2):
            coef, intercept = rec.ridge(alpha[target], ~rows)
            p = (rec.D[rows] @ coef + intercept)[:, target]
            each.append(np.corrcoef(p, rec.Y[rows, target])[0, 1])
        expected.append(each)
    assert_allclose(test.scores, np.mean(expected, 0), atol=1e-4)
    assert test.null.shape == (150, 2)
    # The planted relation is strong, the null is centred at zero.
    assert_allclose(test.p_value, 1 / 151, rtol=1e-5)
    assert_allclose(test.p_corrected, 1 / 151, rtol=1e-5)
    assert abs(np.mean(test.null)) < 4 * np.std(test.null) / np.sqrt(150) + 0.02


def test_permutation_p_values_are_uniform_without_a_relation(rng, dtype):
    n, lags = 800, Lags(0, 3, 1)
    X = rng.standard_normal((n, 1)).astype(dtype)
    Y = rng.standard_normal((n, 64)).astype(dtype)
    fold_id = np.arange(n) * 4 // n
    test = trf.permutation_test(
        X, Y, lags, 1.0, fold_id, key=jax.random.key(1), n_permutations=99
    )
    p = np.asarray(test.p_value)
    # Binomial bounds at 64 targets.
    assert 16 < (p <= 0.5).sum() < 48
    assert (p <= 0.05).sum() < 12
    assert (np.asarray(test.p_corrected) >= p - 1e-6).all()


def test_permutation_keeps_its_key(rec):
    def run(seed):
        return trf.permutation_test(
            rec.X,
            rec.Y,
            rec.lags,
            5.0,
            rec.trial_id,
            key=jax.random.key(seed),
            n_permutations=3,
            trial_id=rec.trial_id,
        ).null

    assert_allclose(run(3), run(3), rtol=0)
    assert not np.allclose(run(3), run(4))


def test_jackknife_equals_refits(rec, tol):
    result = trf.jackknife(rec.X, rec.Y, rec.lags, 5.0, rec.trial_id)
    refits = np.stack([rec.ridge(5.0, rec.trial_id != k)[0] for k in range(4)])
    got = np.asarray(result.members).reshape(refits.shape)
    assert_allclose(got, refits, **tol)
    assert_allclose(flat(result.coef), refits.mean(0), **tol)
    error = np.sqrt(3 / 4 * ((refits - refits.mean(0)) ** 2).sum(0))
    assert_allclose(flat(result.standard_error), error, rtol=1e-2, atol=tol["atol"])


def test_single_lag_equals_separate_models(rec):
    alphas = [1.0, 100.0]
    got = trf.single_lag(
        rec.X, rec.Y, rec.lags, alphas, rec.trial_id, trial_id=rec.trial_id
    )
    assert got.shape == (8, 2)
    for lag in range(8):
        D = rec.D.reshape(len(rec.D), 8, 3)[:, lag]
        scores = []
        for fold in range(4):
            rows, row = rec.trial_id != fold, []
            for alpha in alphas:
                Dc, Yc = D[rows] - D[rows].mean(0), rec.Y[rows] - rec.Y[rows].mean(0)
                coef = np.linalg.solve(Dc.T @ Dc + alpha * np.eye(3), Dc.T @ Yc)
                p = (D[~rows] - D[rows].mean(0)) @ coef + rec.Y[rows].mean(0)
                y = rec.Y[~rows]
                row.append(1 - ((y - p) ** 2).sum(0) / ((y - y.mean(0)) ** 2).sum(0))
            scores.append(row)
        assert_allclose(got[lag], np.mean(scores, 0).max(0), atol=1e-4)


def test_variance_partition_sums_and_finds_planted_bands(rng, dtype):
    n, lags = 2000, Lags(0, 2, 1)
    shared = rng.standard_normal(n)
    X = np.stack([shared, shared, rng.standard_normal(n)], 1)
    X[:, :2] += 0.1 * rng.standard_normal((n, 2))
    Y = np.stack([X[:, 2], shared], 1) + 0.5 * rng.standard_normal((n, 2))
    part = trf.variance_partition(
        X.astype(dtype),
        Y.astype(dtype),
        lags,
        [1.0, 100.0],
        np.arange(n) * 5 // n,
        bands=[0, 1, 2],
    )
    assert part.subsets == ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2))
    assert_allclose(part.common.sum(0), part.r2[-1], atol=1e-5)
    assert_allclose(part.unique[0], part.r2[-1] - part.r2[5], atol=1e-6)
    assert part.unique[2, 0] > 0.7  # only band 2 drives target 0
    assert part.common[3, 1] > 0.7  # bands 0 and 1 share what drives target 1
    assert abs(part.unique[2, 1]) < 0.02


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda r: trf.permutation_test(
                r.X, r.Y, r.lags, 1.0, r.trial_id, key=None, n_permutations=0
            ),
            "n_permutations is 0 but must be at least 1",
        ),
        (
            lambda r: trf.jackknife(r.X, r.Y, r.lags, 1.0, 0 * r.trial_id),
            "group_id holds 1 group",
        ),
        (
            lambda r: trf.variance_partition(
                r.X, r.Y, r.lags, [1.0], r.trial_id, bands=[0]
            ),
            r"bands has shape \(1,\)",
        ),
        (
            lambda r: trf.single_lag(r.X, r.Y, r.lags, [1.0], r.trial_id, metric="auc"),
            "metric is 'auc'",
        ),
        (
            lambda r: trf.patterns(trf.fit(r.X, r.Y, r.lags, 1.0), r.Y),
            "X has 2 features but the model was fitted with 3",
        ),
    ],
)
def test_bad_input(rec, call, message):
    with pytest.raises(ValueError, match=message):
        call(rec)
