import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import linear
from jaxneuro.linear import _factor, _mix, _rows, _score

ALPHAS = np.array([300.0, 0.5, 20.0, 4.0])


class Problem:
    """Predictors and targets with offsets, uneven folds, and the plain formulas."""

    def __init__(self, rng, dtype, n, p, t):
        self.X = (rng.standard_normal((n, p)) + rng.standard_normal(p)).astype(dtype)
        W = rng.standard_normal((p, t)) / np.sqrt(p)
        noise = rng.standard_normal((n, t)) * np.linspace(0.5, 3, t)
        self.Y = (self.X @ W + noise + 2.0).astype(dtype)
        self.fold_id = rng.permutation(np.arange(n) % 7 % 4)
        self.weight = rng.uniform(0.2, 2, n).astype(dtype)

    def ridge(self, alpha, rows=slice(None), *, intercept=True, weight=None):
        X, Y = self.X[rows].astype(float), self.Y[rows].astype(float)
        w = np.ones(len(X)) if weight is None else weight[rows].astype(float)
        x0 = (w @ X / w.sum()) * intercept
        y0 = (w @ Y / w.sum()) * intercept
        X, Y = X - x0, Y - y0
        gram = (w[:, None] * X).T @ X + alpha * np.eye(X.shape[1])
        coef = np.linalg.solve(gram, (w[:, None] * X).T @ Y)
        return coef, y0 - x0 @ coef

    def predictions(self, alpha, fold, **options):
        train = self.fold_id != fold
        coef, constant = self.ridge(alpha, train, **options)
        return self.X[~train] @ coef + constant


def r2(y, p, w):
    mean = w @ y / w.sum()
    return 1 - (w @ (y - p) ** 2) / (w @ (y - mean) ** 2)


def correlation(y, p, w):
    y, p = y - w @ y / w.sum(), p - w @ p / w.sum()
    return (w @ (y * p)) / np.sqrt((w @ y**2) * (w @ p**2))


def mse(y, p, w):
    return -(w @ (y - p) ** 2) / w.sum()


METRICS = {"r2": r2, "correlation": correlation, "mse": mse}


# Explicit weights, no intercept and each metric, without their every combination.
SETTINGS = {
    "r2": {"metric": "r2"},
    "weighted correlation": {"metric": "correlation", "weighted": True},
    "correlation, no intercept": {"metric": "correlation", "fit_intercept": False},
    "weighted mse, no intercept": {
        "metric": "mse",
        "weighted": True,
        "fit_intercept": False,
    },
}
CASES = [
    *((size, "r2") for size in ("tall", "rows", "wide")),
    *((size, "weighted correlation") for size in ("tall", "wide")),
    ("rows", "correlation, no intercept"),
    ("wide", "weighted mse, no intercept"),
]
SIZES = {"tall": (90, 7, 3), "rows": (60, 24, 3), "wide": (40, 53, 3)}


@pytest.mark.parametrize(("size", "setting"), CASES)
def test_scores_equal_explicit_folds(rng, dtype, tol, size, setting):
    problem = Problem(rng, dtype, *SIZES[size])
    options = dict(SETTINGS[setting])
    weighted = options.pop("weighted", False)
    weight = problem.weight if weighted else np.ones_like(problem.weight)
    metric, intercept = options["metric"], options.get("fit_intercept", True)
    result = linear.ridge_cv(
        problem.X,
        problem.Y,
        ALPHAS,
        problem.fold_id,
        sample_weight=weight if weighted else None,
        keep_scores=True,
        **options,
    )
    plain = {"intercept": intercept, "weight": weight}
    assert result.scores.shape == (4, 4, 3)
    for fold in range(4):
        test = problem.fold_id == fold
        for a, alpha in enumerate(ALPHAS):
            p = problem.predictions(alpha, fold, **plain)
            expected = METRICS[metric](problem.Y[test].astype(float), p, weight[test])
            got = result.scores[fold, a]
            assert_allclose(got, expected, rtol=20 * tol["rtol"], atol=tol["atol"])
    best = ALPHAS[np.asarray(result.scores).mean(0).argmax(0)]
    assert_allclose(result.fit.alpha, best, rtol=1e-6)
    for target in range(3):
        coef, constant = problem.ridge(best[target], **plain)
        assert_allclose(result.fit.coef[:, target], coef[:, target], **tol)
        assert_allclose(result.fit.intercept[target], constant[target], **tol)


