"""What a person sees while a run lives."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from harness.live.dashboard import LiveView, panel, watching
from harness.live.progress import Lately, Progress
from harness.live.wire import WireLedger


def view(**changed: object) -> LiveView:
    values: dict[str, object] = {
        "scenario": "redis-kill",
        "phase": "load",
        "elapsed_s": 12.3,
        "progress": Progress(planned=100, started=40, ok=30, failed=2, unknown=1, operations=55, lag_max_ms=1.5),
        "lately": Lately(requests=60, not_ok=4, p95_ms=230.0, workers=2, workers_running=2),
        "faults": ["redis.kill#1"],
        "leaks": 0,
        "claimed": 31,
        "server": 33,
        "wire": 34,
    }
    return LiveView(**{**values, **changed})  # type: ignore[arg-type]


def shown(one: LiveView) -> str:
    console = Console(file=io.StringIO(), width=120, force_terminal=False)
    console.print(panel(one))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    "word",
    [
        "30 ok", "2 failed", "1 unknown", "7 in flight", "60 to come", "55 operations", "12.0 requests/s",
        "p95 230 ms", "4 not ok", "redis.kill#1", "claimed 31", "Postgres sees 33", "on the wire 34",
        "2 of 2 processes", "1.5 ms late",
    ],
)  # fmt: skip
def test_the_panel_tells(word: str) -> None:
    """Registrations by outcome, rate, p95, ledgers, the fault in force and the generator's health are on one panel."""
    assert word in shown(view())


def test_what_is_not_known_is_a_dash() -> None:
    """No count is made up before a ledger has told one."""
    text = shown(view(claimed=None, server=None, wire=None, leaks=None, faults=[], lately=Lately()))
    assert "claimed -  Postgres sees -  on the wire -" in text
    assert "none" in text


def test_plain_lines_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """In CI there is no panel and no escape sequence: a line for each change that matters, and no line twice."""
    monkeypatch.setenv("CI", "1")
    console = Console(file=io.StringIO(), force_terminal=True, width=200, color_system=None)
    with watching(console) as watch:
        for ok in (0, 1, 2, 30, 31):
            watch.show(view(progress=Progress(planned=100, ok=ok), faults=[]))
        watch.show(view(progress=Progress(planned=100, ok=31, lag_max_ms=900)))
        watch.tell("crash: [the backend] ended")
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert len(lines) == 4
    assert "\x1b" not in console.file.getvalue()
    assert lines[0].startswith("[ 12.3 s] load: 0 of 100 registered; 12.0 requests/s, p95 230 ms, 4 not ok")
    assert "in force: redis.kill#1" in lines[2]
    assert "the generator is 900 ms late" in lines[2]
    assert lines[3] == "crash: [the backend] ended"


def test_the_wire_ledger_counts_what_is_open(tmp_path: Path) -> None:
    """Opened less closed, through the edge to Postgres; refused connections were never open, half a line is no line."""
    path = tmp_path / "proxy.jsonl"
    ledger = WireLedger(path)
    assert ledger.open_connections() is None
    rows = [
        {"kind": "opened", "proxy": "backend-postgres", "connection": 1, "upstream_port": 5},
        {"kind": "opened", "proxy": "backend-postgres", "connection": 2, "upstream_port": 6},
        {"kind": "opened", "proxy": "backend-postgres", "connection": 3, "upstream_port": None},
        {"kind": "closed", "proxy": "backend-postgres", "connection": 3},
        {"kind": "opened", "proxy": "backend-redis", "connection": 1, "upstream_port": 7},
        {"kind": "closed", "proxy": "backend-postgres", "connection": 1},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"kind":"opened","pro')
    assert ledger.open_connections() == 1
    with path.open("a") as file:
        file.write('xy":"backend-postgres","connection":9,"upstream_port":8}\n')
    assert ledger.open_connections() == 2
