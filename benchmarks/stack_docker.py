"""How long the services take from nothing to ready in containers, beside plain `docker compose` of the same images.

Images are there already. Compose starts the same images with the same backend from `fixtures/images/compose.yaml`, and
is ready by its own health checks, asked every half second. Rounds alternate; medians are told.
"""

from __future__ import annotations

import asyncio
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.rows import Row
from harness.clock import monotonic_ns
from harness.live.children import ChildLedger
from harness.live.prepare import Prepared, RunRequest, backend_command, prepare
from harness.live.stack import BackendCommand, EnvironmentTrouble, Service
from harness.live.stack.docker import DockerStack
from harness.live.stack.images import Images, load

ROUNDS = 3
COMPOSE_FILE = Path(__file__).parents[1] / "fixtures/images/compose.yaml"
COMPOSE_TIMEOUT_S = 120
OVER_COMPOSE_MAX = 1.2


def run() -> Iterator[Row]:
    command = reference_backend(prepare(RunRequest(scenario="redis-kill")))
    try:
        images = asyncio.run(with_backend(load(), command))
    except EnvironmentTrouble as trouble:
        for name, unit, goal in (("s", "s", None), ("over_compose", "x", OVER_COMPOSE_MAX)):
            yield Row(f"stack_ready_docker_{name}", math.nan, unit, 0, goal, "lower", str(trouble))
        return
    compose = compose_command()
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(ROUNDS):
        ours.append(ready_s(docker(images), command))
        if compose:
            theirs.append(compose_ready_s(compose, images))
    yield Row("stack_ready_docker_s", statistics.median(ours), "s", ROUNDS, None, "lower")
    if theirs:
        yield Row("stack_ready_compose_s", statistics.median(theirs), "s", ROUNDS, None, "lower")
    ratio = statistics.median(ours) / statistics.median(theirs) if theirs else math.nan
    missing = "" if theirs else "neither `docker compose` nor docker-compose is installed"
    yield Row("stack_ready_docker_over_compose", ratio, "x", len(theirs), OVER_COMPOSE_MAX, "lower", missing)


def reference_backend(prepared: Prepared) -> BackendCommand:
    return backend_command(prepared.plan("bench", "docker"), prepared.target_file, {})


async def with_backend(images: Images, command: BackendCommand) -> Images:
    """The images with the backend's built, so that neither side builds while it is timed."""
    with tempfile.TemporaryDirectory() as place:
        ledger = ChildLedger.create("bench")
        stack = docker(images)(command, Path(place), ledger)
        try:
            await stack.prepare_images()
        finally:
            await stack.stop()
            ledger.close()
    return stack.images


def ready_s(make: Callable[[BackendCommand, Path, ChildLedger], DockerStack], command: BackendCommand) -> float:
    """Seconds from a stack that isn't started to a backend that is ready; ended again outside of that time."""

    async def measured(place: Path) -> float:
        ledger = ChildLedger.create("bench")
        stack = make(command, place, ledger)
        try:
            begun = time.perf_counter()
            await stack.start()
            await stack.start_service(Service.BACKEND)
            return time.perf_counter() - begun
        finally:
            await stack.stop()
            ledger.close()

    with tempfile.TemporaryDirectory() as place:
        return asyncio.run(measured(Path(place)))


def docker(images: Images) -> Callable[[BackendCommand, Path, ChildLedger], DockerStack]:
    def make(command: BackendCommand, place: Path, ledger: ChildLedger) -> DockerStack:
        events = place / "proxy.jsonl"
        return DockerStack(
            command, place, "bench", children=ledger, images=images, origin_ns=monotonic_ns(), proxy_events=events
        )

    return make


def compose_command() -> list[str]:
    """The plugin, else the program of its own, the one beside this Python included; empty where none answers."""
    for command in (["docker", "compose"], ["docker-compose"], [str(Path(sys.executable).with_name("docker-compose"))]):
        if not shutil.which(command[0]):
            continue
        if subprocess.run([*command, "version"], check=False, capture_output=True).returncode == 0:
            return [*command, "--file", str(COMPOSE_FILE), "--project-name", f"tenant-harness-bench-{os.getpid()}"]
    return []


def compose_ready_s(compose: list[str], images: Images) -> float:
    named = {"POSTGRES": images.postgres, "REDIS": images.redis, "TOXIPROXY": images.toxiproxy}
    named |= {"BACKEND": images.backend, "PYTHON": images.python}
    env = {**os.environ, **{f"HARNESS_IMAGE_{name}": image for name, image in named.items()}}

    def call(*arguments: str) -> None:
        subprocess.run([*compose, *arguments], env=env, check=True, capture_output=True, timeout=COMPOSE_TIMEOUT_S)

    try:
        begun = time.perf_counter()
        call("up", "--wait", "--no-build", "--quiet-pull")
        return time.perf_counter() - begun
    finally:
        call("down", "--volumes", "--timeout", "1")
