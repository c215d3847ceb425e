"""Which stack a run stands on: the one asked for, or with `auto` the best that this machine can offer, and why."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from harness.live.children import ChildLedger
from harness.live.load.arrival import arrivals
from harness.live.prepare import Prepared, backend_command
from harness.live.stack.embedded import EmbeddedStack
from harness.live.stack.external import ExternalStack, from_environment
from harness.live.stack.fault_proxy import ProxyChoice
from harness.live.stack.model import EnvironmentTrouble
from harness.live.stack.protocol import Stack
from harness.plan import Plan
from harness.record.folder import RunFolder
from harness.target import Target

CONNECTIONS_MAX = 300
MANY_TENANTS = 1000
ENGINE_SOCKETS = ("/var/run/docker.sock", "/run/docker.sock")
# A real `toxiproxy-server` from the PATH instead of the built-in proxy, on the embedded stack.
TOXIPROXY_VARIABLE = "HARNESS_TOXIPROXY"

Tell = Callable[[str], None]


async def make_stack(
    prepared: Prepared, plan: Plan, folder: RunFolder, ledger: ChildLedger, *, tell: Tell = lambda _: None
) -> Stack:
    """The stack, not yet started. `tell` hears of pulled images, built ones, and of a fallback.

    `auto` takes Docker where an engine answers and the images are there or can be pulled, else embedded.
    Raises `EnvironmentTrouble` where the one asked for can't be had.
    """
    asked = prepared.request.stack
    if asked == "external":
        return external(prepared, plan, folder, ledger)
    if asked == "embedded":
        return embedded(prepared, plan, folder, ledger, why="asked for")
    if asked == "docker":
        return await in_containers(prepared, plan, folder, ledger, why="asked for", tell=tell)
    try:
        return await in_containers(
            prepared, plan, folder, ledger, why="auto: a Docker engine answers and has the images", tell=tell
        )
    except EnvironmentTrouble as trouble:
        why = f"auto: fell back to embedded: {trouble}"
        tell(why)
        return embedded(prepared, plan, folder, ledger, why=why)


def embedded(prepared: Prepared, plan: Plan, folder: RunFolder, ledger: ChildLedger, *, why: str) -> EmbeddedStack:
    """Plain processes."""
    return EmbeddedStack(
        backend_command(plan, prepared.target_file, prepared.request.backend_env),
        folder.logs,
        plan.run_id,
        children=ledger,
        origin_ns=plan.origin_ns,
        proxy_events=folder.events_file("proxy"),
        seed=plan.seed,
        control_database=plan.target.database.control,
        postgres_connections_max=plan.scenario.postgres_connections or CONNECTIONS_MAX,
        tenants=arrivals(plan.scenario.load) or MANY_TENANTS,
        toxiproxy=bool(os.environ.get(TOXIPROXY_VARIABLE)),
        why=why,
    )


async def in_containers(
    prepared: Prepared, plan: Plan, folder: RunFolder, ledger: ChildLedger, *, why: str, tell: Tell
) -> Stack:
    """Containers, with every image at hand. Raises `EnvironmentTrouble`."""
    if not _may_have_an_engine():
        raise EnvironmentTrouble("no Docker engine answers (no socket); start one, or use --stack embedded")
    # Imported here: Testcontainers takes longer to import than the embedded stack to start.
    from harness.live.stack.docker import DockerStack
    from harness.live.stack.images import load

    loop = asyncio.get_running_loop()

    def told(text: str) -> None:
        """Pulls run in threads, and whoever hears of them need not be made for that."""
        loop.call_soon_threadsafe(tell, text)

    command = backend_command(plan, prepared.target_file, prepared.request.backend_env)
    stack = DockerStack(
        replace(command, env={**inherited(plan.target), **command.env}),
        folder.logs,
        plan.run_id,
        children=ledger,
        images=load(),
        origin_ns=plan.origin_ns,
        proxy_events=folder.events_file("proxy"),
        control_database=plan.target.database.control,
        postgres_connections_max=plan.scenario.postgres_connections or CONNECTIONS_MAX,
        why=why,
        tell=told,
    )
    try:
        await stack.prepare_images()
    except BaseException:
        await stack.stop()
        raise
    return stack


def inherited(target: Target, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables of this process that the target file names as settings.

    A backend that is a plain process has them by itself; one in a container must get them to behave the same.
    """
    env = os.environ if environment is None else environment
    return {name: env[name] for name in target.settings.values() if name in env}


def external(prepared: Prepared, plan: Plan, folder: RunFolder, ledger: ChildLedger) -> ExternalStack:
    """What runs already, by the `HARNESS_EXTERNAL_*` variables."""
    start, health = plan.target.start, plan.target.health
    return ExternalStack(
        from_environment(control_database=plan.target.database.control),
        folder.logs,
        children=ledger,
        proxy=ProxyChoice(events=folder.events_file("proxy"), origin_ns=plan.origin_ns, seed=plan.seed),
        ready=start.ready if start else health.ready or health.check,
    )


def _may_have_an_engine() -> bool:
    """Whether an engine listens where the system's or this user's own (rootless) does, or somewhere named."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    sockets = (*ENGINE_SOCKETS, f"{runtime}/docker.sock") if runtime else ENGINE_SOCKETS
    return bool(os.environ.get("DOCKER_HOST")) or any(Path(socket).exists() for socket in sockets)
