"""Factorisations against NumPy and exact numbers."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro.core import linalg


def test_factor_is_a_frame_of_the_columns(rng):
    X = rng.standard_normal((20, 4)) * [1, 1e-6, 1e6, 1]
    f = linalg.factor(X)
    assert f.rank == 4
    assert_allclose(f.q.T @ f.q, np.eye(4), atol=1e-12)
    assert_allclose(X @ f.basis, f.q, atol=1e-12)
    size = np.linalg.norm(X, axis=0)
    back = f.basis @ f.q.T @ X * (size[:, None] / size)
    assert_allclose(back, np.eye(4), atol=1e-12)


@pytest.mark.parametrize("shape", [(20, 6), (5, 9)])
def test_rank_and_least_norm(rng, shape):
    n, p = shape
    X = rng.standard_normal((n, 3)) @ rng.standard_normal((3, p)) * np.arange(1, p + 1)
    f = linalg.factor(X)
    assert f.rank == 3
    assert_allclose(f.basis @ f.q.T, np.linalg.pinv(X, rcond=1e-10), atol=1e-10)


def test_units_do_not_decide_the_rank(rng):
    X = rng.standard_normal((30, 2)) * [1, 1e-18]
    assert linalg.factor(X).rank == 2
    assert linalg.factor(np.zeros((5, 2))).rank == 0


def hilbert(n):
    return [[Fraction(1, i + j + 1) for j in range(n)] for i in range(n)]


def test_lstsq_of_a_nearly_dependent_matrix():
    """A Hilbert matrix of condition 1e10 in integers, whose solution is exact."""
    n, scale = 7, 360360
    X = np.array([[float(scale * h) for h in row] for row in hilbert(n)])
    coef = np.arange(1.0, n + 1)[:, None]
    Y = np.array([[float(sum(int(x) * (j + 1) for j, x in enumerate(r)))] for r in X])
    s = linalg.lstsq(X, Y)
    assert s.rank == n
    assert 1e7 < s.condition < 1e10
    assert_allclose(s.coef, coef, rtol=1e-10)
    plain = np.linalg.lstsq(X, Y)[0]
    assert np.abs(plain - coef).max() > 100 * np.abs(s.coef - coef).max()


def test_lstsq_equals_numpy(rng):
    X, Y = rng.standard_normal((30, 4)), rng.standard_normal((30, 2))
    s = linalg.lstsq(X, Y)
    coef = np.linalg.lstsq(X, Y)[0]
    assert_allclose(s.coef, coef, rtol=1e-12)
    assert_allclose(s.residuals, Y - X @ coef, atol=1e-13)


def test_lstsq_of_dependent_columns_has_least_norm(rng):
    X = rng.standard_normal((30, 2)) @ rng.standard_normal((2, 5))
    Y = rng.standard_normal((30, 3))
    assert_allclose(linalg.lstsq(X, Y).coef, np.linalg.pinv(X) @ Y, atol=1e-12)


def test_lower_solve(rng, dtype, tol):
    L = np.tril(rng.standard_normal((5, 3, 3))) + 3 * np.eye(3)
    b = rng.standard_normal((5, 3, 2))
    L, b = (jnp.asarray(array, dtype) for array in (L, b))
    assert_allclose(linalg.lower_solve(L, b), np.linalg.solve(L, b), **tol)
    back = np.linalg.solve(np.swapaxes(L, 1, 2), b)
    assert_allclose(linalg.lower_solve(L, b, transpose=True), back, **tol)


def test_errors():
    with pytest.raises(ValueError, match="X has shape .* two-dimensional"):
        linalg.factor(np.zeros(3))
    with pytest.raises(ValueError, match="X has 1 NaN"):
        linalg.factor(np.array([[np.nan], [1]]))
    with pytest.raises(ValueError, match="Y has 3 samples but X has 4"):
        linalg.lstsq(np.ones((4, 1)), np.ones((3, 1)))
    with pytest.raises(ValueError, match="Y has 1 NaN"):
        linalg.lstsq(np.ones((2, 1)), np.array([[1], [np.inf]]))


def test_after_changes_nothing(rng, dtype):
    x = jnp.asarray(rng.standard_normal((3, 4)), dtype).at[0, 0].set(jnp.nan)
    for done in (x[1:, 1:], jnp.full(2, jnp.inf, dtype), jnp.full(2, jnp.nan, dtype)):
        np.testing.assert_array_equal(jax.jit(linalg.after)(x, done), x)
    slope = jax.grad(lambda d: linalg.after(x, d)[1:].sum())(jnp.ones(2, dtype))
    np.testing.assert_array_equal(slope, 0)


SIDE_BY_SIDE = """
import faulthandler
faulthandler.dump_traceback_later(100, exit=True)
import jax, jax.numpy as jnp
from jaxneuro.core.linalg import after

n, p = 600, 20

@jax.jit
def many(a, w):
    def step(_, total):
        b = a + total
        one = (w @ b.reshape(n, -1)).reshape(n, p, p)
        two = jnp.exp(jnp.log(jnp.abs(b) + 1)) + 50 * jnp.eye(p)
        first = jnp.linalg.cholesky(one)
        last = jnp.linalg.cholesky(after(two, first))
        return total + 1e-9 * (first.sum() + last.sum())
    return jax.lax.fori_loop(0, 150, step, 0.0)

print(many(jnp.broadcast_to(jnp.eye(p) * 9, (n, p, p)), jnp.eye(n)))
"""


def test_batches_of_factorisations_take_turns(in_child):
    """Without `after`, two cores wait for each other for ever within a second."""
    (total,) = in_child(SIDE_BY_SIDE)
    assert np.isfinite(float(total))
