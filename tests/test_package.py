"""The public surface: names, docstrings, light imports, metadata."""

import ast
import dataclasses
import importlib
import importlib.metadata
import inspect
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import jaxneuro

ROOT = Path(__file__).resolve().parents[1]

MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(jaxneuro.__path__, "jaxneuro.")
    if not info.name.rsplit(".", 1)[1].startswith("__")
)
PUBLIC = ["jaxneuro", *(name for name in MODULES if "._" not in name)]
# Needed by the code of a door only when it is used, so a module may lack it.
OPTIONAL = {"matplotlib", "h5py", "mne", "nitime"}


def load(name):
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in OPTIONAL:
            pytest.skip(f"{error.name} is not installed")
        raise


def public_objects():
    """Every function and class of the public modules, once, with its full name."""
    found = {}
    for module_name in PUBLIC[1:]:
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if (error.name or "").split(".")[0] not in OPTIONAL:
                raise
            continue
        for name in getattr(module, "__all__", []):
            thing = inspect.unwrap(getattr(module, name, None))
            if inspect.isfunction(thing) or inspect.isclass(thing):
                found[f"{thing.__module__}.{thing.__qualname__}"] = thing
    return found


def functions():
    """Public functions, and the public methods that our own classes define."""
    for name, thing in public_objects().items():
        if inspect.isfunction(thing):
            yield pytest.param(name, inspect.signature(thing), thing, id=name)
            continue
        for member_name, member in vars(thing).items():
            method = inspect.unwrap(getattr(member, "__func__", member))
            if not member_name.startswith("_") and inspect.isfunction(method):
                bound = inspect.unwrap(getattr(thing, member_name))
                signature = inspect.signature(bound)
                if bound is method and not isinstance(member, staticmethod):
                    rest = list(signature.parameters.values())[1:]  # without self
                    signature = signature.replace(parameters=rest)
                full = f"{name}.{member_name}"
                yield pytest.param(full, signature, method, id=full)


def classes():
    for name, thing in public_objects().items():
        if inspect.isclass(thing):
            yield pytest.param(name, thing, id=name)


def section(docstring, title):
    """Entry names of a numpydoc section; None where the section is missing."""
    pattern = rf"^{title}\n-{{{len(title)}}}\n(.*?)(?=^\S[^\n]*\n---|\Z)"
    match = re.search(pattern, docstring, flags=re.MULTILINE | re.DOTALL)
    if match is None:
        return None
    heads = re.findall(r"^(\S[^\n]*)$", match[1], flags=re.MULTILINE)
    names = [head.split(" : ")[0].split(",") for head in heads]
    return [name.strip() for group in names for name in group if name.strip()]


def parameters(signature):
    stars = {
        inspect.Parameter.VAR_POSITIONAL: "*",
        inspect.Parameter.VAR_KEYWORD: "**",
    }
    named = signature.parameters.values()
    return sorted(stars.get(p.kind, "") + p.name for p in named)


def is_protocol(thing):
    return getattr(thing, "_is_protocol", False)


def check_summary(name, thing):
    docstring = inspect.getdoc(thing) or ""
    assert docstring, f"{name} has no docstring"
    summary = docstring.splitlines()[0]
    assert summary.endswith("."), f"{name}: the summary must be one sentence"
    return docstring


@pytest.mark.parametrize("name", PUBLIC)
def test_modules_name_what_they_offer(name):
    module = load(name)
    assert module.__doc__, f"{name} has no docstring"
    names = getattr(module, "__all__", None)
    assert names is not None, f"{name} has no __all__"
    assert len(set(names)) == len(names)
    for entry in names:
        assert hasattr(module, entry), f"{name}.__all__ names {entry}"
        assert not entry.startswith("_") or entry == "__version__"


@pytest.mark.parametrize("name", [name for name in PUBLIC if name != "jaxneuro"])
def test_public_definitions_are_in_all(name):
    """What a public file defines without underscore, it offers."""
    module = load(name)
    body = ast.parse(Path(module.__file__).read_text(encoding="utf-8")).body
    kinds = ast.FunctionDef | ast.ClassDef
    defined = {node.name for node in body if isinstance(node, kinds)}
    private = {name for name in defined if name.startswith("_")}
    assert defined - private <= set(module.__all__)


