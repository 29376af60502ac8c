"""The rules of the house, read from its source."""

import ast
import sys
from functools import cache
from pathlib import Path

import pytest

import jaxneuro

PACKAGE = Path(jaxneuro.__file__).parent
ROOT = Path(__file__).resolve().parents[1]

MAX_FILE, MAX_FUNCTION = 400, 60

# Each room and the rooms it may import; rooms on one floor never import each other.
MODELS = {"linear", "trf", "glm", "nn", "dstrf", "mei", "reliability", "simulate"}
FLOOR = {"core", "signal"}
ROOMS = {
    "core": set(),
    "signal": {"core"},
    **dict.fromkeys(MODELS, FLOOR),
    "reliability": {"core"},
    "estimators": FLOOR | MODELS | {"io"},  # images that a fit is given
    "io": FLOOR,
    "datasets": {"io"},
    "viz": FLOOR,
    "cli": FLOOR | MODELS | {"estimators", "io", "datasets", "viz"},
}

# Third parties that a room may import at the top of a file, beside jax and numpy.
THIRD_PARTY = {
    "core": {"scipy", "threadpoolctl", "tqdm"},
    "signal": {"scipy"},
    **dict.fromkeys(MODELS, {"scipy"}),
    "nn": {"flax", "optax"},
    "mei": {"scipy", "optax"},
    "estimators": {"sklearn"},
    "io": set(),
    "datasets": set(),
    "viz": {"matplotlib"},
    "cli": set(),
}
# Rooms that may import other packages, but only inside the function that needs them.
LAZY = {"io", "datasets", "viz", "cli"}
# The only places that touch these; everybody else receives arrays.
ONLY_IN = {
    "pandas": {"glm/_design.py", "io", "datasets", "cli"},
    "flax": {"nn"},
    "optax": {"nn", "mei", "estimators/_causal_networks.py"},
    "sklearn": {"estimators", "cli"},
    "matplotlib": {"viz", "cli"},
    "orbax": {"core/checkpoint.py"},
}
BANNED = {"pickle", "cloudpickle", "joblib", "jaxtyping"}


def sources(*folders):
    found = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in found]


@cache
def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def room_of(path):
    inside = path.relative_to(PACKAGE)
    return inside.parts[0].removesuffix(".py")


def typing_only(module):
    """Imports under ``if TYPE_CHECKING``, which never run."""
    guards = [
        node
        for node in ast.walk(module)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
    ]
    return {inner for guard in guards for inner in ast.walk(guard)}


def inside_functions(module):
    functions = [
        node
        for node in ast.walk(module)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return {inner for function in functions for inner in ast.walk(function)}


def imported(path):
    """All imports of a file: full dotted name, line, and whether in a function."""
    module = tree(path)
    skipped, lazy = typing_only(module), inside_functions(module)
    package = ["jaxneuro", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(module):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = [*base, *([node.module] if node.module else [])]
            names = [".".join([*stem, alias.name]) for alias in node.names]
        else:
            continue
        for name in names:
            yield name, node.lineno, node in lazy


@pytest.mark.parametrize("path", sources(PACKAGE))
def test_imports_go_down(path):
    room = room_of(path)
    if path.parent == PACKAGE and room == "__init__":
        top = [name for name, _, lazy in imported(path) if not lazy]
        assert all(name.split(".")[0] in sys.stdlib_module_names for name in top)
        return
    assert room in ROOMS, f"{room} has no floor yet; add it to ROOMS"
    for name, line, _ in imported(path):
        parts = name.split(".")
        if parts[0] != "jaxneuro" or len(parts) == 1 or parts[1] == "__version__":
            continue
        allowed = ROOMS[room] | {room}
        assert parts[1] in allowed, (
            f"{path.relative_to(ROOT)}:{line}: {room} may import {sorted(allowed)}, "
            f"not {parts[1]}"
        )


@pytest.mark.parametrize("path", sources(PACKAGE))
def test_third_parties_stay_in_their_rooms(path):
    room = room_of(path)
    inside = path.relative_to(PACKAGE).as_posix()
    allowed = {"jaxneuro", "jax", "numpy"} | THIRD_PARTY.get(room, set())
    for name, line, lazy in imported(path):
        where = f"{path.relative_to(ROOT)}:{line}"
        package = name.split(".")[0]
        assert package not in BANNED, f"{where} imports {package}"
        if package in ONLY_IN:
            homes = ONLY_IN[package]
            assert room in homes or inside in homes, f"{where} imports {package}"
        if package in sys.stdlib_module_names or (lazy and room in LAZY):
            continue
        if inside in ONLY_IN.get(package, set()):
            continue
        assert package in allowed, f"{where}: {room} may not import {package}"


def test_rooms_on_one_floor_are_apart():
    for room in MODELS:
        assert not ROOMS[room] & MODELS
    assert not ROOMS["viz"] & (MODELS | {"estimators", "io", "datasets"})


@pytest.mark.parametrize("path", sources(PACKAGE, ROOT / "benchmarks"))
def test_files_are_short(path):
    n_lines = len(path.read_text(encoding="utf-8").splitlines())
    assert n_lines <= MAX_FILE, f"{n_lines} lines; split it by concern"


def code_lines(function):
    """Lines of a function from its `def` on, docstring left out."""
    n_lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is not None:
        text = function.body[0]
        n_lines -= text.end_lineno - text.lineno + 1
    return n_lines


@pytest.mark.parametrize("path", sources(PACKAGE, ROOT / "tests", ROOT / "benchmarks"))
def test_functions_are_short(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            n_lines = code_lines(node)
            assert n_lines <= MAX_FUNCTION, f"{node.name} has {n_lines} lines"


@pytest.mark.parametrize("path", sources(PACKAGE))
def test_no_global_switches(path):
    """The caller's JAX configuration, seeds and environment stay the caller's."""
    forbidden = ("jax.config.", "np.random.seed", "numpy.random.seed", "os.environ[")
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            assert not ast.unparse(node.func).startswith(forbidden[:3]), node.lineno
        if isinstance(node, ast.Assign | ast.AugAssign | ast.Delete):
            targets = [node.target] if isinstance(node, ast.AugAssign) else node.targets
            for target in targets:
                assert not ast.unparse(target).startswith(forbidden), node.lineno
    assert not any(name == "jax.config" for name, _, _ in imported(path))


@pytest.mark.parametrize("path", sources(PACKAGE))
def test_no_print_outside_the_command_line(path):
    if room_of(path) == "cli":
        return
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) != "print", f"print in line {node.lineno}"
