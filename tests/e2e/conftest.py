"""What the end-to-end tests stand on: a state folder of their own, and a stack of each kind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from harness.live.children import ChildLedger
from harness.live.stack import Stack
from tests.e2e.making import make

STACKS = [
    "embedded",
    "embedded-toxiproxy",
    pytest.param("docker", marks=pytest.mark.docker),
]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "state"
    monkeypatch.setenv("HARNESS_STATE_DIR", str(folder))
    monkeypatch.setenv("HARNESS_SCRATCH_DIR", str(tmp_path))
    return folder


@pytest.fixture
def ledger(state: Path) -> Iterator[ChildLedger]:
    opened = ChildLedger.create("test", folder=state)
    yield opened
    opened.close()


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    return tmp_path / "run" / "logs"


@pytest.fixture(params=STACKS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def stack(kind: str, ledger: ChildLedger, logs: Path) -> AsyncIterator[Stack]:
    """Started, without its backend."""
    made = make(kind, ledger, logs)
    await made.start()
    yield made
    await made.stop()
