"""A container's resources as the engine tells them, for where its processes are not this machine's (a VM's engine)."""

from __future__ import annotations

import threading
from typing import Any, cast

import docker
from docker.errors import DockerException

from harness.live.stack.model import ProcessFigures


class EngineStatistics:
    """Follows the engine's stream, one sample a second, until the container is gone. `latest` never waits."""

    def __init__(self, api: docker.APIClient, container_id: str) -> None:
        self.latest = ProcessFigures(pid=0, alive=True)
        self._samples = api.stats(container_id, stream=True, decode=True)
        threading.Thread(target=self._follow, daemon=True, name=f"statistics of {container_id[:12]}").start()

    def _follow(self) -> None:
        try:
            for sample in self._samples:
                self.latest = read(cast(dict[str, Any], sample))
        except (DockerException, OSError, ValueError):
            self.latest = ProcessFigures(pid=0, alive=False)


def read(sample: dict[str, Any]) -> ProcessFigures:
    """One sample of the engine's `stats`. Memory leaves out the file cache that the engine counts in."""
    memory = sample.get("memory_stats", {})
    detail = memory.get("stats", {})
    cache = detail.get("total_inactive_file", detail.get("inactive_file", 0))
    cpu_ns = sample.get("cpu_stats", {}).get("cpu_usage", {}).get("total_usage")
    return ProcessFigures(
        pid=0,
        alive=True,
        rss_bytes=memory["usage"] - cache if "usage" in memory else None,
        threads=sample.get("pids_stats", {}).get("current"),
        cpu_s=cpu_ns / 1e9 if cpu_ns is not None else None,
    )
