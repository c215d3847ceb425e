"""Cleaning ends what dead runs left, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL

import pytest

from harness.live.children import MARKER, ChildLedger
from harness.live.clean import clean
from harness.live.processes import Identity, entry, lives, send

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
FORKER = [
    sys.executable,
    "-c",
    "import os, subprocess, sys, time; "
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True, env={}); "
    "print('up', flush=True); time.sleep(600)",
]


class Started:
    """A process of a test, ended with it whatever happens."""

    def __init__(self, argv: list[str], env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, start_new_session=True, env={**os.environ, **(env or {})}
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"up\n"
        found = entry(self.process.pid)
        assert found is not None
        self.identity = found.identity

    def end(self) -> None:
        send(self.identity, SIGKILL)
        self.process.wait(10)


@pytest.fixture
def started() -> Iterator[list[Started]]:
    processes: list[Started] = []
    yield processes
    for one in processes:
        one.end()


def abandon(state: Path, fill: str, *arguments: str) -> None:
    """Write a ledger by an orchestrator that is killed; `fill` is its code, with `ledger` and `sys.argv[2:]`."""
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom harness.live.children import ChildLedger\n"
        f"ledger = ChildLedger.create('dead', folder=Path(sys.argv[1]))\n{fill}\nos.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(state), *arguments], timeout=30, check=False)


async def test_ends_a_dead_runs_processes_with_their_families(state: Path, started: list[Started]) -> None:
    """The listed process goes, and its child too, though that has a session and an environment of its own."""
    parent = Started(FORKER)
    started.append(parent)
    children = Path(f"/proc/{parent.process.pid}/task/{parent.process.pid}/children").read_text().split()
    child = entry(int(children[0]))
    assert child is not None
    abandon(state, "ledger.process('forker', int(sys.argv[2]))", str(parent.process.pid))
    report = await clean(state)
    assert report.is_clean
    assert not lives(parent.identity)
    assert not lives(child.identity)
    assert list(state.iterdir()) == []


async def test_finds_a_child_that_no_line_names(state: Path, started: list[Started]) -> None:
    """A run killed between starting a child and entering it leaves the child's mark in its environment."""
    abandon(state, "ledger.directory(Path('/tmp/tenant-harness-never-made'))")
    (path,) = state.glob("*.jsonl")
    stray = Started(SLEEPER, {MARKER: path.stem})
    started.append(stray)
    await clean(state)
    assert not lives(stray.identity)


async def test_never_kills_the_next_owner_of_a_pid(state: Path, started: list[Started]) -> None:
    """A pid that was recycled since belongs to somebody else."""
    innocent = Started(SLEEPER)
    started.append(innocent)
    abandon(state, "ledger.process('gone', int(sys.argv[2]))", str(innocent.process.pid))
    (path,) = state.glob("*.jsonl")
    path.write_text(path.read_text().replace(f'"start_ticks":{innocent.identity.start_ticks}', '"start_ticks":1'))
    report = await clean(state)
    assert report.is_clean
    assert lives(innocent.identity)


async def test_never_kills_by_an_earlier_boots_ledger(state: Path, started: list[Started]) -> None:
    """After a reboot even pid and start may coincide; the boot id decides."""
    innocent = Started(SLEEPER)
    started.append(innocent)
    abandon(state, "ledger.process('gone', int(sys.argv[2]))", str(innocent.process.pid))
    (path,) = state.glob("*.jsonl")
    path.write_text(path.read_text().replace('"boot_id":"', '"boot_id":"0'))
    await clean(state)
    assert lives(innocent.identity)


async def test_leaves_a_live_run_alone(state: Path, ledger: ChildLedger, started: list[Started]) -> None:
    """A run that is going on keeps its children, and the report names it."""
    child = Started(SLEEPER, ledger.environment)
    started.append(child)
    item = ledger.process("sleeper", child.process.pid)
    report = await clean(state)
    assert report.live_runs == (ledger.name,)
    assert lives(child.identity)
    ledger.release(item)


async def test_removes_only_folders_of_ours(state: Path, tmp_path: Path) -> None:
    """A scratch folder goes; a path that does not look like one is told and kept, and so is the ledger."""
    ours, foreign = Path(tempfile.mkdtemp(prefix="tenant-harness-")), tmp_path / "precious"
    foreign.mkdir()
    (ours / "file").write_text("x")
    abandon(state, "ledger.directory(Path(sys.argv[2])); ledger.directory(Path(sys.argv[3]))", str(ours), str(foreign))
    report = await clean(state)
    assert not ours.exists()
    assert foreign.exists()
    assert "precious" in report.left[0]
    assert len(list(state.glob("*.jsonl"))) == 1


async def test_heals_what_a_dead_run_broke(state: Path, tmp_path: Path) -> None:
    """A fault outside the stack is undone by its recorded command; one that can't be undone is told."""
    healed = tmp_path / "healed"
    abandon(state, "ledger.heal('redis.cut', ('touch', sys.argv[2])); ledger.heal('disk', ('false',))", str(healed))
    report = await clean(state)
    assert healed.exists()
    assert len(report.left) == 1
    assert "disk" in report.left[0]


def test_a_process_that_never_was_is_not_alive() -> None:
    """An identity with a pid that nobody has is gone, not an error."""
    assert not lives(Identity(2**22 - 1, 1))
    assert not send(Identity(2**22 - 1, 1), SIGKILL)
