"""Records: pytrees whose static fields belong to the structure."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from jaxneuro.core.struct import static, struct


@struct
class Inner:
    weight: jax.Array
    name: str = static(default="none")  # type: ignore[assignment]


@struct
class Record:
    value: jax.Array
    inner: Inner
    order: int = static()  # type: ignore[assignment]


@pytest.fixture
def record():
    inner = Inner(weight=jnp.arange(3.0), name="a")
    return Record(value=jnp.ones((2, 1)), inner=inner, order=4)


def test_tree_round_trip(record):
    leaves, structure = jax.tree.flatten(record)
    assert len(leaves) == 2
    back = jax.tree.unflatten(structure, leaves)
    assert isinstance(back, Record)
    assert back.order == 4
    assert back.inner.name == "a"
    assert_array_equal(back.inner.weight, record.inner.weight)


def test_static_fields_are_structure(record):
    other = dataclasses.replace(record, order=5)
    assert jax.tree.structure(other) != jax.tree.structure(record)
    same = dataclasses.replace(record, value=jnp.zeros((2, 1)))
    assert jax.tree.structure(same) == jax.tree.structure(record)


def test_only_a_new_static_value_traces_again(record):
    traces = []

    @jax.jit
    def scale(r):
        traces.append(r.order)
        return jax.tree.map(lambda leaf: leaf * r.order, r)

    scaled = scale(record)
    assert_array_equal(scaled.inner.weight, [0, 4, 8])
    assert scaled.order == 4
    scale(dataclasses.replace(record, value=jnp.zeros((2, 1))))
    scale(dataclasses.replace(record, order=5))
    assert traces == [4, 5]


def test_records_vmap_and_differentiate(record):
    stacked = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), record)
    sums = jax.vmap(lambda r: r.value.sum() + r.inner.weight.sum())(stacked)
    assert_array_equal(sums, [5, 10])
    slope = jax.grad(lambda r: (r.value**2).sum() + r.order * r.inner.weight[1])(record)
    assert_array_equal(slope.value, 2 * np.ones((2, 1)))
    assert_array_equal(slope.inner.weight, [0, 4, 0])


def test_frozen_and_keyword_only(record):
    with pytest.raises(dataclasses.FrozenInstanceError, match="value"):
        record.value = jnp.zeros(1)
    with pytest.raises(TypeError, match="positional"):
        Inner(jnp.ones(1))  # type: ignore[misc]
    with pytest.raises(TypeError, match="order"):
        Record(value=jnp.ones(1), inner=record.inner)  # type: ignore[call-arg]
    assert Inner(weight=jnp.ones(1)).name == "none"


def test_records_compare_by_identity(record):
    # Comparing arrays has no one answer.
    assert record == record  # noqa: PLR0124
    assert record != dataclasses.replace(record)
