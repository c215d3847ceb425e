"""Renders told runs, and reads a page back as a reader's eyes would: its figures, its text, its links."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from harness.judge.document import to_json
from harness.judge.model import Verdict
from harness.judge.verdict import judge
from harness.record.folder import RunFolder
from harness.record.reader import Record, read
from harness.record.schema import Closed, Note, Opened, Request
from harness.report.runtime import unpacked
from harness.report.write import write_reports
from tests.judge.story import Story, broken, healthy, ns

HOSTILE = "<script>alert(1)</script>\x00\x1b[2J\u202e\"'|`# </style>${boom} {{ 7*7 }}"


@dataclass(frozen=True)
class Rendered:
    """A run folder with its reports."""

    folder: RunFolder
    record: Record
    verdict: Verdict
    html: str

    @property
    def page(self) -> Seen:
        seen = Seen()
        seen.feed(self.html)
        return seen

    @property
    def payload(self) -> dict[str, Any]:
        """What the page's script is given."""
        found: dict[str, Any] = json.loads(unpacked(self.page.scripts["packed-data"]))
        return found


@dataclass
class Figure:
    """A `<data>` element: the finding that it shows, the exact value, and the text beside it."""

    name: str
    phase: str
    value: str
    text: str = ""


@dataclass
class Seen(HTMLParser):
    """A page as parsed: its figures, its words, the elements by name, ids and links."""

    figures: list[Figure] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    scripts: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()
        self._script: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values["href"]] if tag == "a" else []
        self.addresses += [values[name] for name in ("src", "href") if name in values and tag != "a"]
        self._script = values.get("id", "") if tag == "script" else None
        if "data-finding" in values:
            self.figures.append(Figure(values["data-finding"], values["data-phase"], values["value"]))

    def handle_endtag(self, tag: str) -> None:
        self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is not None:
            self.scripts[self._script] = self.scripts.get(self._script, "") + data
            return
        self.words.append(data)
        if self.lasttag == "data" and self.figures and not self.figures[-1].text:
            self.figures[-1].text = data

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def rendered(story: Story, path: Path, formats: tuple[str, ...] = ("html",)) -> Rendered:
    """The story written, judged and reported."""
    return reported(story.write(path), formats)


def reported(folder: RunFolder, formats: tuple[str, ...] = ("html",)) -> Rendered:
    record = read(folder)
    verdict = judge(record)
    folder.verdict_file.write_text(to_json(verdict))
    write_reports(folder, record, verdict, formats=formats)
    page = folder.path / "report.html"
    return Rendered(folder, record, verdict, page.read_text() if page.is_file() else "")


def eventful(tenants: int = 12) -> Story:
    """A run in which Redis went away and came back: attempts on the wire, a crash, a failed and a cut-off request."""
    story = broken(healthy(tenants), "redis.kill", 4, 8)
    attempts = [Opened(at_ns=ns(0.6), proxy="backend-redis", connection=1, client="c", upstream_port=5)]
    for number, at_s in enumerate((4.5, 5.0, 6.0), 2):
        refused = Opened(at_ns=ns(at_s), proxy="backend-redis", connection=number, client="c", upstream_port=None)
        attempts.append(replace(refused, error="refused"))
    ends = [
        Closed(at_ns=ns(4), proxy="backend-redis", connection=1, by="upstream", how="rst", bytes_up=9, bytes_down=9)
    ]
    story.add("proxy", *attempts, *ends)
    story.add("conductor", Note(at_ns=ns(9), subject="restart", text=HOSTILE))
    story.change(Request, _troubled)
    story.logs["backend"] = f"redis given up\nshop_id3 was slow {HOSTILE}\n"
    return story


def _troubled(row: Request) -> Request | None:
    if (row.n, row.step) == (3, "write"):
        return replace(row, outcome="failed", status=500, error=HOSTILE)
    if (row.n, row.step) == (4, "read"):
        return replace(row, outcome="unknown", status=None, error="cut off")
    return None
