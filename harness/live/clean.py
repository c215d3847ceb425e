"""Ends what killed runs left behind, by their ledgers: never a live run's, never what it can't prove to be ours."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.clock import WaitTimeout, wait_until
from harness.live.children import AbandonedLedger, Entry, abandoned, alive
from harness.live.processes import Identity, lives, marked, send, slay
from harness.live.stack.embedded import SCRATCH_PREFIX
from harness.live.stack.model import EnvironmentTrouble
from harness.live.stack.postgres_server import release_shared_memory

GONE_TIMEOUT_S = 10.0
HEAL_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanReport:
    """What was ended and removed, what could not be (it stays in its ledger), and the live runs left alone."""

    ended: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    live_runs: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        return not self.left


async def clean(folder: Path | None = None) -> CleanReport:
    """End the leftovers of every dead orchestrator. What fails is told and tried again by the next cleaning."""
    ended: list[str] = []
    left: list[str] = []
    for ledger in abandoned(folder):
        trouble = await _end(ledger, ended)
        left += trouble
        if trouble:
            ledger.keep()
        else:
            ledger.forget()
    return CleanReport(ended=tuple(ended), left=tuple(left), live_runs=tuple(alive(folder)))


async def _end(ledger: AbandonedLedger, ended: list[str]) -> list[str]:
    """End everything of one ledger, newest first within a kind; returns what could not be."""
    run = ledger.path.stem
    trouble = []
    if ledger.same_boot:
        trouble += await _end_processes(ledger, ended)
    undo: dict[str, Callable[[Entry], str]] = {"heal": _heal, "docker": _remove_labelled, "directory": _remove_folder}
    for kind, act in undo.items():
        for item in reversed([item for item in ledger.entries if item.kind == kind]):
            failure = act(item)
            (trouble if failure else ended).append(f"{run}: {kind} {item.name}{failure and ': ' + failure}")
    return trouble


async def _end_processes(ledger: AbandonedLedger, ended: list[str]) -> list[str]:
    """Kill listed processes that are still the same, and those that carry the ledger's mark, with their families."""
    listed = {item.identity: item.name for item in ledger.entries if item.kind == "process"}
    hit: dict[Identity, str] = {}
    for identity, name in listed.items():
        if lives(identity):
            hit |= dict.fromkeys(slay(identity), name)
    for stray in marked(ledger.marker):
        if send(stray, signal.SIGKILL):
            hit.setdefault(stray, listed.get(stray, "a child"))
    ended += [f"{ledger.path.stem}: {text}" for text in _by_name(hit)]
    try:
        await wait_until(
            lambda: not any(lives(identity) for identity in hit), what="killed processes", timeout_s=GONE_TIMEOUT_S
        )
    except WaitTimeout:
        return [f"{ledger.path.stem}: process {name} ({i.pid}) survives SIGKILL" for i, name in hit.items() if lives(i)]
    return []


def _by_name(hit: dict[Identity, str]) -> list[str]:
    """A line for each child: `process postgres (4711 and 14 of its own)`."""
    families: dict[str, list[int]] = {}
    for identity, name in hit.items():
        families.setdefault(name, []).append(identity.pid)
    more = {name: f" and {len(pids) - 1} of its own" if len(pids) > 1 else "" for name, pids in families.items()}
    return [f"process {name} ({pids[0]}{more[name]})" for name, pids in families.items()]


def _remove_folder(item: Entry) -> str:
    path = Path(item.path)
    if not path.name.startswith(SCRATCH_PREFIX):
        return f"{path} is no folder of ours; remove it by hand"
    release_shared_memory(path / "postgres")
    shutil.rmtree(path, ignore_errors=True)
    return f"{path} can't be removed" if path.exists() else ""


def _heal(item: Entry) -> str:
    try:
        done = subprocess.run(
            item.argv, input=item.stdin, capture_output=True, text=True, timeout=HEAL_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{item.argv}: {error}"
    return f"{item.argv}: {done.stderr.strip() or done.returncode}" if done.returncode else ""


def _remove_labelled(item: Entry) -> str:
    # The docker SDK takes a while to import, and most cleanings find no container.
    from docker.errors import DockerException

    from harness.live.stack.engine import connect, remove_labelled

    try:
        client = connect()
        remove_labelled(client, item.label)
        client.close()
    except (EnvironmentTrouble, DockerException, OSError) as error:
        return str(error)
    return ""
