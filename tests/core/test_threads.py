import os
from threading import Event

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from threadpoolctl import threadpool_info

from jaxneuro.core import threads
from jaxneuro.core.threads import ahead, side_by_side

ONE = jnp.zeros(())


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    threads._libraries.cache_clear()  # other tests may have loaded more of them


def blas_threads():
    return [
        lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"
    ]


def test_results_keep_the_order_of_the_items(rng, dtype):
    systems = [
        np.eye(20, dtype=dtype) * scale + 0.1 * np.ones((20, 20), dtype)
        for scale in rng.uniform(1, 2, 7)
    ]
    found = side_by_side(jnp.linalg.cholesky, systems, like=ONE)
    for factor, system in zip(found, systems, strict=True):
        assert factor.dtype == dtype
        np.testing.assert_allclose(factor @ factor.T, system, rtol=1e-5)


def test_blas_has_one_thread_meanwhile_and_its_own_afterwards():
    before = blas_threads()
    during = side_by_side(lambda _: blas_threads(), range(3), like=ONE)
    assert all(set(threads) == {1} for threads in during)
    assert blas_threads() == before


def test_float64_goes_with_the_work(x64):
    found = side_by_side(lambda n: jnp.ones(n).sum(), [3, 4], like=jnp.zeros(()))
    assert [x.dtype for x in found] == [jnp.float64] * 2


def test_an_error_reaches_the_caller_and_frees_blas():
    before = blas_threads()

    def fail(item):
        raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 0"):
        side_by_side(fail, range(4), like=ONE)
    assert blas_threads() == before


def test_in_turn_while_jax_traces():
    @jax.jit
    def total(x):
        return sum(side_by_side(lambda k: k * x, [1.0, 2.0, 3.0], like=x))

    np.testing.assert_allclose(total(jnp.ones(2)), 6.0)


def test_one_blas_thread_for_the_host():
    before = blas_threads()
    with threads.one_blas_thread():
        assert set(blas_threads()) == {1}
    assert blas_threads() == before


def test_the_next_result_is_made_while_one_is_used():
    begun, used = [Event() for _ in range(4)], []

    def make(item):
        begun[item].set()
        return jnp.full(3, item)

    for item, result in enumerate(ahead(make, range(4))):
        if item < 3:
            assert begun[item + 1].wait(10)
        assert set(blas_threads()) == {1}
        used.append(int(result[0]))
    assert used == [0, 1, 2, 3]
    assert list(ahead(make, [])) == []


def test_float64_goes_ahead(x64):
    assert [x.dtype for x in ahead(jnp.ones, [2, 3])] == [jnp.float64] * 2


def test_an_error_ahead_reaches_the_caller_after_what_came_before():
    before = blas_threads()
    results = ahead(lambda x: 1 / x, [1, 2, 0, 4])
    assert [next(results), next(results)] == [1, 0.5]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert blas_threads() == before
