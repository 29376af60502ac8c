"""Scores against scikit-learn and NumPy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import mean_squared_error, r2_score

from jaxneuro.core import score

FUNCTIONS = list(score.METRICS.values())


def correlation(y, p):
    return [np.corrcoef(a, b)[0, 1] for a, b in zip(y.T, p.T, strict=True)]


ORACLES = {
    "r2": lambda y, p: r2_score(y, p, multioutput="raw_values"),
    "mse": lambda y, p: mean_squared_error(y, p, multioutput="raw_values"),
    "correlation": correlation,
}


@pytest.mark.parametrize("metric", score.METRICS)
@pytest.mark.parametrize("shape", [(31, 4), (6, 9), (17, 1)])
def test_equals_oracle(rng, dtype, tol, metric, shape):
    y = rng.normal(5, 2, shape).astype(dtype)
    p = (y + rng.standard_normal(shape)).astype(dtype)
    got = score.METRICS[metric](y, p)
    assert got.shape == (shape[1],)
    assert got.dtype == dtype
    expected = ORACLES[metric](y.astype(float), p.astype(float))
    assert_allclose(got, expected, **tol)


@pytest.mark.parametrize("metric", score.METRICS)
def test_any_number_of_axes_is_reduced_to_one_less(rng, dtype, metric):
    y, p = rng.standard_normal((2, 8, 3, 2)).astype(dtype)
    whole = score.METRICS[metric](y, p)
    assert whole.shape == (3, 2)
    one = score.METRICS[metric](y[:, 2, 1], p[:, 2, 1])
    assert_allclose(one, whole[2, 1], rtol=1e-5)


def test_perfect_and_mean_predictions(rng, dtype):
    y = rng.normal(3, 1, (20, 2)).astype(dtype)
    mean = np.broadcast_to(y.mean(0), y.shape)
    assert_allclose(score.r2(y, y), 1)
    assert_allclose(score.correlation(y, y), 1, rtol=1e-6)
    assert_allclose(score.correlation(y, -2 * y), -1, rtol=1e-6)
    assert_allclose(score.mse(y, y), 0)
    assert_allclose(score.r2(y, mean), 0, atol=1e-6)


def test_constants_have_no_score(rng, dtype):
    # 0.1 has no exact mean in binary, and must not pass for a signal.
    y = rng.standard_normal((1000, 3)).astype(dtype)
    p = rng.standard_normal((1000, 3)).astype(dtype)
    y[:, 1] = p[:, 2] = 0.1
    assert np.isnan(score.r2(y, p)).tolist() == [False, True, False]
    assert np.isnan(score.correlation(y, p)).tolist() == [False, True, True]
    assert np.isfinite(score.mse(y, p)).all()


def test_missing_values_stay_visible(rng, dtype):
    y = rng.standard_normal((9, 2)).astype(dtype)
    p = y.copy()
    p[4, 1] = np.nan
    for function in FUNCTIONS:
        assert np.isnan(function(y, p)).tolist() == [False, True]


def test_large_offset_does_not_cancel(rng):
    y = rng.standard_normal((500, 2))
    p = y + rng.standard_normal((500, 2))
    y, p = (y + 1e4).astype(np.float32), (p + 1e4).astype(np.float32)
    y64, p64 = y.astype(float), p.astype(float)
    assert_allclose(score.r2(y, p), r2_score(y64, p64, multioutput="raw_values"), 1e-5)
    assert_allclose(score.correlation(y, p), correlation(y64, p64), rtol=1e-5)


def test_integers_are_numbers(dtype):
    got = score.mse(np.array([[1], [2]]), np.array([[1], [4]]))
    assert got.dtype == dtype
    assert_allclose(got, [2.0])


@pytest.mark.parametrize("function", FUNCTIONS, ids=list(score.METRICS))
@pytest.mark.parametrize(
    ("p", "error", "message"),
    [
        (
            np.ones((5, 1)),
            ValueError,
            r"y_pred has shape \(5, 1\) but y_true has shape \(5, 2\)",
        ),
        (np.ones((5, 2), complex), TypeError, "y_pred has dtype complex"),
    ],
)
def test_bad_input(function, p, error, message):
    with pytest.raises(error, match=message):
        function(np.ones((5, 2)), p)