@pytest.mark.parametrize("size", list(SIZES))
def test_one_alpha_needs_no_eigenvalues(rng, dtype, tol, size):
    problem = Problem(rng, dtype, *SIZES[size])
    result = linear.ridge_cv(
        problem.X, problem.Y, [7.0], problem.fold_id, keep_scores=True
    )
    for fold in range(4):
        y = problem.Y[problem.fold_id == fold].astype(float)
        expected = r2(y, problem.predictions(7.0, fold), np.ones(len(y)))
        assert_allclose(result.scores[fold, 0], expected, **tol)
    assert_allclose(result.fit.coef, problem.ridge(7.0)[0], **tol)
    assert_allclose(result.fit.intercept, problem.ridge(7.0)[1], **tol)


@pytest.mark.parametrize("metric", list(METRICS))
@pytest.mark.parametrize("size", ["tall", "wide"])
def test_leaving_one_out_equals_refits(rng, dtype, tol, metric, size):
    problem = Problem(rng, dtype, *SIZES[size])
    n = len(problem.X)
    weight = problem.weight if metric == "mse" else np.ones(n, dtype)
    result = linear.ridge_cv(
        problem.X, problem.Y, ALPHAS, "loo", metric=metric, sample_weight=weight
    )
    problem.fold_id = np.arange(n)
    Y = problem.Y.astype(float)
    means = (weight @ Y - weight[:, None] * Y) / (weight.sum() - weight)[:, None]
    for a, alpha in enumerate(ALPHAS):
        p = [problem.predictions(alpha, i, weight=weight) for i in range(n)]
        p = np.concatenate(p)
        expected = METRICS[metric](Y, p, weight)
        if metric == "r2":
            expected = 1 - ((Y - p) ** 2).sum(0) / ((Y - means) ** 2).sum(0)
        assert_allclose(result.scores[0, a], expected, rtol=1e-3, atol=tol["atol"] * 9)
    best = ALPHAS[np.asarray(result.scores)[0].argmax(0)]
    assert_allclose(result.fit.alpha, best, rtol=1e-6)
    coef = problem.ridge(best[1], weight=weight)[0][:, 1]
    assert_allclose(result.fit.coef[:, 1], coef, **tol)


@pytest.mark.parametrize("size", ["tall", "wide"])
def test_gcv_equals_its_formula(rng, dtype, tol, size):
    problem = Problem(rng, dtype, *SIZES[size])
    result = linear.ridge_cv(problem.X, problem.Y, ALPHAS, "gcv")
    X, Y = (a.astype(float) - a.mean(0) for a in (problem.X, problem.Y))
    n, p = X.shape
    for a, alpha in enumerate(ALPHAS):
        hat = X @ np.linalg.solve(X.T @ X + alpha * np.eye(p), X.T)
        gcv = ((Y - hat @ Y) ** 2).sum(0) / (1 - (np.trace(hat) + 1) / n) ** 2
        null = (Y**2).sum(0) / (1 - 1 / n) ** 2
        expected = 1 - gcv / null
        assert_allclose(result.scores[0, a], expected, rtol=1e-3, atol=tol["atol"] * 20)


@pytest.mark.parametrize("metric", ["r2", "correlation"])
def test_many_penalties_share_products(rng, dtype, metric, monkeypatch):
    """The mixture of few products gives the scores that each penalty has alone."""
    problem = Problem(rng, dtype, 300, 110, 40)
    alphas = rng.permutation(np.logspace(0, 6, 30))
    # Even so small a mixture pays, in three stretches of held-out rows.
    monkeypatch.setattr(_mix, "_STACKED", _mix._Costs(60, 0, 0, 0))

    def scores():
        folds = np.arange(300) % 2
        result = linear.ridge_cv(problem.X, problem.Y, alphas, folds, metric=metric)
        return np.asarray(result.scores)

    mixed, found = scores(), []
    module = sys.modules["jaxneuro.linear._ridge_cv"]
    monkeypatch.setattr(module, "mix", lambda *_, **__: found.append(1))
    plain = scores()
    assert found
    assert not (mixed == plain).all()
    atol = 3e-6 if dtype == np.float32 else 1e-11
    assert_allclose(mixed, plain, rtol=atol, atol=atol)


@pytest.mark.parametrize(
    ("size", "metric", "few"),
    [
        ("rows", "r2", 10),
        ("tall", "correlation", 10),
        ("wide", "mse", 10),
        ("rows", "correlation", 2),
    ],
)
def test_large_folds_one_by_one(rng, dtype, tol, monkeypatch, size, metric, few):
    problem = Problem(rng, dtype, *SIZES[size])
    data = problem.X, problem.Y
    alphas = np.logspace(0, 2, 30)  # enough for a mixture
    options = {"fold_id": problem.fold_id, "metric": metric, "keep_scores": True}
    together = linear.ridge_cv(*data, alphas, **options)
    jax.clear_caches()
    monkeypatch.setattr(_rows, "SMALL", 1)
    monkeypatch.setattr(_score, "SMALL", 1)
    monkeypatch.setattr(_rows, "_FEW", few)
    found = linear.ridge_cv(*data, alphas, **options)
    assert_allclose(found.scores, together.scores, **tol)
    assert_allclose(found.fit.coef, together.fit.coef, **tol)


