"""The README's code runs, and its commands are the ones that are checked."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    """Fenced blocks and the line of the README where each begins."""
    pattern = rf"^```{language}\n(.*?)^```$"
    for match in re.finditer(pattern, README, flags=re.MULTILINE | re.DOTALL):
        yield README.count("\n", 0, match.start(1)), match[1]


IMPORTS, *EXAMPLES = blocks("python")
COMMANDS = [line for _, text in blocks("sh") for line in text.splitlines() if line]


def run(block, names):
    """Run a block so that a failure shows the README's own line."""
    line, text = block
    exec(compile("\n" * line + text, str(ROOT / "README.md"), "exec"), names)


@pytest.mark.parametrize(
    "block", [pytest.param(block, id=f"line-{block[0]}") for block in EXAMPLES]
)
def test_example_runs(block, tmp_path, monkeypatch):
    """Each example needs the imports only, so that it can be pasted alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    names = {}
    run(IMPORTS, names)
    run(block, names)


def test_two_commands_from_a_fresh_clone():
    demo, tests = COMMANDS
    for command in (demo, tests):
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install ")
    assert demo.endswith(".venv/bin/jaxneuro demo")
    assert tests.endswith("pytest -n auto")


def test_commands_name_extras_that_exist():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    for command in COMMANDS:
        assert re.search(r'"\.\[(\w+)\]"', command)[1] in extras


@pytest.mark.parametrize("words", ["jaxneuro demo", "pytest"])
def test_checks_run_the_commands_of_the_readme(words):
    """The script takes its commands from the README: run its own extraction."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    extraction = re.search(r"^readme\(\) \{.*?^\}$", script, re.MULTILINE | re.DOTALL)
    assert f"readme '{words}'" in script
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"{extraction[0]}; readme '{words}'"],
        env={"root": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() in COMMANDS


def test_links_point_to_files():
    for target in re.findall(r"\]\((?!http|#)([^)]+)\)", README):
        assert (ROOT / target).exists(), target
    for target in re.findall(r'src="(?!http)([^"]+)"', README):
        assert (ROOT / target).exists(), target


def test_no_large_files():
    """One picture, and no generated files beside it."""
    pictures = [path for path in (ROOT / "docs").rglob("*.png")]
    assert len(pictures) == 1
    assert pictures[0].stat().st_size <= 200_000
