"""The crash-safe ledger of everything a run started: written before or right as it starts, read by `harness clean`.

One file of JSON lines a run, in a per-user state folder. The orchestrator holds a lock (`flock`) on it while it
lives, which the kernel lets go of however it dies: a ledger that can be locked belongs to a dead orchestrator. A line
is in the kernel's hands before the call returns, so that `kill -9` loses none; a crash of the machine ends the
processes too, which the boot id tells. Every child carries the ledger's name in its environment (`MARKER`), so that
one that was killed for between its start and its line is found all the same.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from harness.clock import utc_now
from harness.live.processes import Identity, boot_id, entry

MARKER = "HARNESS_LEDGER"
EntryKind = Literal["process", "directory", "docker", "heal"]


def state_dir() -> Path:
    """Where ledgers live: `HARNESS_STATE_DIR`, else the XDG state folder of this user."""
    if given := os.environ.get("HARNESS_STATE_DIR"):
        return Path(given).absolute()
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Path(base).absolute() / "tenant-harness"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that must be gone after the run.

    | kind | what to undo it with |
    |---|---|
    | process | `pid` and `start_ticks`: end it and its family |
    | directory | `path`: remove it |
    | docker | `label` (`name=value`): remove containers, networks, volumes that carry it |
    | heal | `argv`: a command that undoes a fault outside the stack, `stdin` what it reads; `name` says which |
    """

    id: int
    kind: EntryKind
    name: str
    pid: int = 0
    start_ticks: int = 0
    path: str = ""
    label: str = ""
    argv: tuple[str, ...] = ()
    stdin: str = ""

    @property
    def identity(self) -> Identity:
        return Identity(self.pid, self.start_ticks)


class LedgerBusy(Exception):
    """The ledger's orchestrator is alive."""


class ChildLedger:
    """What one run started and has not ended yet. Open it before the first child, close it after the last."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.name = path.stem
        self._descriptor = descriptor
        self._open: dict[int, Entry] = {}
        self._next_id = 1

    @classmethod
    def create(cls, run_id: str, *, folder: Path | None = None) -> ChildLedger:
        """A new ledger, locked by this process. Raises `OSError` where the state folder can't be written."""
        folder = folder or state_dir()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        me = entry(os.getpid())
        assert me is not None
        path = folder / f"{run_id}-{me.identity.pid}-{me.identity.start_ticks}.jsonl"
        # Under its own name only once it is locked, so that a cleaning never takes it for a dead one's.
        draft = path.with_suffix(".new")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        ledger = cls(path, descriptor)
        ledger._write({"kind": "owner", "run_id": run_id, "at": utc_now().isoformat(), "boot_id": boot_id()})
        draft.rename(path)
        return ledger

    @property
    def environment(self) -> dict[str, str]:
        """What every child must have in its environment."""
        return {MARKER: self.name}

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What is not released yet, oldest first."""
        return tuple(self._open.values())

    def process(self, name: str, pid: int) -> Entry:
        """A child that was just started. A child that is dead already is entered too: its family may live."""
        found = entry(pid)
        return self._enter(
            Entry(id=0, kind="process", name=name, pid=pid, start_ticks=found.identity.start_ticks if found else 0)
        )

    def directory(self, path: Path) -> Entry:
        """A folder that is about to be made."""
        return self._enter(Entry(id=0, kind="directory", name=path.name, path=str(path.absolute())))

    def docker(self, label: str) -> Entry:
        """A label (`name=value`) that is about to be put on containers, networks and volumes."""
        return self._enter(Entry(id=0, kind="docker", name=label, label=label))

    def heal(self, name: str, argv: tuple[str, ...], *, stdin: str = "") -> Entry:
        """A fault outside the stack that is about to be injected, and the command that undoes it.

        What is secret goes to its `stdin`: arguments of a process are everybody's to read.
        """
        return self._enter(Entry(id=0, kind="heal", name=name, argv=argv, stdin=stdin))

    def release(self, item: Entry) -> None:
        """It is gone; nothing happens where it was released before."""
        if self._open.pop(item.id, None):
            self._write({"kind": "released", "id": item.id})

    def close(self) -> None:
        """Let go of the ledger; the file stays only where something in it was not released."""
        if self._descriptor < 0:
            return
        if not self._open:
            self.path.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = -1

    def _enter(self, item: Entry) -> Entry:
        numbered = Entry(**{**asdict(item), "id": self._next_id})
        self._next_id += 1
        self._open[numbered.id] = numbered
        self._write(asdict(numbered))
        return numbered

    def _write(self, line: dict[str, object]) -> None:
        os.write(self._descriptor, json.dumps(line, separators=(",", ":")).encode() + b"\n")


@dataclass(frozen=True, slots=True)
class AbandonedLedger:
    """The ledger of a dead orchestrator, locked by whoever cleans."""

    path: Path
    descriptor: int
    same_boot: bool
    entries: tuple[Entry, ...]

    @property
    def marker(self) -> str:
        return f"{MARKER}={self.path.stem}"

    def forget(self) -> None:
        """All of it is gone: remove the file, then the lock."""
        self.path.unlink(missing_ok=True)
        os.close(self.descriptor)

    def keep(self) -> None:
        """Something could not be ended: leave the file for the next cleaning."""
        os.close(self.descriptor)


def abandoned(folder: Path | None = None) -> Iterator[AbandonedLedger]:
    """Ledgers whose orchestrator is dead, each locked until `forget` or `keep`."""
    for path in sorted((folder or state_dir()).glob("*.jsonl")):
        try:
            yield take(path)
        except (LedgerBusy, FileNotFoundError):
            continue


def alive(folder: Path | None = None) -> list[str]:
    """Names of the ledgers whose orchestrator lives."""
    return [path.stem for path in sorted((folder or state_dir()).glob("*.jsonl")) if _is_locked(path)]


def take(path: Path) -> AbandonedLedger:
    """Lock a dead orchestrator's ledger and read it. Raises `LedgerBusy` where the orchestrator lives."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise LedgerBusy(path.stem) from error
    boot, entries = _read(path)
    return AbandonedLedger(path, descriptor, same_boot=boot in ("", boot_id()), entries=entries)


def _is_locked(path: Path) -> bool:
    try:
        os.close(take(path).descriptor)
    except LedgerBusy:
        return True
    except FileNotFoundError:
        return False
    return False


def _read(path: Path) -> tuple[str, tuple[Entry, ...]]:
    boot, found = "", dict[int, Entry]()
    for text in path.read_text().splitlines():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            continue  # A torn last line: it was being written when the writer was killed, and promised nothing yet.
        if line["kind"] == "owner":
            boot = line["boot_id"]
        elif line["kind"] == "released":
            found.pop(line["id"], None)
        else:
            found[line["id"]] = Entry(**{**line, "argv": tuple(line["argv"])})
    return boot, tuple(found.values())
