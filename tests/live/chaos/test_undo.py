"""What a killed run broke on services that outlive it is put right by the next cleaning."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from harness.live.chaos.undo import Remedy, Undoing
from harness.live.children import ChildLedger
from harness.live.clean import clean
from harness.live.observe import redis
from harness.live.stack import Service, Stack

# Containers end with the run that broke them: only plain processes and what is nobody's can outlive it broken.
pytestmark = [pytest.mark.e2e, pytest.mark.parametrize("stack", ["embedded"], indirect=True)]

KILLED = """
import os, sys
from pathlib import Path
from types import SimpleNamespace
from harness.live.chaos.undo import Remedy, Undoing
from harness.live.children import ChildLedger
from harness.live.stack import Service
ledger = ChildLedger.create("dead", folder=Path(sys.argv[1]))
undoing = Undoing(SimpleNamespace(capabilities=frozenset()), ledger)
allow = ("ALTER DATABASE shut ALLOW_CONNECTIONS true",)
undoing.note(Service.POSTGRES, "database", Remedy(postgres=sys.argv[2], statements=allow))
undoing.note(Service.REDIS, "memory", Remedy(redis=sys.argv[3], settings={"maxmemory": "0"}))
os.kill(os.getpid(), 9)
"""


async def test_cleaning_undoes_what_a_killed_run_noted(stack: Stack, state: Path) -> None:
    """A database that was shut lets people in again, and Redis has its memory back."""
    url = stack.postgres.url("postgres")
    session = await asyncpg.connect(url)
    await session.execute("CREATE DATABASE shut")
    subprocess.run([sys.executable, "-c", KILLED, str(state), url, str(stack.redis)], timeout=60, check=False)
    await session.execute("ALTER DATABASE shut ALLOW_CONNECTIONS false")
    async with redis.session(stack.redis) as client:
        await client.config_set("maxmemory", "1")
        report = await clean(state)
        assert report.is_clean, report.left
        assert len(report.ended) == 2
        assert (await client.config_get("maxmemory"))["maxmemory"] == "0"
    assert await session.fetchval("SELECT datallowconn FROM pg_database WHERE datname = 'shut'")
    await session.close()


def test_nothing_is_noted_of_services_that_end_with_the_run(stack: Stack, ledger: ChildLedger) -> None:
    """A cleaning would find them gone, and could never put them right."""
    Undoing(stack, ledger).note(Service.POSTGRES, "database", Remedy(postgres="postgresql://nobody@127.0.0.1:1/x"))
    assert ledger.entries == ()
