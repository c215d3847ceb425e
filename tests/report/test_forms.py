"""The other forms: Markdown, JUnit, tables, pictures, the screen. All from the same findings."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from rich.console import Console

from harness.gate import Ruling
from harness.report.figures import figure
from harness.report.markdown import escaped
from harness.report.terminal import summary
from harness.report.write import FORMATS
from tests.report.rendering import HOSTILE, Rendered, eventful, rendered

SCREEN_LINES = 24


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    return rendered(eventful(), tmp_path_factory.mktemp("runs") / "run", formats=FORMATS)


def test_every_form_is_written_beside_the_run(run: Rendered) -> None:
    """`--format` with all of them leaves a file each."""
    for name in ("report.html", "report.md", "verdict.json", "junit.xml", "requests.csv", "requests.parquet"):
        assert (run.folder.path / name).stat().st_size > 100, name
    assert (run.folder.path / "charts" / "latency-response.svg").is_file()


def test_junit_has_a_case_for_each_gate_and_no_false_pass(run: Rendered) -> None:
    """A gate that failed is a failure, one that can't be told an error; the counts agree."""
    suite = ElementTree.parse(run.folder.path / "junit.xml").getroot()[0]
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert len(cases) == len(run.verdict.gates) == int(suite.get("tests", ""))
    for gate in run.verdict.gates:
        case = cases[str(gate.gate)]
        told = {Ruling.PASS: [], Ruling.FAIL: ["failure"], Ruling.UNKNOWN: ["error"]}[gate.ruling]
        assert [child.tag for child in case] == told
    assert int(suite.get("failures", "")) == sum(gate.ruling is Ruling.FAIL for gate in run.verdict.gates) > 0


def test_markdown_has_the_verdict_the_figures_and_no_markup_of_a_run(run: Rendered) -> None:
    """It can be put into a pull request: the values are those of the verdict, tags and cells can't be forged."""
    text = (run.folder.path / "report.md").read_text()
    assert text.startswith(("# ✅", "# ❌", "# ❔"))
    ok = run.verdict.finding("registrations_ok")
    assert ok is not None
    assert f"| {escaped(ok.title)} | {figure(ok.value)} |" in text
    assert "![Response time over time](charts/latency-response.svg)" in text
    assert "<script" not in text
    assert escaped(HOSTILE).count("|") == escaped(HOSTILE).count("\\|")


def test_tables_hold_every_request_as_recorded(run: Rendered) -> None:
    """The Parquet file is the record; the CSV is the same with nothing that a spreadsheet would run."""
    frame = pd.read_parquet(run.folder.path / "requests.parquet")
    recorded = run.record.requests
    assert len(frame) == len(recorded) == 36
    assert (frame["end_ns"] == recorded["end_ns"]).all()
    assert (frame["response_ms"] * 1e6 - (frame["end_ns"] - frame["intended_ns"])).abs().max() < 1
    assert len(pd.read_csv(run.folder.path / "requests.csv")) == 36


def test_a_formula_in_an_error_is_not_run_by_a_spreadsheet(tmp_path: Path) -> None:
    """An error that begins with `=` gets an apostrophe before it."""
    story = eventful(4)
    for row in story.rows["load-0"]:
        if getattr(row, "error", ""):
            object.__setattr__(row, "error", '=HYPERLINK("x")')
    run = rendered(story, tmp_path / "run", formats=("csv",))
    assert "\"'=HYPERLINK(" in (run.folder.path / "requests.csv").read_text()


def test_pictures_are_whole_svg_with_colours_of_their_own(run: Rendered) -> None:
    """They stand alone in a README: well-formed, no variable of the page left in them."""
    for path in (run.folder.path / "charts").glob("*.svg"):
        text = path.read_text()
        assert ElementTree.fromstring(text).tag.endswith("svg")
        assert "var(--" not in text


def test_the_end_of_a_run_fits_on_one_screen(run: Rendered) -> None:
    """Verdict, why, the three figures that matter, the path of the report."""
    console = Console(width=100, record=True, file=Path("/dev/null").open("w"))  # noqa: SIM115 - closed with the process
    console.print(summary(run.verdict, run.folder))
    text = console.export_text()
    assert run.verdict.ruling.word.upper() in text
    assert all(words in text for words in ("potential leaks", "registrations", "a registration", "report.html"))
    assert "\x1b" not in text
    assert len(text.splitlines()) <= SCREEN_LINES
