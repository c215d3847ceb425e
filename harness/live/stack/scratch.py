"""Where the data of plain processes lies while a run lasts: in memory where it surely fits, else on disk.

`CREATE DATABASE` copies some 300 files. In memory that takes the same few milliseconds every time; on a disk it waits
for whatever else that disk does, which would be judged as the backend's. A run tells which it was.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import psutil

MEMORY = Path("/dev/shm")
IN_MEMORY = ("tmpfs", "ramfs")
CGROUP = Path("/sys/fs/cgroup")
BASE_BYTES = 768 * 1024**2  # an empty server with its write-ahead log, Redis, and every process of a run
TENANT_BYTES = 10 * 1024**2  # an empty database takes 7.5 MB
SPARE = 1.5


def scratch_parent(tenants: int = 0) -> Path:
    """The folder for data directories of this many tenants: `HARNESS_SCRATCH_DIR`, else memory, else the system's."""
    if given := os.environ.get("HARNESS_SCRATCH_DIR"):
        return Path(given)
    return MEMORY if _has_room(BASE_BYTES + tenants * TENANT_BYTES) else Path(tempfile.gettempdir())


def kind_of(folder: Path) -> str:
    """`in memory` or `on disk`, as a report says it: by the file system, since `/tmp` may be in memory too."""
    mounts = {Path(each.mountpoint): each.fstype for each in psutil.disk_partitions(all=True)}
    place = next((place for place in (folder, *folder.parents) if place in mounts), None)
    return "in memory" if place is not None and mounts[place] in IN_MEMORY else "on disk"


def _has_room(needed: int) -> bool:
    """Whether memory is left over beside what is needed: by the file system, the machine and this control group."""
    if not os.access(MEMORY, os.W_OK | os.X_OK) or not os.path.ismount(MEMORY):
        return False
    file_system = os.statvfs(MEMORY)
    free = [file_system.f_bavail * file_system.f_frsize, psutil.virtual_memory().available, *_left_in_group()]
    return min(free) >= needed * SPARE


def _left_in_group() -> list[int]:
    """What a container's limit leaves; nothing where there is no limit or it can't be read."""
    try:
        limit, used = ((CGROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
        return [] if limit == "max" else [int(limit) - int(used)]
    except (OSError, ValueError):
        return []
