"""Where the data of plain processes goes: into memory where it fits, and where it was told to in any case."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from harness.live.stack import scratch

GIB = 1024**3


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with 8 GiB left in memory and in its file system, and no limit of a group."""
    folder = tmp_path / "shm"
    folder.mkdir()
    monkeypatch.delenv("HARNESS_SCRATCH_DIR", raising=False)
    monkeypatch.setattr(scratch, "MEMORY", folder)
    monkeypatch.setattr(scratch, "CGROUP", tmp_path)
    monkeypatch.setattr(os.path, "ismount", lambda path: path == folder)
    mounts = [SimpleNamespace(mountpoint="/", fstype="ext4"), SimpleNamespace(mountpoint=str(folder), fstype="tmpfs")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: mounts)
    monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(f_bavail=8 * GIB, f_frsize=1))
    available(monkeypatch, 8 * GIB)
    return folder


def available(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=size))


def test_a_small_run_is_in_memory_and_a_large_one_on_disk(memory: Path) -> None:
    """Twenty tenants fit into 8 GiB, a thousand do not."""
    assert scratch.scratch_parent(20) == memory
    assert scratch.kind_of(memory / "run") == "in memory"
    assert scratch.scratch_parent(1000) == Path(tempfile.gettempdir())
    assert scratch.kind_of(Path("/var/tmp")) == "on disk"


def test_a_folder_that_was_named_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else has room."""
    monkeypatch.setenv("HARNESS_SCRATCH_DIR", "/somewhere")
    assert scratch.scratch_parent(20) == Path("/somewhere")


@pytest.mark.parametrize("lack", ["machine", "file system", "group", "mount"])
def test_memory_that_could_run_out_is_not_taken(
    lack: str, memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The least of what the machine, the file system (64 MiB in a plain container) and the group's limit leave."""
    match lack:
        case "machine":
            available(monkeypatch, GIB)
        case "file system":
            monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(f_bavail=64 * 1024**2, f_frsize=1))
        case "group":
            (tmp_path / "memory.max").write_text(f"{2 * GIB}\n")
            (tmp_path / "memory.current").write_text(f"{GIB}\n")
        case "mount":
            monkeypatch.setattr(os.path, "ismount", lambda _path: False)
    assert scratch.scratch_parent(20) == Path(tempfile.gettempdir())
