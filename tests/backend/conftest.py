"""One Postgres and one Valkey for all tests of the reference backend; a control database of its own for each test."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
for folder in (ROOT, ROOT / "fixtures" / "backend"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from tests.backend import services  # noqa: E402 - the path above comes first
from tests.backend.world import Servers, World  # noqa: E402


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with (
        services.postgres(tmp_path_factory.mktemp("postgres"), services.data_parent()) as postgres,
        services.valkey(tmp_path_factory.mktemp("valkey")) as valkey,
    ):
        started = Servers(postgres=postgres, redis=valkey)
        asyncio.run(started.wait_until_ready())
        yield started


@pytest.fixture
async def world(servers: Servers, tmp_path: Path) -> AsyncIterator[World]:
    async with World.made(servers, tmp_path) as world:
        yield world
