"""Sums of the data against those of residuals that are written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro.glm._fit import prepared
from jaxneuro.glm._fit_block import summed
from jaxneuro.glm._noise import step_down, weigh
from jaxneuro.glm._sums import gather, weigh_sums

N, V = 140, 9
RUNS = np.repeat([4, 2], [80, 60])
KEEP = ~np.isin(np.arange(N), [21, 22, 101])
GAPS = {"run_id": RUNS, "keep": KEEP}
NONE = {"run_id": None, "keep": None}
AR = {1: [0.4], 2: [0.5, -0.3], 3: [0.3, 0.2, -0.1]}


@pytest.fixture
def close(dtype):
    return (
        {"rtol": 1e-9, "atol": 1e-9}
        if dtype == np.float64
        else {"rtol": 1e-3, "atol": 0.02}
    )


def make(rng, order, *, gaps=NONE, last=1.0, noise=3.0):
    """Design, data, residuals and the plan of a fit; `last` replaces the constant."""
    fixed = np.column_stack([np.arange(N) / N, np.full(N, last)])
    X = np.column_stack([rng.standard_normal((N, 3)), fixed])
    Y = 50 + noise * rng.standard_normal((N, V)) + X @ rng.standard_normal((5, V))
    model = f"ar{order}" if order else "ols"
    plan, _, _ = prepared(X, Y, noise_model=model, ar=None, compat=None, **gaps)
    kept = np.ones(N, bool) if gaps["keep"] is None else gaps["keep"]
    e = Y[kept] - X[kept] @ np.linalg.lstsq(X[kept], Y[kept])[0]
    return Y, e, plan


def of_all_kinds(plan, Y, dtype):
    """Sums by NumPy, by JAX, and by JAX compiled."""
    own = jax.tree.map(
        lambda x: jnp.asarray(x, dtype if x.dtype.kind == "f" else None), plan.recipe
    )
    y = jnp.asarray(Y, dtype)
    return summed(plan, dtype)(Y.astype(dtype)), gather(own, y), jax.jit(gather)(own, y)


@pytest.mark.parametrize("gaps", [NONE, GAPS], ids=["whole", "gaps"])
@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_sums_are_those_of_the_residuals(rng, order, gaps, dtype, close):
    Y, e, plan = make(rng, order, gaps=gaps)
    number = np.zeros(N) if gaps is NONE else (RUNS + 10 * np.cumsum(~KEEP))[KEEP]
    for sums in of_all_kinds(plan, Y, dtype):
        assert sums.lags.dtype == sums.x.dtype == dtype
        for k in range(order + 1):
            same = (number[k:] == number[: len(e) - k]).astype(float)
            shift = np.zeros((len(e), len(e)))
            shift[k:, : len(e) - k] = np.diag(same)
            assert_allclose(sums.lags[k], np.sum(e * (shift @ e), axis=0), **close)
            if k:
                turn = plan.q.T @ (shift + shift.T) @ e
                assert_allclose(sums.turns[k - 1], turn, **close)
        assert_allclose(sums.ends, e[plan.recipe.ends], **close)


@pytest.mark.parametrize("gaps", [NONE, GAPS], ids=["whole", "gaps"])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_whitening_by_sums_is_whitening(rng, order, gaps, dtype, close):
    Y, e, plan = make(rng, order, gaps=gaps)
    ar = jnp.asarray(np.outer(AR[order], np.linspace(0.2, 1, V)), dtype)
    (pair,) = step_down(ar, plan.information.orders)
    expected = weigh(
        jnp.asarray(e, dtype), jnp.asarray(plan.q, dtype), plan.parts[0], *pair
    )
    for sums in of_all_kinds(plan, Y, dtype):
        found = weigh_sums(plan.recipe, sums, *pair)
        for one, other in zip(found, expected, strict=True):
            assert_allclose(one, other, **close)


@pytest.mark.parametrize("order", [0, 2])
@pytest.mark.parametrize("options", [{"noise": 1e-3}, {"last": 0.0}])
def test_residuals_are_made_where_sums_would_lose_digits(rng, order, options, dtype):
    """Noise that is small beside what the design explains; a level that it does not."""
    Y, _, plan = make(rng, order, **options)
    Y = Y.astype(dtype).astype(float)
    q = plan.q
    e = Y - q @ (q.T @ Y)
    tolerance = 1e-8 if dtype == np.float64 else 5e-3
    for sums in of_all_kinds(plan, Y, dtype):
        assert_allclose(sums.lags[0], np.sum(e**2, axis=0), rtol=tolerance)
        constant = np.outer(plan.q.sum(axis=0), sums.level)
        assert_allclose(sums.x + constant, q.T @ Y, rtol=tolerance, atol=tolerance)


def test_short_and_many_stretches_have_no_recipe(rng):
    short = {"run_id": np.arange(N) < 2, "keep": None}
    assert make(rng, 3, gaps=short)[2].recipe is None
    assert make(rng, 2, gaps=short)[2].recipe is not None
    many = {"run_id": np.arange(N) // 7, "keep": None}
    assert make(rng, 3, gaps=many)[2].recipe is None
    assert (
        make(rng, 1, gaps={"run_id": np.arange(N) // 35, "keep": None})[2].recipe
        is not None
    )
