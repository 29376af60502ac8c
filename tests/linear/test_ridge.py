import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import linear

SIZES = {"tall": (40, 6, 3), "wide": (25, 31, 3)}


@pytest.fixture(params=list(SIZES))
def data(request, rng, dtype):
    n, p, t = SIZES[request.param]
    X = (rng.standard_normal((n, p)) + 3.0).astype(dtype)
    return X, (X[:, :t] + rng.standard_normal((n, t)) - 1).astype(dtype)


def explicit(X, Y, alpha, weight=None, scale=False, intercept=True):
    X, Y = X.astype(float), Y.astype(float)
    w = np.ones(len(X)) if weight is None else weight.astype(float)
    x0, y0 = (w @ X / w.sum()) * intercept, (w @ Y / w.sum()) * intercept
    spread = np.sqrt(w @ (X - w @ X / w.sum()) ** 2 / w.sum()) if scale else 1.0
    Xc = (X - x0) / spread
    root = np.sqrt(w)[:, None]
    gram = (root * Xc).T @ (root * Xc) + alpha * np.eye(X.shape[1])
    coef = np.linalg.solve(gram, (root * Xc).T @ (root * (Y - y0)))
    coef = coef / np.reshape(spread, (-1, 1))
    return coef, y0 - x0 @ coef


@pytest.mark.parametrize("method", ["auto", "primal", "dual", "svd"])
def test_equals_the_normal_equations(data, tol, method):
    X, Y = data
    fit = linear.ridge(X, Y, 5.0, method=method)
    coef, intercept = explicit(X, Y, 5.0)
    assert_allclose(fit.coef, coef, **tol)
    assert_allclose(fit.intercept, intercept, rtol=1e-3, atol=20 * tol["atol"])
    assert_allclose(fit.alpha, [5, 5, 5])
    predicted = linear.predict(fit, X)
    assert_allclose(predicted, X @ coef + intercept, rtol=1e-3, atol=1e-3)


def test_options_together(data, dtype, tol, rng):
    X, Y = data
    weight = rng.uniform(0.1, 2, len(X)).astype(dtype)
    fit = linear.ridge(X, Y, 5.0, sample_weight=weight, scale=True)
    coef, intercept = explicit(X, Y, 5.0, weight, scale=True)
    assert_allclose(fit.coef, coef, **tol)
    assert_allclose(fit.intercept, intercept, rtol=1e-3, atol=20 * tol["atol"])
    fit = linear.ridge(X, Y, 5.0, sample_weight=weight, fit_intercept=False)
    coef, _ = explicit(X, Y, 5.0, weight, intercept=False)
    assert_allclose(fit.coef, coef, **tol)
    assert (np.asarray(fit.intercept) == 0).all()


def test_alpha_per_target_and_blocks(data, tol):
    X, Y = data
    alphas = [0.5, 40.0, 3.0]
    fit = linear.ridge(X, Y, alphas, batch_size=2)
    for target, alpha in enumerate(alphas):
        expected = explicit(X, Y, alpha)[0][:, target]
        assert_allclose(fit.coef[:, target], expected, **tol)


def test_zero_penalty_has_least_norm(data, dtype):
    X, Y = data
    X = np.concatenate([X, X[:, :1], np.ones_like(X[:, :1])], axis=1)
    fit = linear.ridge(X, Y, 0.0)
    Xc, Yc = X - X.mean(0), Y - Y.mean(0)
    expected = np.linalg.pinv(Xc.astype(float), rcond=1e-6) @ Yc
    assert_allclose(fit.coef, expected, rtol=0.02, atol=2e-3)


def test_missing_samples_cost_only_their_target(data):
    X, Y = data
    whole = linear.ridge(X, Y, 5.0)
    Y = Y.copy()
    Y[3, 1] = np.nan
    fit = linear.ridge(X, Y, 5.0)
    assert np.isnan(fit.coef[:, 1]).all()
    assert_allclose(fit.coef[:, [0, 2]], whole.coef[:, [0, 2]], rtol=1e-6)


def test_singular_systems_give_nan(rng, dtype):
    X = rng.standard_normal((20, 2)).astype(dtype)
    X = np.concatenate([X, X], axis=1)
    fit = linear.ridge(X, X[:, :1], 0.0, method="primal")
    assert np.isfinite(fit.coef).all()
    assert_allclose(np.asarray(fit.coef)[:, 0], [0.5, 0, 0.5, 0], atol=1e-3)


def test_more_features_than_memory_for_their_products():
    """The kernel of samples serves 20 000 features: no square of that is formed."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 20_000), dtype=np.float32)
    fold_id = np.arange(60) % 3
    result = linear.ridge_cv(X, X[:, :2], [1.0, 1e3], fold_id)
    text = jax.jit(
        lambda x: linear.ridge_cv(x, x[:, :2], [1.0, 1e3], fold_id).fit.coef
    ).lower(X)
    assert "20000x20000" not in text.as_text()
    assert result.fit.coef.shape == (20_000, 2)


def test_prediction_keeps_dtype_and_counts_features(data, dtype):
    X, Y = data
    fit = linear.ridge(X, Y, 1.0)
    assert linear.predict(fit, X).dtype == dtype
    with pytest.raises(ValueError, match=f"X has 2 features but .* {X.shape[1]}"):
        linear.predict(fit, jnp.ones((4, 2)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alpha": [1.0, 2.0]}, r"alpha has shape \(2,\) but must be a number or"),
        ({"alpha": -1.0}, "alpha is -1.0 but must be finite and not negative"),
        ({"X": np.ones((20, 0))}, r"X has shape \(20, 0\) but must hold at least one"),
        ({"Y": np.ones((20, 0))}, r"sample and one target"),
        (
            {"X": np.ones((0, 2)), "Y": np.ones((0, 3))},
            r"X has shape \(0, 2\) but must hold at least one sample",
        ),
        ({"X": np.full((20, 2), np.nan)}, "X has 40 NaN or infinite values; remove"),
        ({"sample_weight": -np.ones(20)}, "sample_weight has 20 negative, NaN or"),
        ({"sample_weight": np.zeros(20)}, "sample_weight is zero for all samples"),
        ({"method": "lu"}, "method is 'lu' but must be one of 'auto', 'primal'"),
        ({"Y": np.ones((9, 1))}, "Y has 9 samples but X has 20"),
        ({"X": np.ones(20)}, r"X has shape \(20,\) but must be two-dimensional"),
        ({"Y": np.ones((20, 3), complex)}, "Y has dtype complex128"),
        ({"out": np.ones((3, 2))}, r"out has shape \(3, 2\) but must be \(2, 3\)"),
    ],
)
def test_bad_input(change, message):
    given = {"X": np.ones((20, 2)), "Y": np.ones((20, 3)), "alpha": 1.0, **change}
    with pytest.raises((ValueError, TypeError), match=message):
        linear.ridge(**given)
