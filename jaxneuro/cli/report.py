"""A self-contained HTML page: text, figures, tables, times and where data come from."""

import base64
import dataclasses
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

__all__ = ["Figure", "Section", "Source", "Table", "render", "write"]

_BADGES = {
    "real": "real recording",
    "mixed": "real stimulus, simulated responses",
    "simulated": "simulated",
    "given": "your data",
}
_DPI = 160


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """Where data come from.

    Attributes
    ----------
    kind : {"real", "mixed", "simulated", "given"}
        Recorded, simulated responses to a real stimulus, simulated altogether, or
        given by the user.
    description, citation, licence : str
        What it is, whom to cite, how it may be used; empty where nothing applies.
    """

    kind: Literal["real", "mixed", "simulated", "given"]
    description: str
    citation: str = ""
    licence: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Figure:
    """A Matplotlib figure with its caption.

    Attributes
    ----------
    figure : matplotlib.figure.Figure
        What is drawn.
    caption : str
        Text below it, and for readers who do not see it.
    """

    figure: Any
    caption: str


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Rows of text and numbers.

    Attributes
    ----------
    header : sequence of str
        Names of the columns.
    rows : sequence of sequence
        Entries; floats are written with four digits.
    caption : str
        Text above it.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[object]]
    caption: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Section:
    """One analysis.

    Attributes
    ----------
    title : str
        Heading.
    source : Source
        Where its data come from.
    paragraphs : sequence of str
        Plain text.
    tables : sequence of Table
        Scores.
    figures : sequence of Figure
        Figures in reading order.
    times : sequence of tuple (str, float, float)
        Step, seconds of its first call, and of the same call again.
    summary : str
        One line for the terminal.
    """

    title: str
    source: Source
    paragraphs: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()
    times: Sequence[tuple[str, float, float]] = ()
    summary: str = ""


def render(
    title: str,
    sections: Sequence[Section],
    environment: Mapping[str, str],
    *,
    lead: str = "",
) -> str:
    """Write sections as one HTML page that needs nothing else.

    Parameters
    ----------
    title : str
        Title of the page.
    sections : sequence of Section
        In reading order.
    environment : mapping of str
        Versions and devices.
    lead : str
        Sentence below the title.

    Returns
    -------
    str
        The page. All text is escaped; figures are embedded.
    """
    links = "".join(
        f'<li><a href="#section-{index}">{_text(section.title)}</a></li>'
        for index, section in enumerate(sections)
    )
    contents = f"<nav><ol>{links}</ol></nav>" if len(sections) > 1 else ""
    body = "".join(_section(section, index) for index, section in enumerate(sections))
    entries = "".join(
        f"<div><dt>{_text(name)}</dt><dd>{_text(value)}</dd></div>"
        for name, value in environment.items()
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{_text(title)}</title><style>{_CSS}</style></head>\n<body>"
        f"<header><h1>{_text(title)}</h1>"
        f'<p class="lead">{_text(lead)}</p>{contents}</header>\n<main>{body}</main>\n'
        f'<footer><h2>Versions and devices</h2><dl class="grid">{entries}</dl>'
        "</footer></body></html>\n"
    )


def write(
    path: str | Path,
    title: str,
    sections: Sequence[Section],
    environment: Mapping[str, str],
    *,
    lead: str = "",
) -> Path:
    """Write the page of :func:`render` to a file.

    Parameters
    ----------
    path : path
        File to write; its folder is made where it is missing.
    title : str
        Title of the page.
    sections : sequence of Section
        In reading order.
    environment : mapping of str
        Versions and devices.
    lead : str
        Sentence below the title.

    Returns
    -------
    pathlib.Path
        The file.
    """
    path = Path(path)
    page = render(title, sections, environment, lead=lead)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return path


def _text(value: object) -> str:
    return html.escape(str(value))


def _section(section: Section, index: int) -> str:
    times = ()
    if section.times:
        rows = [
            (step, _seconds(first - again), _seconds(again))
            for step, first, again in section.times
        ]
        times = (Table(header=("Step", "Compile", "Run"), rows=rows, caption="Times"),)
    parts = [
        f'<section id="section-{index}"><h2>{_text(section.title)}</h2>',
        _source(section.source),
        *(f"<p>{_text(paragraph)}</p>" for paragraph in section.paragraphs),
        *(_table(table) for table in section.tables),
        *(_figure(figure) for figure in section.figures),
        *(_table(table) for table in times),
        "</section>\n",
    ]
    return "".join(parts)


