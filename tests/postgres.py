"""An embedded Postgres for one test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from harness.live.children import ChildLedger
from harness.live.stack.model import PostgresAccess
from harness.live.stack.postgres_server import PostgresServer


@asynccontextmanager
async def embedded_postgres(folder: Path, *, durable: bool = False) -> AsyncIterator[PostgresAccess]:
    """Its data, its log and what is known of its processes lie in `folder`; it has a control database `control`."""
    ledger = ChildLedger.create("postgres-tests", folder=folder / "state")
    server = PostgresServer(
        control_database="control",
        log=folder / "postgres.log",
        scratch=folder,
        ledger=ledger,
        connections_max=20,
        durable=durable,
    )
    try:
        await server.create()
        await server.start()
        yield server.access
    finally:
        await server.stop()
        server.release()
        ledger.close()
