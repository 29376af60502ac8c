"""Options and fixtures of the whole suite."""

import gc
import itertools
import os
import subprocess
import sys
from pathlib import Path

# Most of the time goes into compiling small programs, each run once or twice. What the
# caller sets comes last and wins: long trainings are quicker when optimised.
os.environ["XLA_FLAGS"] = (
    f"--xla_backend_optimization_level=0 {os.environ.get('XLA_FLAGS', '')}"
)
# Workers that share the cores would wait for each other's threads.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ["XLA_FLAGS"] = (
        f"--xla_cpu_multi_thread_eigen=false {os.environ['XLA_FLAGS']}"
    )

import jax
import numpy as np
import pytest

PEAK = """
from pathlib import Path

def peak(reset=False):
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])
"""
ONE_THREAD = "--xla_cpu_multi_thread_eigen=false"
MAPS, TESTS = Path("/proc/self/maps"), itertools.count(1)

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")


def pytest_addoption(parser):
    parser.addoption("--x64", action="store_true", help="run in float64")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    # Neighbouring tests share what is compiled, so they belong on one worker.
    if getattr(config.option, "numprocesses", None) and config.option.dist == "no":
        config.option.dist = "worksteal"


def pytest_configure(config):
    if config.getoption("--x64"):
        jax.config.update("jax_enable_x64", True)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item):
    # A program that is compiled takes some of the 65 530 maps that Linux gives a
    # process, and compiling ends in a crash when there are no more.
    if next(TESTS) % 20 or not MAPS.exists():
        return
    if MAPS.read_bytes().count(b"\n") > 25_000:
        jax.clear_caches()
        gc.collect()


@pytest.fixture
def x64():
    """Run a test in float64 whatever the option."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def dtype():
    """Float that the run uses."""
    return np.float64 if jax.config.jax_enable_x64 else np.float32


@pytest.fixture
def tol():
    """Tolerances for `assert_allclose`, by the float that the run uses."""
    if jax.config.jax_enable_x64:
        return {"rtol": 1e-9, "atol": 1e-10}
    return {"rtol": 2e-4, "atol": 2e-5}


@pytest.fixture
def rng():
    """Fixed random numbers for test data."""
    return np.random.default_rng(20261121)


@pytest.fixture
def shared():
    """Folder of the reference numbers and recordings; skip where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("JAXNEURO_SHARED", default))
    if not (folder / "golden").is_dir():
        pytest.skip("the folder of reference numbers and recordings is not here")
    return folder


@pytest.fixture
def in_child():
    """Run code in a fresh process, where `peak` gives its most bytes; what it prints.

    They are counted from the last ``peak(reset=True)`` on. The process has all threads.
    """
    if sys.platform != "linux":
        pytest.skip("peaks of memory are read from /proc")

    def run(code, *arguments):
        command = [sys.executable, "-c", PEAK + code, *map(str, arguments)]
        flags = os.environ["XLA_FLAGS"].replace(ONE_THREAD, "")
        environment = {**os.environ, "XLA_FLAGS": flags}
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, env=environment
        )
        return done.stdout.split()

    return run