def _source(source: Source) -> str:
    cite = f"<br>Cite: {_text(source.citation)}" if source.citation else ""
    licence = f"<br>Licence: {_text(source.licence)}" if source.licence else ""
    return (
        f'<p class="source"><span class="badge {source.kind}">'
        f"{_BADGES[source.kind]}</span> {_text(source.description)}{cite}{licence}</p>"
    )


def _seconds(value: float) -> str:
    """Time with the digits that a reader wants; noise around zero is zero."""
    value = max(value, 0.0)
    return f"{value:.2f} s" if value >= 1 else f"{1e3 * value:.0f} ms"


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in table.header)
    body = "".join(
        "<tr>" + "".join(_cell(entry) for entry in row) + "</tr>" for row in table.rows
    )
    caption = f"<caption>{_text(table.caption)}</caption>" if table.caption else ""
    return (
        f'<div class="scroll"><table>{caption}<thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(entry: object) -> str:
    if isinstance(entry, float):
        return f'<td class="number">{entry:.4g}</td>'
    number = str(entry).lstrip("+-")[:1].isdigit()
    kind = ' class="number"' if number else ""
    return f"<td{kind}>{_text(entry)}</td>"


def _figure(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.figure.savefig(buffer, format="png", dpi=_DPI, facecolor="white")
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    # Its size in inches, so that text is equally large in all figures.
    width = figure.figure.get_figwidth()
    caption = _text(figure.caption)
    return (
        f'<figure><img style="width:{width:.1f}in" alt="{caption}" '
        f'src="data:image/png;base64,{data}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


_CSS = """
:root { --ink: #1b1f24; --soft: #57606a; --line: #d8dee4; --page: #ffffff;
  --card: #f6f8fa; --accent: #0b6aa2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9aa4ae;
  --line: #30363d; --page: #0d1117; --card: #161b22; --accent: #6cb6ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.5rem; max-width: 60rem; color: var(--ink);
  background: var(--page); font: 16px/1.55 system-ui, "Segoe UI", Roboto,
  "DejaVu Sans", sans-serif; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.4rem; line-height: 1.3; margin: 0 0 .8rem; }
p { max-width: 46rem; margin: 0 0 1rem; }
a { color: var(--accent); }
.lead { font-size: 1.1rem; color: var(--soft); }
section, footer { border-top: 1px solid var(--line); margin-top: 2.5rem;
  padding-top: 2rem; }
.source { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: .8rem 1rem; font-size: .9rem; color: var(--soft); max-width: none; }
.badge { display: inline-block; padding: 0 .6em; margin-right: .4em; color: #fff;
  border-radius: 1em; font-weight: 600; background: #1a7f4b; }
.badge.mixed { background: #9a5b00; }
.badge.simulated { background: #b3380e; }
.badge.given { background: #0b6aa2; }
figure { margin: 1.6rem 0; break-inside: avoid; }
img { display: block; max-width: 100%; height: auto; background: #fff;
  border: 1px solid var(--line); border-radius: 8px; padding: 8px; }
figcaption { color: var(--soft); font-size: .9rem; margin-top: .5rem;
  max-width: 46rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: 0 0 1.6rem; font-size: .95rem;
  font-variant-numeric: tabular-nums; break-inside: avoid; }
caption { text-align: left; font-weight: 600; padding-bottom: .4rem; }
th, td { text-align: left; padding: .35rem 1.4rem .35rem 0;
  border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; }
td.number { white-space: nowrap; }
dl.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr));
  gap: .1rem 2rem; margin: 0; font-size: .9rem; }
dl.grid div { display: flex; gap: .8rem; justify-content: space-between;
  border-bottom: 1px solid var(--line); padding: .2rem 0; }
dt { color: var(--soft); }
dd { margin: 0; text-align: right; overflow-wrap: anywhere; }
@media print { body { max-width: none; padding: 0; font-size: 11pt; }
  nav { display: none; } h2, caption { break-after: avoid; }
  footer { break-inside: avoid; }
  .badge { border: 1px solid #000; color: #000; background: none !important; } }
"""
