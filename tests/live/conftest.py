"""What the tests of the live half share: a state folder of their own, so that no test cleans another's run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.live.children import ChildLedger


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "state"
    monkeypatch.setenv("HARNESS_STATE_DIR", str(folder))
    return folder


@pytest.fixture
def ledger(state: Path) -> Iterator[ChildLedger]:
    opened = ChildLedger.create("test", folder=state)
    yield opened
    opened.close()