@pytest.mark.slow
def test_mixture_is_cheaper_and_bounded():
    rng = np.random.default_rng(4)
    rows = _rows.arrange(
        rng.standard_normal((480, 400)) * np.arange(1, 401) ** -0.7,
        np.arange(480) % 2,
        fit_intercept=True,
        sample_weight=None,
        scale=False,
        dtype=np.dtype(np.float32),
    )
    alphas = np.logspace(0, 5, 30)
    options = _rows.Options("r2", True, False, True)
    strengths = jnp.asarray(alphas, jnp.float32)
    products = _factor.products_of(rows, options)
    factor = _factor.fold_factor(rows, products, strengths, options, inverse=False)
    mixture = _mix.mix(factor, alphas, dual=False, relative=False)
    assert mixture is not None
    n_test = factor[0].test.shape[0]
    assert len(mixture[0].maps) == n_test // _mix._APART.rows
    work = sum(run.size for runs in mixture[0].maps for run in runs)
    assert work < 0.7 * 30 * n_test * 400
    # The largest error of a prediction of a target of unit norm, any target.
    height = n_test // len(mixture[0].maps)
    for part, mixed in zip(factor, mixture, strict=True):
        test, gain = np.asarray(part.test, float), np.asarray(part.gain, float)
        for a, alpha in enumerate(alphas):
            weights = np.asarray(mixed.weights[a], float)
            rows = []
            for runs in mixed.maps:
                got, used = [], 0
                for run in runs:
                    for segment in np.asarray(run, float):
                        maps = segment.reshape(-1, height, segment.shape[1])
                        got.append(np.tensordot(weights[used:][: len(maps)], maps, 1))
                        used += len(maps)
                rows.append(np.concatenate(got, axis=1))
            error = np.concatenate(rows) - test / (gain + alpha)
            worst = np.linalg.norm(error * np.sqrt(gain), 2)
            assert worst < 1.5 * 256 * np.finfo(np.float32).eps


def test_groups_share_alpha(rng, dtype, tol):
    problem = Problem(rng, dtype, *SIZES["tall"])
    options = {"alpha_groups": [5, 1, 5], "batch_size": 2}
    result = linear.ridge_cv(problem.X, problem.Y, ALPHAS, problem.fold_id, **options)
    single = linear.ridge_cv(problem.X, problem.Y, ALPHAS, problem.fold_id)
    mean = np.asarray(single.scores)[0]
    best = ALPHAS[mean[:, [0, 2]].mean(1).argmax()]
    assert_allclose(result.fit.alpha, [best, single.fit.alpha[1], best], rtol=1e-6)
    coef = problem.ridge(best)[0]
    assert_allclose(result.fit.coef[:, [0, 2]], coef[:, [0, 2]], **tol)


def test_blocks_of_targets_change_nothing(rng, dtype, tol, tmp_path):
    problem = Problem(rng, dtype, 90, 7, 11)
    whole = linear.ridge_cv(problem.X, problem.Y, ALPHAS, problem.fold_id)
    path = tmp_path / "targets.npy"
    np.save(path, problem.Y)
    out = np.lib.format.open_memmap(
        tmp_path / "coef.npy", "w+", dtype=dtype, shape=(7, 11)
    )
    for Y, options in (
        (np.load(path, mmap_mode="r"), {"out": out}),
        (jnp.asarray(problem.Y), {}),
        (problem.Y.tolist(), {}),
    ):
        parts = linear.ridge_cv(
            problem.X, Y, ALPHAS, problem.fold_id, batch_size=2, **options
        )
        assert_allclose(parts.fit.coef, whole.fit.coef, **tol)
        assert_allclose(parts.fit.intercept, whole.fit.intercept, **tol)
        assert_allclose(parts.scores, whole.scores, **tol)
    assert parts.fit is not None
    assert_allclose(np.load(tmp_path / "coef.npy"), whole.fit.coef, **tol)


def test_targets_with_missing_or_constant_values(rng, dtype, tol):
    problem = Problem(rng, dtype, *SIZES["rows"])
    Y = problem.Y.copy()
    Y[7, 0], Y[:, 2] = np.nan, 3.0
    result = linear.ridge_cv(problem.X, Y, ALPHAS, problem.fold_id)
    assert np.asarray(result.converged).tolist() == [False, True, False]
    assert np.isnan(result.fit.coef[:, 0]).all()
    assert np.isnan(result.scores[..., [0, 2]]).all()
    assert_allclose(result.fit.coef[:, 2], 0, atol=1e-5)
    assert_allclose(result.fit.intercept[2], 3, rtol=1e-5)
    sound = linear.ridge_cv(problem.X, problem.Y, ALPHAS, problem.fold_id)
    assert_allclose(result.fit.coef[:, 1], sound.fit.coef[:, 1], **tol)


