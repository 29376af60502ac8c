"""A recording on disk is fitted in the memory of its blocks."""

import subprocess
import sys

import numpy as np
import pytest

PROGRAM = """
import resource, sys
import numpy as np
import jax
from jaxneuro import Lags, trf

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

X, Y = (np.load(path, mmap_mode="r") for path in sys.argv[1:3])
n = int(sys.argv[3])
fold_id = np.arange(n) * 4 // n
result = trf.fit_cv(
    X[:n], Y[:n], Lags(0, 0.2, 100), [1.0, 1e3], fold_id, block_size=8192
)
jax.block_until_ready(result)
print(peak())
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_recording(tmp_path):
    n_times = 1_000_000
    rng = np.random.default_rng(0)
    paths = [tmp_path / "x.npy", tmp_path / "y.npy"]
    for path, n_columns in zip(paths, (16, 160), strict=True):
        data = np.lib.format.open_memmap(
            path, mode="w+", dtype=np.float32, shape=(n_times, n_columns)
        )
        for start in range(0, n_times, 100_000):
            data[start : start + 100_000] = rng.standard_normal(
                (100_000, n_columns), dtype=np.float32
            )
        data.flush()

    def peak(n):
        command = [sys.executable, "-c", PROGRAM, *map(str, paths), str(n)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return float(done.stdout)

    # 700 MB of data against 35 MB: the difference is bookkeeping, 8 bytes a sample
    # for folds and groups, and the allocator.
    assert peak(n_times) - peak(n_times // 20) < 100
