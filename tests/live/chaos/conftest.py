"""One warm stack of each kind for all tests of faults, with the probe backend on it: what is broken is healed again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.live.children import ChildLedger
from harness.live.stack import Service, Stack
from tests.e2e.making import make


@pytest.fixture(scope="module")
def stack_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stack")


@pytest.fixture(scope="module", params=["embedded", pytest.param("docker", marks=pytest.mark.docker)])
def stack(request: pytest.FixtureRequest, stack_folder: Path) -> Iterator[Stack]:
    folder = stack_folder
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_SCRATCH_DIR", str(folder))
        ledger = ChildLedger.create("faults", folder=folder / "state")
        made = make(request.param, ledger, folder / "run" / "logs")
        asyncio.run(_up(made))
        yield made
        asyncio.run(made.stop())
        assert ledger.entries == ()
        ledger.close()


async def _up(stack: Stack) -> None:
    await stack.start()
    await stack.start_service(Service.BACKEND)
