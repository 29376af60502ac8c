"""``jaxneuro demo``: every workflow on a sample recording, and a report."""

import argparse
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

from . import _bold, _dstrf, _encoding, _networks, _receptor, _speech, report
from .info import environment

__all__ = ["WORKFLOWS", "Workflow", "run"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Workflow:
    """One part of the demo.

    Attributes
    ----------
    name : str
        What ``--only`` calls it; several parts may share a name.
    section : callable
        Takes the command's options and returns a ``report.Section``.
    fetched : bool
        Whether it needs a recording that is fetched, and so runs with ``--full``.
    """

    name: str
    section: Callable[[argparse.Namespace], report.Section]
    fetched: bool = False


WORKFLOWS = (
    Workflow(name="trf", section=_receptor.section),
    Workflow(name="trf", section=_speech.section, fetched=True),
    Workflow(name="glm", section=_bold.recording),
    Workflow(name="glm", section=_bold.brain),
    Workflow(name="encoding", section=_encoding.section),
    Workflow(name="dstrf", section=_dstrf.section),
    Workflow(name="mei", section=_networks.section),
)

_LEAD = (
    "Every figure and number on this page was computed on this machine, from the data "
    "named in each section, by the command: {command}."
)


def run(options: argparse.Namespace) -> int:
    """Run the chosen workflows and write the report.

    Parameters
    ----------
    options : argparse.Namespace
        Of the command line: out, only, fast, full, dtype.

    Returns
    -------
    int
        Exit code 0.

    Raises
    ------
    ValueError
        If there is no workflow of a chosen name.
    """
    names = list(dict.fromkeys(workflow.name for workflow in WORKFLOWS))
    chosen = options.only or names
    for name in chosen:
        if name not in names:
            known = ", ".join(names)
            raise ValueError(f"--only is {name!r} but the workflows are: {known}.")
    sections = []
    for workflow in WORKFLOWS:
        if workflow.name not in chosen or (workflow.fetched and not options.full):
            continue
        start = time.perf_counter()
        section = workflow.section(options)
        seconds = time.perf_counter() - start
        print(f"{section.title}: {section.summary} [{seconds:.0f} s]", flush=True)
        sections.append(section)
    path = report.write(
        Path(options.out) / "report.html",
        "jaxneuro demo",
        sections,
        {**environment(), "arithmetic": options.dtype},
        lead=_LEAD.format(command=_command(options)),
    )
    print(f"Report: {path}")
    return 0


def _command(options: argparse.Namespace) -> str:
    flags = [f"--only {name}" for name in options.only or []]
    flags += [f"--{name}" for name in ("fast", "full") if getattr(options, name)]
    if options.dtype != "float32":
        flags.append(f"--dtype {options.dtype}")
    return " ".join(["jaxneuro demo", *flags])