@pytest.mark.parametrize(("name", "signature", "thing"), list(functions()))
def test_functions_are_documented(name, signature, thing):
    docstring = check_summary(name, thing)
    documented = section(docstring, "Parameters") or []
    assert sorted(documented) == parameters(signature), f"{name}: Parameters"
    if signature.return_annotation not in (None, "None"):
        returns = section(docstring, "Returns") or section(docstring, "Yields")
        assert returns, f"{name} does not say what it returns"


@pytest.mark.parametrize(("name", "signature", "thing"), list(functions()))
def test_functions_are_annotated(name, signature, thing):
    empty = inspect.Signature.empty
    assert signature.return_annotation is not empty, f"{name} -> ?"
    for parameter in signature.parameters.values():
        assert parameter.annotation is not empty, f"{name}({parameter.name}: ?)"


@pytest.mark.parametrize(("name", "thing"), list(classes()))
def test_classes_are_documented(name, thing):
    docstring = check_summary(name, thing)
    title = "Parameters"
    if dataclasses.is_dataclass(thing) and section(docstring, title) is None:
        title = "Attributes"  # a record is made by a function, not by its user
    documented = section(docstring, title) or []
    if not is_protocol(thing):  # a protocol is never made, only matched
        assert sorted(documented) == parameters(inspect.signature(thing)), name
    for member_name, member in vars(thing).items():
        if isinstance(member, property) and not member_name.startswith("_"):
            check_summary(f"{name}.{member_name}", member)


@pytest.mark.parametrize("name", jaxneuro.__all__)
def test_lazy_names_resolve(name):
    assert getattr(jaxneuro, name) is not None
    assert name in dir(jaxneuro)


def test_unknown_name():
    with pytest.raises(AttributeError, match="has no attribute 'trff'"):
        _ = jaxneuro.trff


def run_python(code):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_is_light():
    heavy = ["flax", "optax", "pandas", "matplotlib", "sklearn", "jaxneuro.core"]
    loaded = run_python(
        "import jaxneuro, sys\n"
        f"print(*(name for name in {heavy} if name in sys.modules))"
    )
    assert loaded.strip() == ""


@pytest.mark.parametrize("room", ["core", "signal", "trf", "simulate"])
def test_engine_loads_no_door(room):
    heavy = ["flax", "optax", "pandas", "matplotlib", "sklearn"]
    loaded = run_python(
        f"import jaxneuro, sys\njaxneuro.{room}\n"
        f"print(*(name for name in {heavy} if name in sys.modules))"
    )
    assert loaded.strip() == ""


def test_import_leaves_jax_alone():
    """No backend is started and no switch is thrown by the import of every room."""
    code = (
        "import jax\nbefore = dict(jax.config.values)\nimport jaxneuro\n"
        "[getattr(jaxneuro, name) for name in jaxneuro.__all__ if name != 'viz']\n"
        "assert dict(jax.config.values) == before\n"
        "from jax._src import xla_bridge\nassert not xla_bridge._backends\n"
    )
    run_python(code)


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]


def test_version(project):
    assert re.fullmatch(r"\d+\.\d+\.\d+", jaxneuro.__version__)
    assert importlib.metadata.version("jaxneuro") == jaxneuro.__version__
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {jaxneuro.__version__}" in changes
    assert project["dynamic"] == ["version"]


def test_requirements_have_lower_bounds_only(project):
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(one for e in extras.values() for one in e)]
    for requirement in wanted:
        if not requirement.startswith("jaxneuro["):
            assert re.fullmatch(r"[A-Za-z0-9_-]+>=[\d.]+", requirement), requirement


def test_extra_all_means_all(project):
    extras = project["optional-dependencies"]
    named = re.findall(r"[a-z0-9]+", extras["all"][0].removeprefix("jaxneuro"))
    assert set(named) == set(extras) - {"all", "test", "notebooks", "lint"}


def test_types_and_licence_are_shipped():
    folder = Path(jaxneuro.__file__).parent
    assert (folder / "py.typed").is_file()
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")
