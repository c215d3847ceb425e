"""The page says what `verdict.json` says, whatever a run holds, and needs nothing but itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import altair as alt
import pytest

from harness.finding_names import FINDINGS
from harness.judge.model import Evidence, Finding
from harness.record.folder import RunFolder
from harness.record.reader import read
from harness.record.schema import FinalRead, Request, Trailer
from harness.report.findings import OTHER, section_of
from harness.report.html import html
from harness.report.page import page
from tests.judge.story import Story, healthy
from tests.report.rendering import HOSTILE, Rendered, Seen, eventful, rendered, reported

SIZE_MAX = 2_000_000


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    return rendered(eventful(), tmp_path_factory.mktemp("runs") / "run")


def test_every_number_is_the_one_of_the_verdict_file(run: Rendered) -> None:
    """Each figure carries the exact value of verdict.json, and what a person reads is that value rounded."""
    written = json.loads(run.folder.verdict_file.read_text())
    values = {(item["name"], item["phase"]): item["value"] for item in written["findings"]}
    figures = run.page.figures
    assert len(figures) > 100
    for figure in figures:
        value = values[figure.name, figure.phase]
        assert figure.value == ("" if value is None else repr(value)), figure.name
        if value is not None:
            assert _number(figure.text) == pytest.approx(value, rel=0.006, abs=0.006), figure


def test_every_finding_of_the_verdict_is_on_the_page(run: Rendered) -> None:
    """Nothing that was found is left out."""
    shown = {(figure.name, figure.phase) for figure in run.page.figures}
    assert {(item.name, item.phase) for item in run.verdict.findings} == shown


def test_the_first_screen_answers_the_five_questions(run: Rendered) -> None:
    """Verdict, why, leaks, registrations by outcome, trust: before anything else."""
    first = run.html[: run.html.index('id="main"')]
    seen = Seen()
    seen.feed(first)
    for words in ("Why", "Potential leaks", "Registrations", "12 acknowledged", "Can the figures be trusted?"):
        assert words in seen.text
    assert run.verdict.ruling.word.capitalize() in seen.text
    assert all(why[:60] in seen.text for why in run.verdict.why[:3])


def test_the_page_needs_no_network_and_has_each_id_once(run: Rendered) -> None:
    """No address leads anywhere but into the page or the run folder."""
    page = run.page
    assert len(page.ids) == len(set(page.ids))
    assert [address for address in page.addresses if not address.startswith("data:")] == []
    assert [link for link in page.links if "://" in link or link.startswith(("/", "javascript:"))] == []


def test_every_link_within_the_page_has_a_target(run: Rendered) -> None:
    """A gate leads to its finding, a section to itself; tenants and moments are the script's."""
    page = run.page
    inside = {link[1:] for link in page.links if link.startswith("#") and "=" not in link}
    ruled = {f"finding-{item.name}-{item.phase}" for item in run.verdict.findings}
    asked = {f"finding-{gate.gate.finding}-{gate.gate.phase}" for gate in run.verdict.gates}
    assert inside - set(page.ids) <= asked - ruled


def test_files_of_the_run_are_linked_where_they_are(run: Rendered) -> None:
    """Evidence can be opened from the page."""
    links = [link for link in run.page.links if link.startswith(("events/", "logs/", "plan", "verdict"))]
    assert "events/load-0.jsonl" in links
    assert all((run.folder.path / link).is_file() for link in links)


def test_hostile_text_stays_text(run: Rendered) -> None:
    """A script in a backend's error is shown letter by letter; it makes no element, hides nothing, ends no block."""
    page = run.page
    assert page.tags.count("script") == 4
    assert page.tags.count("style") == 1
    assert "<script>alert(1)</script>␀␛[2J�" in page.text
    assert "\x00" not in run.html
    assert "\u202e" not in run.html


def test_tenants_come_with_requests_ledgers_faults_logs_and_final_read(run: Rendered) -> None:
    """The drill-down has all that is known of one tenant."""
    tenants = {item["tenant"]: item for item in run.payload["tenants"]}
    assert len(tenants) == 12
    third = tenants["t00003"]
    assert [row[0] for row in third["requests"]] == ["register", "write", "read"]
    assert third["requests"][1][4:6] == ["failed", 500]
    assert third["bad"] == 1
    assert set(third["connections"]) == {"claimed by the backend", "seen by Postgres"}
    assert third["log"][0][:2] == ["backend.log", 2]
    assert "login: ok (200)" in third["final"]
    assert tenants["t00005"]["faults"] == ["redis.kill#1"]


