"""Makes the stacks that the end-to-end tests run on, with the probe backend on them."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

import pytest

from harness.clock import monotonic_ns
from harness.live.children import ChildLedger
from harness.live.stack import BackendCommand, EnvironmentTrouble, Stack
from harness.live.stack.embedded import EmbeddedStack

PROBE = Path(__file__).parent / "probe_backend"
PROBE_COMMAND = BackendCommand(
    argv=("{python}", str(PROBE / "probe.py")),
    env={
        "PROBE_HOST": "{host}",
        "PROBE_PORT": "{port}",
        "PROBE_POSTGRES": "{postgres_host}:{postgres_port}",
        "PROBE_REDIS": "{redis_host}:{redis_port}",
    },
    ready="/health",
    ready_timeout_s=20,
    stop_timeout_s=5,
    dockerfile=str(PROBE / "Dockerfile"),
)


def lacking(what: str, reason: str) -> None:
    """Skip for lack of something, unless `HARNESS_REQUIRE` (a comma list) says that it must be there."""
    if what in os.environ.get("HARNESS_REQUIRE", "").split(","):
        pytest.fail(f"{what} is required here: {reason}")
    pytest.skip(reason)


def see_docker() -> None:
    """Skip or fail where no engine answers or an image is missing (none is pulled for a test)."""
    from harness.live.stack.engine import connect
    from harness.live.stack.images import load, missing

    try:
        client = connect()
    except EnvironmentTrouble as trouble:
        lacking("docker", str(trouble))
        return
    if absent := missing(client, load()):
        lacking("docker", f"images missing: {', '.join(absent)}; fixtures/images/offline/build makes stand-ins")
    client.close()


def make(kind: str, ledger: ChildLedger, logs: Path, command: BackendCommand = PROBE_COMMAND) -> Stack:
    """A stack of that kind, not started. Skips or fails where this machine can't have it."""
    events = logs.parent / "events" / "proxy.jsonl"
    if kind == "docker":
        see_docker()
        from harness.live.stack.docker import DockerStack
        from harness.live.stack.images import load

        return DockerStack(
            command, logs, "test", children=ledger, images=load(), origin_ns=monotonic_ns(), proxy_events=events
        )
    real = kind == "embedded-toxiproxy"
    if real and not shutil.which("toxiproxy-server"):
        lacking("toxiproxy", "no toxiproxy-server on the PATH")
    if not real and importlib.util.find_spec("harness.proxy.__main__") is None:
        lacking("proxy", "the built-in proxy is not there")
    return EmbeddedStack(
        command, logs, "test", children=ledger, origin_ns=monotonic_ns(), proxy_events=events, toxiproxy=real
    )
