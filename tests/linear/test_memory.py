"""Peak memory of fresh processes: what must not grow with targets or features."""

from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

N, P, T = 1500, 40, 150_000

TARGETS = """
import sys
import numpy as np
from jaxneuro import linear

folder, n, p, t = sys.argv[1], *map(int, sys.argv[2:])
Y = np.memmap(folder + "/Y", np.float32, "r", shape=(n, t))
out = np.memmap(folder + "/coef", np.float32, "w+", shape=(p, t))
X = np.load(folder + "/X.npy")
folds, alphas = np.arange(n) % 5, [1.0, 30.0, 1000.0]
linear.ridge_cv(X, np.array(Y[:, :600]), alphas, folds)  # compiles
base = peak(reset=True)
found = linear.ridge_cv(X, Y, alphas, folds, out=out)
print(peak() - base, np.isfinite(found.fit.intercept).all())
"""

FEATURES = """
import numpy as np
from jaxneuro import linear

rng = np.random.default_rng(0)
X = rng.standard_normal((1000, 20_000), dtype=np.float32)
Y = X[:, :50] + rng.standard_normal((1000, 50), dtype=np.float32)
base = peak(reset=True)
found = linear.ridge_cv(X, Y, [1e2, 1e4, 1e6], np.arange(1000) % 5)
print(peak() - base, np.isfinite(found.fit.coef).all())
"""


@pytest.fixture
def above(in_child):
    """Bytes above the base that code takes, whose result is finite."""

    def run(code, *arguments):
        taken, finite = in_child(code, *arguments)
        assert finite == "True"
        return int(taken)

    return run


def test_targets_on_disk_pass_in_blocks(tmp_path: Path, rng, above):
    """900 MB of targets: neither they nor their predictions are held."""
    X = rng.standard_normal((N, P)).astype(np.float32)
    np.save(tmp_path / "X.npy", X)
    block = rng.standard_normal((N, 1000)).astype(np.float32) + X[:, :1]
    Y = np.memmap(tmp_path / "Y", np.float32, "w+", shape=(N, T))
    for start in range(0, T, 1000):
        Y[:, start : start + 1000] = block
    Y.flush()
    del Y
    assert above(TARGETS, tmp_path, N, P, T) < 500e6
    coef = np.memmap(tmp_path / "coef", np.float32, "r", shape=(P, T))
    np.testing.assert_allclose(coef[:, :1000], coef[:, -1000:], atol=1e-5)
    assert abs(coef[0, ::7].mean() - 1) < 0.05


def test_many_features_go_through_the_samples(above):
    """The products of 20 000 features would take 1600 MB, their factor as much."""
    assert above(FEATURES) < 700e6
