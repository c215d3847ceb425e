"""Which stack a run stands on: the one asked for, or with `auto` the best that this machine can offer, and why."""

from __future__ import annotations

from harness.live.children import ChildLedger
from harness.live.prepare import Prepared, backend_command
from harness.live.stack.embedded import EmbeddedStack
from harness.live.stack.model import EnvironmentTrouble
from harness.live.stack.protocol import Stack
from harness.plan import Plan
from harness.record.folder import RunFolder

CONNECTIONS_MAX = 300


async def make_stack(prepared: Prepared, plan: Plan, folder: RunFolder, ledger: ChildLedger) -> Stack:
    """The stack, not yet started. Raises `EnvironmentTrouble` where the one asked for can't be had."""
    asked = prepared.request.stack
    if asked in ("auto", "embedded"):
        return embedded(prepared, plan, folder, ledger, why="asked for" if asked == "embedded" else "no other yet")
    raise EnvironmentTrouble(f"the {asked} stack is not there yet; use --stack embedded")


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
        postgres_connections_max=CONNECTIONS_MAX,
        why=why,
    )
