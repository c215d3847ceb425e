"""Reads `/proc`: who is whose child, and whether a pid is still the process it was. Signals only what it can prove."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PROC = Path("/proc")
GONE_STATES = frozenset("ZX")


@dataclass(frozen=True, slots=True)
class Identity:
    """One process for good: its pid, and its start in ticks since boot, which a later owner of the pid won't share."""

    pid: int
    start_ticks: int


@dataclass(frozen=True, slots=True)
class ProcessEntry:
    """One line of the process table (`proc_pid_stat(5)`)."""

    identity: Identity
    parent: int
    session: int
    state: str


@cache
def boot_id() -> str:
    """Differs after every boot: pids and start ticks of another boot mean nothing."""
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def entry(pid: int) -> ProcessEntry | None:
    """The process of this pid, or None where there is none."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    # The program's name stands in parentheses and may hold anything, spaces and parentheses included.
    fields = text[text.rindex(")") + 2 :].split()
    return ProcessEntry(Identity(pid, int(fields[19])), parent=int(fields[1]), session=int(fields[3]), state=fields[0])


def table() -> list[ProcessEntry]:
    """Every process of the machine that this user can see."""
    pids = [int(name) for name in os.listdir(PROC) if name.isdigit()]  # noqa: PTH208 - listdir is three times as fast
    return [found for pid in pids if (found := entry(pid))]


def lives(identity: Identity) -> bool:
    """Whether this very process still runs; a zombie, dead but not yet reaped, does not."""
    found = entry(identity.pid)
    return found is not None and found.identity == identity and found.state not in GONE_STATES


def family(leader: Identity) -> list[Identity]:
    """The leader, its descendants, and whoever else is in the leader's session, the dead left out.

    Postgres gives each of its processes a session of its own and daemons lose their parent: neither rule alone is
    enough. The leader comes first where it lives.
    """
    processes = [process for process in table() if process.state not in GONE_STATES]
    owner = next((process.identity for process in processes if process.identity.pid == leader.pid), None)
    if owner not in (None, leader):
        return []  # The pid has a new owner, which it could only get once the leader's session was empty.
    members = {leader.pid} if owner else set()
    members |= {process.identity.pid for process in processes if process.session == leader.pid}
    while more := {p.identity.pid for p in processes if p.parent in members} - members:
        members |= more
    found = [p.identity for p in processes if p.identity.pid in members]
    return sorted(found, key=lambda member: (member != leader, member.start_ticks))


def marked(marker: str) -> list[Identity]:
    """Processes whose environment carries `marker` (`NAME=value`): children that no ledger line names yet."""
    wanted = marker.encode()
    return [process.identity for process in table() if wanted in _environment(process.identity.pid)]


def send(identity: Identity, number: signal.Signals) -> bool:
    """Signal this very process, never a later owner of its pid. False where it is gone."""
    try:
        descriptor = os.pidfd_open(identity.pid)
    except (ProcessLookupError, OSError):
        return False
    try:
        if not lives(identity):
            return False
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def freeze(leader: Identity) -> list[Identity]:
    """Stop the whole family, the leader first so that it can't fork any more; returns those stopped."""
    stopped: list[Identity] = []
    while fresh := [member for member in family(leader) if member not in stopped]:
        for member in fresh:
            send(member, signal.SIGSTOP)
        stopped += fresh
    return stopped


def slay(leader: Identity) -> list[Identity]:
    """SIGKILL the whole family, frozen first so that none escapes by forking; returns those hit."""
    members = freeze(leader)
    for member in members:
        send(member, signal.SIGKILL)
    return members


def _environment(pid: int) -> list[bytes]:
    try:
        return (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []
