"""States on disk: every dtype, and none that is half written."""

import signal
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from jaxneuro.core import checkpoint

STATE = {
    "half": np.asarray(jnp.array([0.5, -1.25], jnp.bfloat16)),
    "nothing": [np.zeros((0, 3)), None, ()],
    "numbers": [np.float64(1 / 3), np.int64(2**62), np.array([True, False])],
    "undefined": np.array([[np.nan, np.inf, 5e-324]]),
}


def test_comes_back_as_it_was(tmp_path):
    empty = jax.tree.map(np.zeros_like, STATE)
    assert checkpoint.read(tmp_path / "new", empty, {}) is None
    assert checkpoint.read(tmp_path, empty, {}) is None
    (tmp_path / "1").mkdir()  # a folder of the user
    for number, state in enumerate((empty, STATE)):
        checkpoint.write(tmp_path, state, {"n": (number, 2)})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "state_2"]
    found = checkpoint.read(tmp_path, empty, {"n": (1, 2)})
    jax.tree.map(assert_array_equal, found, STATE)
    for ours, theirs in zip(*map(jax.tree.leaves, (found, STATE)), strict=True):
        assert ours.dtype == theirs.dtype
    with pytest.raises(ValueError, match=r"another training: n differ; give another"):
        checkpoint.read(tmp_path, empty, {"n": (0, 2)})
    with pytest.raises(ValueError, match="another training: arrays differ"):
        checkpoint.read(tmp_path, empty["numbers"], {"n": (1, 2)})


def test_file_is_no_folder(tmp_path):
    (tmp_path / "state.npz").touch()
    with pytest.raises(ValueError, match="state.npz is a file but must be a folder"):
        checkpoint.read(tmp_path / "state.npz", STATE, {})


WRITER = """
import sys
import numpy as np
from jaxneuro.core import checkpoint
like = [np.zeros(100_000), np.zeros((3, 4))]
found = checkpoint.read(sys.argv[1], like, {})
count = 0 if found is None else int(found[1][0, 0])
while True:
    count += 1
    checkpoint.write(sys.argv[1], [np.full_like(x, count) for x in like], {})
    print(count, flush=True)
"""


@pytest.mark.slow
def test_killed_while_it_writes(tmp_path):
    """The program does nothing but write, so that the kill falls inside."""
    rng = np.random.default_rng(0)
    like, last = [np.zeros(100_000), np.zeros((3, 4))], 0
    for pause in rng.uniform(0, 0.4, 20):
        command = [sys.executable, "-c", WRITER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            said = [int(child.stdout.readline())]
            with pytest.raises(subprocess.TimeoutExpired):
                child.wait(pause)
            child.send_signal(signal.SIGKILL)
            said += [int(line) for line in child.stdout]
        large, small = checkpoint.read(tmp_path, like, {})
        value = small[0, 0]
        assert said[0] == last + 1
        assert value in (said[-1], said[-1] + 1)
        assert_array_equal(large, np.full_like(large, value))
        assert_array_equal(small, np.full_like(small, value))
        last = value
