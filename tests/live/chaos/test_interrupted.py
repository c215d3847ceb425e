"""A run that is ended in the middle of its faults leaves nothing broken: every kind of fault is in force at once."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from harness.clock import wait_until
from tests.e2e.product import COMES_WITHIN_S, Product

pytestmark = pytest.mark.e2e

# A process that is gone, a toxic, a setting of a database, sessions that are held, a process that is frozen: each
# begins once the one before is there, since a frozen Postgres could not be asked any more.
SCENARIO = """
name = "everything"
proves = "whatever is broken is healed on every way out"
[load]
model = "open"
registrations = 2000
rate_per_s = 5
[[faults]]
fault = "redis.kill"
at_registration = 1
[[faults]]
fault = "network.partition"
at_registration = 1
options = { edge = "redis" }
[[faults]]
fault = "postgres.database_refused"
at_registration = 2
[[faults]]
fault = "postgres.connections_exhausted"
at_registration = 5
[[faults]]
fault = "postgres.hang"
at_registration = 14
[observe]
settle_s = 0.1
"""
BROKEN = {
    "redis.kill#1",
    "network.partition#1",
    "postgres.database_refused#1",
    "postgres.connections_exhausted#1",
    "postgres.hang#1",
}


@pytest.fixture
def product(tmp_path: Path) -> Product:
    return Product(tmp_path)


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "everything.toml"
    path.write_text(SCENARIO)
    return path


async def in_force(product: Product) -> None:
    await wait_until(
        lambda: faults(product, "injected") == BROKEN, what="all faults to be in force", timeout_s=2 * COMES_WITHIN_S
    )


def in_order(product: Product, state: str) -> list[str]:
    rows = [row for row in product.rows("conductor") if row.get("state") == state]
    return [row["fault"] for row in sorted(rows, key=lambda row: int(row["at_ns"]))]


def faults(product: Product, state: str) -> set[str]:
    return {row["fault"] for row in product.rows("conductor") if row.get("state") == state}


async def test_ctrl_c_heals_all_kinds_last_first(product: Product, scenario: Path) -> None:
    """Every fault is healed and recorded so, in the reverse order of their beginnings, and everything is ended."""
    process = product.start_run(scenario)
    await in_force(product)
    process.send_signal(signal.SIGINT)
    code, output = product.ended(process)
    assert code == 130, output
    assert in_order(product, "healed") == in_order(product, "injected")[::-1]
    assert product.left_behind() == []


async def test_kill_9_leaves_nothing_that_a_cleaning_does_not_end(product: Product, scenario: Path) -> None:
    """Killed without a word amid all faults, frozen processes and all: the next cleaning ends everything."""
    process = product.start_run(scenario)
    await in_force(product)
    process.kill()
    process.wait(10)
    assert product.left_behind() != []
    code, output = product.call("clean")
    assert code == 0, output
    assert product.left_behind() == []