def test_charts_mark_faults_and_come_with_their_numbers(run: Rendered) -> None:
    """Every chart over time has the fault bands, and beside every chart stands its table."""
    charts = run.payload["charts"]
    assert run.payload["datasets"]["faults"][0]["label"] == "redis.kill#1"
    for name, chart in charts.items():
        assert not chart["on_time"] or '"name": "faults"' in json.dumps(chart["spec"]), name
    assert run.html.count('class="plot"') == run.html.count('<details class="numbers">') == len(charts)


def test_every_canonical_finding_has_a_section_of_its_own() -> None:
    """None that gates may name ends among the other measurements."""
    for name in FINDINGS:
        assert section_of(Finding(name=name, title=name, value=0)) != OTHER, name


def test_every_chart_is_valid_vega_lite(run: Rendered) -> None:
    """Altair's own check of each specification, which rendering leaves out for speed."""
    for chart in run.payload["charts"].values():
        alt.Chart.from_dict(chart["spec"])


def test_a_run_that_recorded_nothing_is_rendered_and_says_so(tmp_path: Path) -> None:
    """Only a plan: no figure is made up, and what is missing is told."""
    folder = Story(scenario=healthy().scenario, target=healthy().target).write(tmp_path / "run")
    text = reported(folder).page.text
    for words in ("the run was killed", "no request was sent", "no final read", "Not drawn"):
        assert words in text


def test_a_run_that_was_killed_says_what_it_lacks(tmp_path: Path) -> None:
    """No end, no trailer, no final read, a torn line: each is told in the page and in the verdict."""
    story = healthy(6).drop(Trailer, FinalRead)
    story.end = None
    folder = story.write(tmp_path / "run")
    with folder.events_file("load-0").open("a") as file:
        file.write('{"kind":"intent","at_ns":12')
    text = reported(folder).page.text
    for words in ("1 of 1 load workers left no trailer", "1 torn lines in load-0.jsonl", "no final read"):
        assert words in text


def test_a_megabyte_of_text_and_thousands_of_findings_stay_bounded(tmp_path: Path) -> None:
    """However much a backend says, the file stays under two megabytes and tells what it left out."""
    story = healthy(5).change(Request, lambda row: replace(row, outcome="failed", error=HOSTILE * 20_000))
    folder = story.write(tmp_path / "run")
    run = reported(folder, formats=())
    many = [
        Finding(name=f"made_up_{k}", title=HOSTILE * 20_000 if k < 20 else "x", value=k, evidence=_facts(k))
        for k in range(5_000)
    ]
    verdict = replace(run.verdict, findings=[*run.verdict.findings, *many], why=[HOSTILE * 20_000] * 100)
    text = html(page(run.record, verdict))
    assert len(text.encode()) < SIZE_MAX
    assert "4,750 more findings of this section are in" in text


def _facts(number: int) -> list[Evidence]:
    return [Evidence(text=HOSTILE * 1_000, tenant=HOSTILE, source=HOSTILE)] * 50 if number < 20 else []


def test_a_lone_run_is_rendered_wherever_it_lies(tmp_path: Path) -> None:
    """A folder that was copied away, without runs beside it, is a report of its own."""
    folder = healthy(4).write(tmp_path / "elsewhere" / "copy")
    assert "Conclusion" in reported(RunFolder(folder.path)).page.text


def test_the_page_is_the_same_when_it_is_made_again(tmp_path: Path) -> None:
    """No clock and no dice: the same run folder gives the same file."""
    first = rendered(eventful(), tmp_path / "run")
    assert html(page(read(first.folder), first.verdict)) == first.html


def _number(text: str) -> float:
    digits = "".join(letter for letter in text if letter.isdigit() or letter in ".-e")
    scale = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}.get(text.rsplit(maxsplit=1)[-1], 1)
    return float(digits.replace("–", "").strip("e")) * scale