@pytest.mark.parametrize("scheme", ["folds", "gcv"])
def test_twin_and_constant_features_without_penalty(rng, dtype, scheme):
    """Least norm: twins share their weight and a constant has none."""
    X = rng.standard_normal((60, 5)).astype(dtype)
    Y = X @ rng.standard_normal((5, 3)).astype(dtype) + 2
    Y += dtype(0.1) * rng.standard_normal((60, 3)).astype(dtype)
    wide = np.concatenate([X, X[:, :1], np.full((60, 1), 7, dtype)], axis=1)
    folds = np.arange(60) % 4 if scheme == "folds" else scheme
    result = linear.ridge_cv(wide, Y, [1e4, 0.0], folds)
    assert_allclose(result.fit.alpha, 0.0)
    A = np.concatenate([X, np.ones((60, 1))], axis=1).astype(float)
    coef = np.linalg.lstsq(A, Y.astype(float), rcond=None)[0]
    got = np.asarray(result.fit.coef)
    assert_allclose(got[0], coef[0] / 2, rtol=1e-3, atol=1e-4)
    assert_allclose(got[5], got[0], rtol=1e-3, atol=1e-4)
    assert_allclose(got[1:5], coef[1:5], rtol=1e-3, atol=1e-4)
    assert_allclose(got[6], 0, atol=1e-4)
    assert_allclose(result.fit.intercept, coef[5], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("scheme", ["folds", "gcv", "loo"])
def test_large_offsets_do_not_cost_digits(rng, scheme):
    problem = Problem(rng, np.float32, *SIZES["tall"])
    folds = problem.fold_id if scheme == "folds" else scheme
    options = {"alphas": ALPHAS, "fold_id": folds}
    near = linear.ridge_cv(problem.X, problem.Y, **options)
    far = linear.ridge_cv(problem.X, np.float32(512) + problem.Y, **options)
    assert_allclose(far.scores, near.scores, atol=3e-4)
    assert_allclose(far.fit.coef, near.fit.coef, atol=3e-4)


def test_jits_and_keeps_dtype(rng, dtype):
    problem = Problem(rng, dtype, *SIZES["rows"])

    def run(X, Y):
        return linear.ridge_cv(X, Y, ALPHAS, problem.fold_id).fit.coef

    inside = jax.jit(run)(problem.X, problem.Y)
    assert inside.dtype == dtype
    assert_allclose(inside, run(problem.X, problem.Y), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alphas": []}, r"alphas has shape \(0,\) but must be a non-empty list"),
        ({"alphas": [1.0, -1.0]}, "alphas holds -1 but penalties must be finite"),
        ({"metric": "auc"}, "metric is 'auc' but must be one of 'r2'"),
        ({"method": "svd"}, "method is 'svd' but must be one of 'auto', 'primal'"),
        ({"fold_id": "kfold"}, "fold_id is 'kfold' but must be one of 'gcv', 'loo'"),
        ({"fold_id": [0, 1]}, r"fold_id has shape \(2,\) but must be \(60,\)"),
        ({"fold_id": np.zeros(60, int)}, r"fold_id holds the folds \[0\]"),
        (
            {"fold_id": np.minimum(np.arange(60), 2)},
            "fold_id holds 2 folds of one sample, whose r2 is not defined",
        ),
        (
            {"fold_id": "gcv", "metric": "correlation"},
            "metric is 'correlation' but fold_id 'gcv' estimates squared errors",
        ),
        ({"alpha_groups": [1]}, "alpha_groups has 1 targets but Y has 3"),
        ({"X": np.full((60, 24), np.inf)}, "X has 1440 NaN or infinite values"),
        ({"sample_weight": np.ones(3)}, "sample_weight has 3 samples but X has 60"),
        ({"Y": np.ones((59, 3))}, "Y has 59 samples but X has 60"),
        ({"Y": np.ones(60)}, r"Y has shape \(60,\) but must be two-dimensional"),
        ({"X": np.full((60, 2), "a")}, "X has dtype <U1 but must hold real numbers"),
        ({"out": np.ones((2, 2))}, r"out has shape \(2, 2\) but must be \(24, 3\)"),
    ],
)
def test_bad_input(rng, change, message):
    problem = Problem(rng, np.float32, *SIZES["rows"])
    given = {
        "X": problem.X,
        "Y": problem.Y,
        "alphas": ALPHAS,
        "fold_id": problem.fold_id,
        **change,
    }
    with pytest.raises((ValueError, TypeError), match=message):
        linear.ridge_cv(**given)
