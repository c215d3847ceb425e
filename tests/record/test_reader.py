"""What is read of a run folder, and what a killed writer leaves of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.record import blocks
from harness.record.columns import REQUESTS
from harness.record.reader import Record, Torn
from harness.record.schema import Counters, DatabaseCounters, Note, Server, Statistics, Trailer
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


def test_blocks_of_any_length_are_read_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a block ends changes no row, no place and no number of a torn line."""
    folder = healthy().write(tmp_path / "run")
    load = folder.events_file("load-0")
    lines = load.read_bytes().splitlines(keepends=True)
    last = max(number for number, line in enumerate(lines, 1) if line.startswith(b'{"kind":"request"'))
    lines[last - 1] = lines[last - 1].replace(b'"n":', b'"n":oh')
    load.write_bytes(b"".join(lines) + b'{"kind":"request","worker":"lo')
    whole, small = Record(folder), Record(folder)
    told = (whole.requests, whole.rows(Trailer), whole.torn)
    for bytes_at_once in (1, 700):
        monkeypatch.setattr(blocks, "BLOCK_BYTES", bytes_at_once)
        small = Record(folder)
        assert small.requests.astype(object).equals(told[0].astype(object))
        assert (small.rows(Trailer), small.torn) == told[1:]
    assert [torn.line for torn in whole.torn] == [last, len(lines) + 1]


@pytest.mark.parametrize("text", [b"", b'{"kind":"request"', b"\n", b'{"kind":"requests"}\n'])
def test_a_file_without_a_whole_row_has_none(tmp_path: Path, text: bytes) -> None:
    """A worker that was killed at its first line: nothing was read, and the line is told."""
    folder = healthy().write(tmp_path / "run")
    folder.events_file("load-0").write_bytes(text)
    record = Record(folder)
    assert len(record.requests) == 0
    assert record.torn == ([Torn("load-0.jsonl", 1)] if text else [])


def test_samples_that_list_nothing_are_known_of(tmp_path: Path) -> None:
    """A moment without a connection or a client is not a moment without a sample."""
    story = healthy().change(Server, lambda row: replace(row, connections=[]) if row.at_ns > ns(12) else None)
    record = Record(story.write(tmp_path / "run"))
    for kind in (Server, Statistics):
        assert record.listed(kind).moments.tolist() == [row.at_ns for row in record.rows(kind)]
    assert record.connections["at_ns"].max() <= ns(12)


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
