"""What is read of a run folder, and what a killed writer leaves of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.record.columns import REQUESTS
from harness.record.reader import Record, Torn
from harness.record.schema import Counters, DatabaseCounters, Note, Server, Statistics
from tests.judge.story import healthy, ns


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return Record(healthy().write(tmp_path / "run"))


def test_requests_are_a_frame_in_order_of_their_start(record: Record) -> None:
    """Every request of every worker, whatever other rows lie between them."""
    assert list(record.requests.columns) == list(REQUESTS)
    assert len(record.requests) == 36
    assert record.requests["start_ns"].is_monotonic_increasing
    assert set(record.requests["step"]) == {"register", "write", "read"}


def test_an_empty_folder_has_an_empty_frame(tmp_path: Path) -> None:
    """Nothing was sent: no rows, but their columns."""
    story = healthy()
    story.rows = {}
    record = Record(story.write(tmp_path / "run"))
    assert list(record.requests.columns) == list(REQUESTS)
    assert len(record.requests) == 0
    assert len(record.connections) == 0
    assert record.rows(Note) == []


def test_the_connections_of_all_samples_are_one_frame(record: Record) -> None:
    """As many rows as the samples hold connections, with the moment of their sample."""
    held = sum(len(row.connections) for row in record.rows(Server))
    assert len(record.connections) == held
    assert record.connections["at_ns"].nunique() == len(record.rows(Server))
    assert (record.connections["client_port"] == record.connections["pid"]).all()


def test_rows_without_their_lists_are_the_same_but_for_those(record: Record) -> None:
    """For kinds whose lists are long and seldom needed."""
    whole, lean = record.rows(Statistics), record.scalars(Statistics)
    assert [(row.at_ns, row.created, row.redis_state) for row in lean] == [
        (row.at_ns, row.created, row.redis_state) for row in whole
    ]
    assert whole[-1].tenants
    assert lean[-1].tenants == []


def test_the_last_row_before_a_moment_is_found_alone(record: Record) -> None:
    """Without reading the others; null where there is none."""
    last = record.last(Server, before_ns=ns(5))
    assert last is not None
    assert last.at_ns == max(row.at_ns for row in record.rows(Server) if row.at_ns < ns(5))
    assert record.last(Note) is None


def test_a_torn_line_costs_only_itself(tmp_path: Path) -> None:
    """In the middle of a worker's file, at the end of the observers', and a line that is no row."""
    folder = healthy().write(tmp_path / "run")
    load = folder.events_file("load-0")
    lines = load.read_bytes().splitlines(keepends=True)
    number = next(number for number, line in enumerate(lines, 1) if line.startswith(b'{"kind":"request"'))
    lines[number - 1] = lines[number - 1].replace(b'"n":1', b'"n":oh')
    load.write_bytes(b"".join([*lines, b"no row\n"]))
    with folder.events_file("observe").open("ab") as file:
        file.write(b'{"kind":"server","at_ns":1,"conn')
    record = Record(folder)
    assert len(record.requests) == 35
    assert len(record.connections) > 0
    observed = len(folder.events_file("observe").read_bytes().splitlines())
    assert record.torn == [
        Torn("load-0.jsonl", number),
        Torn("load-0.jsonl", len(lines) + 1),
        Torn("observe.jsonl", observed),
    ]


def test_a_row_of_the_wrong_form_is_torn_too(tmp_path: Path) -> None:
    """A line that reads as JSON but lacks what its kind must have."""
    folder = healthy().write(tmp_path / "run")
    with folder.events_file("conductor").open("a") as file:
        file.write('{"kind":"note","at_ns":"soon"}\n')
    record = Record(folder)
    assert record.rows(Note) == []
    assert [torn.file for torn in record.torn] == ["conductor.jsonl"]


def test_fields_of_a_newer_harness_are_left_out(tmp_path: Path) -> None:
    """An old reader reads a newer folder as far as it knows it."""
    story = healthy().add("conductor", Note(at_ns=1, subject="s", text="t"))
    folder = story.write(tmp_path / "run")
    path = folder.events_file("conductor")
    path.write_text(path.read_text().replace('"subject":"s"', '"subject":"s","mood":"fine"'))
    assert Record(folder).rows(Note) == [Note(at_ns=1, subject="s", text="t")]


def test_nested_rows_come_back_whole(tmp_path: Path) -> None:
    """Every database's counters, as they were written."""
    counted = DatabaseCounters(
        database="d", connected=1, sessions=2, abandoned=0, fatal=0, killed=0, commits=3, rollbacks=0
    )
    story = healthy().add("observe", Counters(at_ns=5, databases=[counted]))
    assert Record(story.write(tmp_path / "run")).rows(Counters) == [Counters(at_ns=5, databases=[counted])]
