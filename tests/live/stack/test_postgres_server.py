"""What the embedded Postgres promises of a commit: nothing by default, everything where that is measured."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from tests.postgres import embedded_postgres


@pytest.mark.parametrize(("durable", "synced"), [(False, "off"), (True, "on")])
async def test_commits_are_synced_only_where_asked_for(tmp_path: Path, *, durable: bool, synced: str) -> None:
    async with embedded_postgres(tmp_path, durable=durable) as postgres:
        connection = await asyncpg.connect(postgres.url("control"))
        try:
            told = [await connection.fetchval(f"SHOW {name}") for name in ("fsync", "full_page_writes")]
            assert told == [synced, synced]
        finally:
            await connection.close()
