"""Which processes send a run's load: workers here, or a master here and workers wherever they were started."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from harness.live.child import Child
from harness.live.stack import Address
from harness.plan import Plan
from harness.record.folder import RunFolder

Start = Callable[[str, list[str], Path], Child]


def started(plan: Plan, folder: RunFolder, client: Address, go: Path, start: Start) -> list[Child]:
    """Start them all; each worker's rows come to `events/load-<index>.jsonl`. `go` will tell the moment to begin."""
    load = plan.scenario.load
    if not load.has_master:
        return [
            start(f"load-{index}", _local(plan, folder, client, go, index), folder.logs / f"load-{index}.log")
            for index in range(load.processes)
        ]
    children = [start("load-master", _master(plan, folder, client, go), folder.logs / "load-master.log")]
    for index in range(0 if load.workers else load.processes):
        argv = [sys.executable, "-m", "harness.live.load.remote", "--master", load.listen]
        children.append(start(f"load-worker-{index}", argv, folder.logs / f"load-worker-{index}.log"))
    return children


def invitation(plan: Plan) -> list[str]:
    """What a person has to do for the load to begin, and where it can be watched."""
    load = plan.scenario.load
    said = [f"Locust's own page: http://{load.web}/"] if load.web else []
    if load.workers:
        host, _, port = load.listen.rpartition(":")
        here = "THIS-HOST" if host in ("0.0.0.0", "*") else host
        said.append(f"waiting for {load.workers} workers; start each with: harness worker --master {here}:{port}")
    return said


def _local(plan: Plan, folder: RunFolder, client: Address, go: Path, index: int) -> list[str]:
    argv = [sys.executable, "-m", "harness.live.load.worker", "--plan", str(folder.plan_file), "--go", str(go)]
    argv += ["--events", str(folder.events_file(f"load-{index}")), "--host", str(client)]
    return [*argv, "--worker", f"{index}/{plan.scenario.load.processes}"]


def _master(plan: Plan, folder: RunFolder, client: Address, go: Path) -> list[str]:
    load = plan.scenario.load
    argv = [sys.executable, "-m", "harness.live.load.master", "--plan", str(folder.plan_file), "--go", str(go)]
    argv += ["--events", str(folder.events), "--listen", load.listen, "--target", str(client)]
    argv += ["--workers", str(load.generators)]
    return [*argv, "--web", load.web] if load.web else argv
