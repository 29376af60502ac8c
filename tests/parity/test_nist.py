"""All linear regressions that NIST certifies."""

import json

import numpy as np
import pytest

from jaxneuro.core import linalg

NAMES = ("Norris", "Pontius", "NoInt1", "NoInt2", "Filip", "Longley")
NAMES += tuple(f"Wampler{i}" for i in range(1, 6))
# Filip's powers of decimals lose digits as soon as they are float64.
DIGITS = {"Filip": 7}


def problem(shared, name, kind):
    text = (shared / "data/nist_strd_linear/nist_strd_linear.json").read_text()
    p = json.loads(text)[name]
    y = np.array([[kind(value)] for value in p["y"]])
    x = np.array([[kind(value) for value in column] for column in p["x"]]).T
    n_slopes = p["p"] - int(bool(p["intercept"]))
    powers = range(1, n_slopes + 1) if x.shape[1] == 1 else [1]
    X = np.concatenate([x**k for k in powers], axis=1)
    if p["intercept"]:
        X = np.concatenate([np.ones_like(x[:, :1]), X], axis=1)
    return X, y, p


def digits(got, text):
    exact = np.array([float(value) for value in text])
    return -np.log10(np.max(np.abs(got - exact) / np.abs(exact)) + 1e-16)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", [np.float64, np.longdouble])
def test_coefficients_and_errors(shared, name, kind):
    X, y, p = problem(shared, name, kind)
    s = linalg.lstsq(X, y)
    assert s.rank == p["p"]
    extended = kind is np.longdouble and np.finfo(kind).eps < 1e-18
    wanted = 9 if extended else DIGITS.get(name, 9)
    assert digits(s.coef[:, 0], p["exact_beta"]) >= wanted
    sum_squares = np.sum(s.residuals**2)
    if float(p["exact_residual_ss"]) == 0:
        assert sum_squares < 1e-18 * np.sum(np.square(y, dtype=float))
        return
    basis = linalg.factor(X).basis
    error = np.sqrt(sum_squares / p["df_residual"] * np.sum(basis**2, axis=1))
    assert digits(error, p["exact_se"]) >= min(wanted, 7 if name == "Filip" else 9)
