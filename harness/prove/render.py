"""The detection matrix for people: a page, Markdown, JSON, and a table for the terminal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from rich.table import Table
from rich.text import Text

from harness.prove.matrix import GOOD, Line, counted
from harness.record.folder import write_whole

PAGE, MARKDOWN, DOCUMENT = "matrix.html", "matrix.md", "matrix.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a page says above its table."""

    target: str
    stack: str
    seed: int
    created_at: str
    took_s: float
    lines: list[Line]

    @property
    def holds(self) -> bool:
        return bool(self.lines) and all(line.good for line in self.lines)

    @property
    def headline(self) -> str:
        counts = ", ".join(f"{count} {state}" for state, count in counted(self.lines).items())
        return f"{'The proof holds' if self.holds else 'The proof does not hold'}: {counts or 'nothing was tried'}."


def write(proof: Proof, folder: Path) -> list[Path]:
    """Write the three files; returns their paths."""
    environment = Environment(
        loader=PackageLoader("harness.prove"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("matrix.html.j2").render(proof=proof)
    texts = {PAGE: page, MARKDOWN: markdown(proof), DOCUMENT: document(proof)}
    for name, text in texts.items():
        write_whole(folder / name, text)
    return [folder / name for name in texts]


def document(proof: Proof) -> str:
    """The matrix as JSON, every field of `Line` and `Fired`."""
    said = {**asdict(proof), "holds": proof.holds, "headline": proof.headline}
    return json.dumps(said, indent=1, default=str)


def markdown(proof: Proof) -> str:
    """The matrix as a Markdown table."""
    rows = ["| " + " | ".join(map(_cell, _cells(line))) + " |" for line in proof.lines]
    return "\n".join(
        [
            "# Detection matrix",
            "",
            proof.headline,
            "",
            f"{proof.target}, {proof.stack} stack, seed {proof.seed}, {proof.created_at}, {proof.took_s:.0f} s.",
            "",
            "| | defect | tried in | must fire | what was seen | seconds to detect |",
            "|---|---|---|---|---|---:|",
            *rows,
            "",
        ]
    )


def table(lines: Sequence[Line]) -> Table:
    """The matrix for a terminal."""
    made = Table("", "defect", "tried in", "caught by", "seconds", "evidence", box=None, pad_edge=False)
    for line in lines:
        style = "green" if line.state in GOOD else "red"
        made.add_row(
            Text(line.state, style=style), line.name, line.trial, line.expected, _time(line), Text(_caught(line)[:100])
        )
    return made


def _cells(line: Line) -> list[str]:
    return [_mark(line), f"`{line.name}`", line.trial, line.expected or "nothing", _caught(line), _time(line)]


def _mark(line: Line) -> str:
    return line.state if line.good else f"**{line.state}**"


def _caught(line: Line) -> str:
    if not line.good:
        return line.why
    catch = line.catch
    return f"{catch.why}; {catch.evidence}" if catch and catch.evidence else catch.why if catch else ""


def _time(line: Line) -> str:
    return f"{line.catch.at_s:.1f}" if line.catch and line.catch.at_s is not None else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
