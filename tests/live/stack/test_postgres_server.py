"""What the embedded Postgres promises of a commit: nothing by default, everything where that is measured."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from harness.live.children import ChildLedger
from harness.live.stack.postgres_server import PostgresServer


@pytest.mark.parametrize(("durable", "synced"), [(False, "off"), (True, "on")])
async def test_commits_are_synced_only_where_asked_for(tmp_path: Path, *, durable: bool, synced: str) -> None:
    ledger = ChildLedger.create("postgres-tests", folder=tmp_path / "state")
    server = PostgresServer(
        control_database="control",
        log=tmp_path / "postgres.log",
        scratch=tmp_path,
        ledger=ledger,
        connections_max=20,
        durable=durable,
    )
    await server.create()
    try:
        await server.start()
        connection = await asyncpg.connect(server.access.url("control"))
        try:
            told = [await connection.fetchval(f"SHOW {name}") for name in ("fsync", "full_page_writes")]
            assert told == [synced, synced]
        finally:
            await connection.close()
    finally:
        await server.stop()
        server.release()
        ledger.close()
