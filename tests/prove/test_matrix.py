"""The detection matrix: what counts as detected, and everything that keeps a proof from holding."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.prove.catalogue import Catalogue
from harness.prove.command import exit_code
from harness.prove.matrix import Line, matrix, not_holding
from harness.prove.render import Proof, document, markdown, write
from harness.prove.trying import Fired, Tried

CATALOGUE = Catalogue.model_validate(
    {
        "variable": "DEFECTS",
        "trials": {"calm": {"scenario": "calm.toml"}},
        "defects": {
            "leaky": {"trial": "calm", "finding": "leaks", "also": ["descriptor_growth"], "breaks": "It leaks."},
            "mortal": {"trial": "calm", "finding": "crashes"},
        },
    }
)
LEAKS = Fired(finding="leaks", title="Leaks", why="Leaks: 3, asked for <= 0", evidence="3 of <b>t00001</b>", at_s=1.25)
CRASH = Fired(finding="crashes", title="Crashes", why="Crashes: 1")
DESCRIPTORS = Fired(finding="descriptor_growth", title="Descriptors", why="growth")


def tried(defect: str | None, *fired: Fired, **said: object) -> Tried:
    found = Tried(
        key=defect or "healthy",
        trial="calm",
        defect=defect,
        run="20260101-000000-calm",
        reason="completed",
        detail="",
        took_s=9.0,
        fired=fired,
        passed=tuple({"leaks", "crashes"} - {each.finding for each in fired}),
    )
    return replace(found, **said)  # type: ignore[arg-type]


def line(result: Tried) -> Line:
    (found,) = matrix(CATALOGUE, [result])
    return found


def proof(*results: Tried) -> Proof:
    lines = matrix(CATALOGUE, results)
    return Proof(target="a shop", stack="embedded", seed=1, created_at="2026-01-01", took_s=60.0, lines=lines)


@pytest.mark.parametrize(
    ("result", "state"),
    [
        (tried("leaky", LEAKS), "detected"),
        (tried("leaky", LEAKS, DESCRIPTORS), "detected"),
        (tried("leaky"), "escaped"),
        (tried("leaky", CRASH), "escaped"),
        (tried("leaky", LEAKS, CRASH), "wrong finding"),
        (tried("leaky", passed=(), unknown={"leaks": "no statistics"}), "escaped"),
        (tried("leaky", LEAKS, reason="environment", detail="no port"), "broke"),
        (tried(None), "silent"),
        (tried(None, LEAKS), "false alarm"),
        (tried(None, passed=("leaks",), unknown={"crashes": "nobody looked"}), "blind"),
    ],
)
def test_every_case_has_one_state(result: Tried, state: str) -> None:
    """Only the intended finding detects; what follows from it may fire too, anything else is wrong; the healthy backend
    must pass every finding that a defect of the trial is to be caught by."""
    assert line(result).state == state


def test_what_is_wrong_is_said() -> None:
    """An escape says what its finding said instead; a false alarm what fired, with its evidence."""
    assert "no statistics" in line(tried("leaky", passed=(), unknown={"leaks": "no statistics"})).why
    assert "3 of" in line(tried(None, LEAKS)).why
    assert "crashes: nobody looked" in line(tried(None, passed=("leaks",), unknown={"crashes": "nobody looked"})).why


def test_what_does_not_hold_is_named_again_at_the_end() -> None:
    """The last lines are all that many a CI shows."""
    lines = matrix(CATALOGUE, [tried(None), tried("leaky"), tried("mortal", CRASH)])
    assert not_holding(lines) == ["leaky in calm: escaped, leaks: its gate held"]


@pytest.mark.parametrize(
    ("results", "code"),
    [
        ([tried(None), tried("leaky", LEAKS)], 0),
        ([tried(None), tried("leaky")], 1),
        ([tried(None, LEAKS)], 1),
        ([tried(None), tried("leaky", reason="environment")], 4),
        ([tried("leaky"), tried("mortal", reason="environment")], 1),
        ([], 4),
    ],
)
def test_the_exit_code_says_whether_the_proof_holds(results: list[Tried], code: int) -> None:
    """One escape, wrong finding or false alarm is enough; nothing tried proves nothing."""
    assert exit_code(proof(*results)) == code


def test_the_page_holds_every_case_and_no_text_of_a_run_as_markup(tmp_path: Path) -> None:
    """Evidence comes from answers of a target: it is shown, never run."""
    pages = write(proof(tried(None), tried("leaky", LEAKS), tried("mortal")), tmp_path)
    page = (tmp_path / "matrix.html").read_text()
    assert [path.name for path in pages] == ["matrix.html", "matrix.md", "matrix.json"]
    assert "&lt;b&gt;t00001&lt;/b&gt;" in page
    assert "<b>t00001" not in page
    for part in ("leaky", "It leaks.", "mortal", "escaped", "1.2"):
        assert part in page


def test_the_document_holds_what_the_page_says() -> None:
    """For programs: the same lines, and whether the proof holds."""
    told = json.loads(document(proof(tried("leaky", LEAKS))))
    assert told["holds"] is True
    assert told["lines"][0]["fired"][0]["at_s"] == 1.25


def test_a_cell_keeps_to_its_row() -> None:
    """A pipe or a line's end in the evidence does not break the Markdown table."""
    odd = replace(LEAKS, evidence="a|b\nc")
    rows = [row for row in markdown(proof(tried("leaky", odd))).splitlines() if "`leaky`" in row]
    assert len(rows) == 1
    assert "a\\|b c" in rows[0]
