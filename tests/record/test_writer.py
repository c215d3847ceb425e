"""A run folder's rows survive whatever ends the writer."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from harness.record.schema import KINDS, Note, Request, Server, ServerConnection
from harness.record.writer import RowWriter, to_json


@given(st.text())
def test_any_text_becomes_one_line_that_reads_back(text: str) -> None:
    """Line breaks, control characters and lone surrogates of a hostile backend can't break the file."""
    line = to_json(Note(at_ns=1, subject="s", text=text))
    assert line.count(b"\n") == 1
    assert json.loads(line)["text"] == text


@given(
    text=st.text(),
    number=st.integers(0, 2**62),
    maybe=st.none() | st.integers(0, 999),
    tenant_id=st.none() | st.text(),
    flag=st.booleans(),
)
def test_a_request_is_the_same_line_as_any_row(
    text: str, number: int, maybe: int | None, tenant_id: str | None, flag: bool
) -> None:
    """The quick way of writing requests says, byte for byte, what the general way says."""
    row = Request(
        worker=text, n=maybe, tenant=text, step=text, intended_ns=number, start_ns=number, first_byte_ns=maybe,
        end_ns=number, status=maybe, outcome="unknown", error=text, sent=flag, reused=not flag, bytes_received=number,
        tenant_id=tenant_id,
    )  # fmt: skip
    general = json.dumps({"kind": "request", **asdict(row)}, separators=(",", ":")).encode() + b"\n"
    assert to_json(row) == general


def test_nested_rows_are_written_whole() -> None:
    """A sample carries its connections with every field."""
    connection = ServerConnection(
        pid=1, database="d", user="u", application="a", client_port=2, state="idle", opened_ns=3, last_change_ns=4
    )
    row = json.loads(to_json(Server(at_ns=1, connections=[connection])))
    assert row["kind"] == "server"
    assert row["connections"][0]["client_port"] == 2


def test_every_kind_is_known_by_its_own_name() -> None:
    """No two rows share a kind."""
    assert all(KINDS[row.kind] is row for row in KINDS.values())


def test_what_was_written_through_survives_a_kill(tmp_path: Path) -> None:
    """A row appended with `now` is on its way to the disk before the writer goes on."""
    path = tmp_path / "events" / "a.jsonl"
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from harness.record.writer import RowWriter; from harness.record.schema import Note\n"
        "writer = RowWriter(Path(sys.argv[1]))\n"
        "writer.append(Note(at_ns=1, subject='s', text='kept'), now=True)\n"
        "writer.append(Note(at_ns=2, subject='s', text='buffered'))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", code, str(path)], env=env, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert [json.loads(line)["text"] for line in path.read_text().splitlines()] == ["kept"]


def test_closing_writes_what_is_left(tmp_path: Path) -> None:
    """An ordinary end loses nothing, and a second close is harmless."""
    writer = RowWriter(tmp_path / "a.jsonl")
    writer.append(Note(at_ns=1, subject="s", text="t"))
    writer.close()
    writer.close()
    assert (tmp_path / "a.jsonl").read_bytes().count(b"\n") == 1
