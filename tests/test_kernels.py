"""One table of all kernels, and the checks that each of them passes.

A row calls a public function on small arrays that differ on every axis and states
the shapes of the result. Every row is compiled, batched, differentiated and called
in both precisions. A public function that is neither in the table nor among the host
functions fails the suite. The table is a folder, `kernels`, with one file per room.
"""

import dataclasses
import inspect
from functools import cache, partial
from importlib import import_module
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from .kernels import FILES
from .kernels.core import HOST_MODULES

ROWS = [row for file in FILES for row in file.ROWS]
MODULES = [module for file in FILES for module in file.MODULES]
# Public functions that are no kernels, and why.
HOST = {name: why for file in FILES for name, why in file.HOST.items()}


def without_static(record):
    """Arrays of a record by the names of their fields."""
    if not dataclasses.is_dataclass(record):
        return record
    data = [f.name for f in dataclasses.fields(record) if not f.metadata.get("static")]
    return {name: without_static(getattr(record, name)) for name in data}


def rows(without=""):
    """All rows, but those that say why a check does not hold."""
    chosen = [row for row in ROWS if not (without and getattr(row, without))]
    return pytest.mark.parametrize(
        "row", [pytest.param(row, id=row.name) for row in chosen]
    )


@cache
def eager(row, dtype, seed=0):
    return row.call(*row.make(dtype, seed))


def kinds(tree):
    return {leaf.dtype.name for leaf in jax.tree.leaves(tree)}


def assert_close(got, expected):
    got, expected = np.asarray(got), np.asarray(expected)
    if got.dtype.kind != "f":
        np.testing.assert_array_equal(got, expected)
        return
    error = 1e-9 if got.dtype == np.float64 else 1e-4
    size = np.abs(expected).max(initial=0.01)
    # Relative to the largest element: compiled code sums in another order.
    assert_allclose(got, expected, rtol=10 * error, atol=error * size)


@rows()
def test_shapes_and_values(row, dtype):
    result = without_static(eager(row, dtype))
    assert jax.tree.map(np.shape, result) == row.shapes
    assert kinds(result) <= {np.dtype(dtype).name, "int32", "int64", "bool"}
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(result))


@rows(without="host_loop")
def test_compiled_and_batched_equal_a_loop(row, dtype):
    both = jax.tree.map(
        lambda *pair: jnp.stack(pair), *map(partial(row.make, dtype), [0, 1])
    )
    batched = jax.jit(jax.vmap(row.call))(*both)
    # One is enough where another would compile everything again.
    for seed in (0,) if row.recompiles else (0, 1):
        got = jax.tree.map(lambda leaf, seed=seed: leaf[seed], batched)
        jax.tree.map(assert_close, got, eager(row, dtype, seed))


@rows(without="host_loop")
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_keeps_its_dtype(row, kind, x64):
    result = jax.eval_shape(row.call, *row.make(kind))
    assert kinds(result) <= {kind, "int32", "int64", "bool"}


@rows(without="jumps")
def test_gradient_equals_finite_differences(row, x64):
    def weighed(arrays):
        leaves = jax.tree.leaves(row.call(*arrays))
        # Weights that differ keep what a plain sum would cancel.
        return sum(
            (leaf.ravel() * jnp.cos(jnp.arange(leaf.size, dtype=leaf.dtype))).sum()
            for leaf in leaves
            if jnp.issubdtype(leaf.dtype, jnp.floating)
        )

    # One compilation serves both, where jax.test_util.check_grads needs three.
    value_and_slope = jax.jit(jax.value_and_grad(weighed))
    at, direction = row.make("float64"), row.make("float64", seed=5)

    def along(step):
        return jax.tree.map(lambda a, d: a + step * d, at, direction)

    step = 1e-5
    expected = value_and_slope(along(step))[0] - value_and_slope(along(-step))[0]
    slope = value_and_slope(at)[1]
    got = sum(
        jax.tree.leaves(jax.tree.map(lambda s, d: (s * d).sum(), slope, direction))
    )
    assert_allclose(got, expected / (2 * step), rtol=1e-5, atol=1e-6)


@pytest.fixture
def compilations():
    """Names of everything that JAX traces or compiles while a test runs."""
    names = []

    def listen(name, duration, **kwargs):
        if "compile" in name:
            names.append(name)

    jax.monitoring.register_event_duration_secs_listener(listen)
    jax.jit(lambda x: x + 1)(0)
    assert names, "JAX reports compilations under another name"
    names.clear()
    yield names
    jax.monitoring.unregister_event_duration_listener(listen)


@rows(without="recompiles")
def test_second_call_compiles_nothing(row, dtype, compilations):
    # Not a call of another test: JAX forgets old traces, and this suite programs.
    row.call(*row.make(dtype))
    arrays = row.make(dtype, seed=2)
    compilations.clear()
    row.call(*arrays)
    assert compilations == []


def public_functions(name):
    module = import_module(f"jaxneuro.{name}")
    return {
        f"{name}.{item}"
        for item in module.__all__
        if callable(getattr(module, item))
        and not inspect.isclass(getattr(module, item))
    }


@pytest.mark.parametrize("name", MODULES)
def test_every_public_function_has_a_row(name):
    table = {row.name for row in ROWS} | HOST.keys()
    listed = {item for item in table if item.rpartition(".")[0] == name}
    assert public_functions(name) == listed


def test_every_module_of_core_is_listed():
    folder = Path(import_module("jaxneuro.core").__file__).parent
    found = {f"core.{path.stem}" for path in folder.glob("[!_]*.py")}
    assert found == {m for m in MODULES if m.startswith("core.")} | HOST_MODULES.keys()


def test_rows_are_unique():
    names = [row.name for row in ROWS]
    assert len(names) == len(set(names))
    assert not HOST.keys() & set(names)
