"""The table of kernels, one file per room."""

from importlib import import_module
from pathlib import Path

_STEMS = sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))
FILES = [import_module(f".{stem}", __name__) for stem in _STEMS if stem != "table"]
