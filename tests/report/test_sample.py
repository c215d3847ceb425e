"""The sample of the repository is a real run's, and tells nothing of the machine that made it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harness.report.runtime import unpacked
from harness.report.sample import HOST, make_sample, scrubbed
from tests.judge.story import healthy
from tests.report.rendering import Seen, reported

COMMITTED = Path(__file__).parents[2] / "reports" / "sample"
A_PLACE = re.compile(r"(?<![\w./])/(tmp|root|home|work|var)/")


def test_places_of_the_machine_are_replaced_in_texts() -> None:
    """Paths in logs go, addresses of an API stay."""
    told = "cwd=/home/ada/x, data in '/tmp/h-1/pg' GET /api/v2/login"
    assert scrubbed(told) == "cwd=/somewhere, data in '/somewhere' GET /api/v2/login"


def test_a_sample_has_three_forms_and_no_trace(tmp_path: Path) -> None:
    """Report, Markdown and verdict, with the host and the paths of the plan left out."""
    story = healthy(4)
    story.logs["backend"] = "id3 at /home/adalovelace/secret\n"
    folder = story.write(tmp_path / "runs" / "run")
    plan = folder.plan()
    machine = plan.machine.model_copy(update={"host": "adalovelace-laptop"})
    folder.write_plan(plan.model_copy(update={"scenario_file": "/home/adalovelace/told.toml", "machine": machine}))
    reported(folder)
    target = tmp_path / "sample"
    assert {path.name for path in make_sample(folder.path, target)} >= {"report.html", "report.md", "verdict.json"}
    for path in target.rglob("*"):
        text = path.read_text() if path.is_file() else ""
        assert "adalovelace" not in text, path
    assert json.loads((target / "verdict.json").read_text())["facts"]["machine"]["host"] == HOST


@pytest.mark.skipif(not COMMITTED.is_dir(), reason="there is no checkout with a sample here")
def test_the_committed_sample_tells_nothing_of_a_machine() -> None:
    """Neither in its text nor in the data that it carries."""
    page = Seen()
    page.feed((COMMITTED / "report.html").read_text())
    texts = [page.text, unpacked(page.scripts["packed-data"])]
    texts += [(COMMITTED / name).read_text() for name in ("report.md", "verdict.json")]
    assert not any(A_PLACE.search(text) for text in texts)


@pytest.mark.skipif(not COMMITTED.is_dir(), reason="there is no checkout with a sample here")
def test_the_committed_sample_agrees_with_its_verdict() -> None:
    """Its page shows the numbers of its verdict.json."""
    page = Seen()
    page.feed((COMMITTED / "report.html").read_text())
    findings = json.loads((COMMITTED / "verdict.json").read_text())["findings"]
    values = {(item["name"], item["phase"]): item["value"] for item in findings}
    assert len(page.figures) > 100
    for figure in page.figures:
        value = values[figure.name, figure.phase]
        assert figure.value == ("" if value is None else repr(value))
