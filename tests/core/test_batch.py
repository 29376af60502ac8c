"""Blocks read from arrays in memory and on disk."""

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from jaxneuro.core import batch


@pytest.fixture(params=["numpy", "jax", "memmap", "hdf5"])
def source(request, tmp_path):
    x = np.arange(1, 21, dtype=np.int16).reshape(10, 2)
    if request.param == "numpy":
        return x
    if request.param == "jax":
        return jnp.asarray(x)
    if request.param == "memmap":
        np.save(tmp_path / "x.npy", x)
        return np.load(tmp_path / "x.npy", mmap_mode="r")
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = x
    return h5py.File(tmp_path / "x.h5")["x"]


@pytest.mark.parametrize(
    ("start", "stop"),
    [(0, 10), (2, 5), (-3, 4), (7, 12), (-2, 13), (4, 4), (-5, -1), (11, 14), (-2, 0)],
)
def test_zeros_beyond_the_ends(source, start, stop):
    block = batch.read(source, start, stop, np.dtype(np.float32))
    x = np.arange(1, 21).reshape(10, 2)
    expected = [x[t] if 0 <= t < 10 else [0, 0] for t in range(start, stop)]
    assert isinstance(block, np.ndarray)
    assert block.dtype == np.float32
    assert_array_equal(block, np.reshape(expected, (stop - start, 2)))


def test_blocks_are_writable_copies():
    x = np.ones((4, 2), np.float32)
    block = batch.read(x, 0, 4, x.dtype)
    block[:] = 7
    assert_array_equal(x, 1)


@pytest.mark.parametrize("shape", [(6,), (6, 2, 3)])
def test_any_number_of_axes(shape):
    x = np.ones(shape)
    assert batch.read(x, -1, 3, x.dtype).shape == (4, *shape[1:])


def test_only_the_range_is_read():
    class Counting:
        shape, dtype = (100, 3), np.dtype(float)
        asked: list = []

        def __getitem__(self, key):
            self.asked.append((key.start, key.stop))
            return np.zeros((key.stop - key.start, 3))

    source = Counting()
    batch.read(source, -5, 8, source.dtype)
    batch.read(source, 95, 120, source.dtype)
    batch.read(source, 100, 120, source.dtype)
    assert source.asked == [(0, 8), (95, 100)]


@pytest.mark.parametrize(
    ("kind", "x64", "expected"),
    [
        ("float64", True, "float64"),
        ("float64", False, "float32"),
        ("float32", True, "float32"),
        ("int16", True, "float32"),
        ("float16", False, "float32"),
    ],
)
def test_floating_type(kind, x64, expected):
    assert batch.float_dtype(np.zeros(2, kind), x64=x64) == np.dtype(expected)


@pytest.mark.parametrize("small_pages", [False, True])
@pytest.mark.parametrize("shape", [(3, 5), (2, 1, 3), (7,)])
def test_aligned_memory_begins_at_a_multiple_of_64(shape, small_pages, dtype):
    memory = batch.aligned(shape, np.dtype(dtype), small_pages=small_pages)
    assert memory.shape == shape
    assert memory.dtype == dtype
    assert memory.ctypes.data % 64 == 0
    memory[...] = 1
