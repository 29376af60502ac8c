"""Memory that compilation leaves behind."""

import jax
import pytest

from jaxneuro.core import memory

COMPILE = """
import sys
from contextlib import nullcontext
import jax
import jax.numpy as jnp
from jaxneuro.core.memory import lean_compilation

def resident():
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmRSS:")[1].split()[0])

def deep(x, kind):
    for k in range(60):
        x = jnp.sort(jnp.sin(x) + k + kind)
    return x

jnp.zeros(3)
before = resident()
with lean_compilation() if sys.argv[1] == "lean" else nullcontext():
    for kind in range(4):
        jax.jit(lambda x: deep(x, kind)).lower(jnp.ones(100)).compile()
print(resident() - before)
"""

GLM = """
import numpy as np
import jax
from jaxneuro import glm

rng = np.random.default_rng(0)
X, Y = rng.standard_normal((300, 30)), rng.standard_normal((300, 20_000))
X[:, -1] = 1
jax.numpy.zeros(3)
before = peak(reset=True)
glm.fit_contrasts(X, Y, t=np.eye(10, 30), F=np.eye(6, 30), noise_model="ar3")
print(peak() - before)
"""


def test_memory_of_the_compiler_is_given_back(in_child):
    (kept,), (lean,) = in_child(COMPILE, "kept"), in_child(COMPILE, "lean")
    assert int(lean) < 0.6 * int(kept), (lean, kept)


@pytest.mark.slow
def test_first_call_of_a_model(in_child):
    """Mostly compilation: what comes on top is the results and a few blocks."""
    (used,) = in_child(GLM)
    assert int(used) < 250e6


def test_outside_nothing_is_heard():
    def program(x, kind):
        return x + kind

    with memory.lean_compilation(), memory.lean_compilation():
        before = memory._heard
        jax.jit(program, static_argnums=1).lower(1.0, 1).compile()
        within = memory._heard
    jax.jit(program, static_argnums=1).lower(1.0, 2).compile()
    assert memory._heard == within
    assert memory._open == 0
    assert within == before + 1 or memory._listen()() is None  # no such C library
