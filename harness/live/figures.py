"""What a process and its family use now, by `/proc`."""

from __future__ import annotations

from collections.abc import Callable

import psutil

from harness.live.processes import Identity, entry, family
from harness.live.stack.model import ProcessFigures

NONE = ProcessFigures(pid=0, alive=False)


def of_family(leader: Identity) -> ProcessFigures:
    """Sums over the family; a process that ends while it is asked is left out, a figure that is refused is null."""
    members = [found for member in family(leader) if (found := _of(member.pid))]
    if not members:
        return ProcessFigures(pid=leader.pid, alive=False)
    return ProcessFigures(
        pid=leader.pid,
        alive=any(member.pid == leader.pid for member in members),
        rss_bytes=_sum(members, lambda one: one.rss_bytes),
        descriptors=_sum(members, lambda one: one.descriptors),
        threads=_sum(members, lambda one: one.threads),
        cpu_s=round(sum(one.cpu_s or 0.0 for one in members), 3),
    )


def of_pid(pid: int) -> ProcessFigures | None:
    """The same for whoever has this pid now; None where nobody has."""
    found = entry(pid)
    return of_family(found.identity) if found else None


def of_process(pid: int) -> ProcessFigures | None:
    """Of this one process and nobody else; None where it is gone."""
    return _of(pid)


def _of(pid: int) -> ProcessFigures | None:
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times = process.cpu_times()
            return ProcessFigures(
                pid=pid,
                alive=True,
                rss_bytes=process.memory_info().rss,
                descriptors=_descriptors(process),
                threads=process.num_threads(),
                cpu_s=times.user + times.system,
            )
    except psutil.Error:
        return None


def _descriptors(process: psutil.Process) -> int | None:
    """Another user's open files are not ours to count (a container's, where this user isn't root)."""
    try:
        return process.num_fds()
    except psutil.AccessDenied:
        return None


def _sum(members: list[ProcessFigures], read: Callable[[ProcessFigures], int | None]) -> int | None:
    known = [value for member in members if (value := read(member)) is not None]
    return sum(known) if len(known) == len(members) else None
