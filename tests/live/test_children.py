"""The ledger of what was started survives any death of the orchestrator, and never accuses the innocent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.live.children import ChildLedger, LedgerBusy, abandoned, alive, take
from harness.live.processes import entry

CRASH = """
import os, sys
from pathlib import Path
from harness.live.children import ChildLedger
ledger = ChildLedger.create("crashed", folder=Path(sys.argv[1]))
ledger.directory(Path("/tmp/tenant-harness-one"))
ledger.process("two", os.getppid())
ledger.release(ledger.docker("tenant-harness.run=three"))
os.kill(os.getpid(), 9)
"""


def crashed_ledger(folder: Path) -> None:
    subprocess.run([sys.executable, "-c", CRASH, str(folder)], timeout=30, check=False)


def test_every_line_survives_a_kill(state: Path) -> None:
    """After SIGKILL of the orchestrator, the ledger lists what was not released, and only that."""
    crashed_ledger(state)
    (left,) = abandoned(state)
    assert [(item.kind, item.name) for item in left.entries] == [
        ("directory", "tenant-harness-one"),
        ("process", "two"),
    ]
    assert left.same_boot


def test_a_process_is_entered_with_its_start(ledger: ChildLedger) -> None:
    """A pid alone proves nothing; the entry holds the start of the very process."""
    item = ledger.process("me", os.getpid())
    me = entry(os.getpid())
    assert me is not None
    assert item.identity == me.identity


def test_a_live_run_is_left_alone(ledger: ChildLedger, state: Path) -> None:
    """Nobody can take the ledger of a living orchestrator."""
    assert list(abandoned(state)) == []
    assert alive(state) == [ledger.name]
    with pytest.raises(LedgerBusy):
        take(ledger.path)


def test_two_cleanings_never_share_a_ledger(state: Path) -> None:
    """While one cleaning holds a dead run's ledger, another passes it over."""
    crashed_ledger(state)
    first = abandoned(state)
    held = next(first)
    assert list(abandoned(state)) == []
    held.keep()
    assert len(list(abandoned(state))) == 1


def test_a_torn_last_line_costs_only_itself(state: Path) -> None:
    """A line that was being written when the machine stopped does not hide those before it."""
    crashed_ledger(state)
    (path,) = state.glob("*.jsonl")
    with path.open("a") as file:
        file.write('{"id":9,"kind":"proc')
    (left,) = abandoned(state)
    assert len(left.entries) == 2


def test_the_file_goes_when_nothing_is_left(state: Path) -> None:
    """A run that released everything leaves no file; one that did not, does."""
    clean_run = ChildLedger.create("clean", folder=state)
    clean_run.release(clean_run.directory(Path("/tmp/x")))
    clean_run.close()
    assert list(state.iterdir()) == []
    dirty = ChildLedger.create("dirty", folder=state)
    dirty.directory(Path("/tmp/x"))
    dirty.close()
    assert [path.stem for path in state.iterdir()] == [dirty.name]


def test_another_boot_is_told(state: Path) -> None:
    """Pids of an earlier boot name other processes now; the ledger says so."""
    crashed_ledger(state)
    (path,) = state.glob("*.jsonl")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0].replace('"boot_id":"', '"boot_id":"0'), *lines[1:]]) + "\n")
    (left,) = abandoned(state)
    assert not left.same_boot
