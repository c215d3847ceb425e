"""`harness doctor`: it tells what lacks and how to mend it, and its exit code says whether `make stress` can run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.live import doctor
from harness.live.stack.engine import RUN_LABEL, connect
from harness.live.stack.images import load
from tests.e2e.making import see_docker


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of the test's own."""
    monkeypatch.setenv("HARNESS_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


def lacking(name: str, *, required: bool) -> doctor.Check:
    return doctor.Check(name=name, ok=False, found="none", remedy="get one", required=required)


def test_every_check_gives_an_answer(state: Path) -> None:
    """Nothing breaks, each name is told once, and whatever is not ok comes with its remedy."""
    checks = doctor.examine()
    assert len({check.name for check in checks}) == len(checks)
    assert [check.name for check in checks if check.remedy == "report this"] == []
    assert [check.name for check in checks if not check.ok and not check.remedy] == []


@pytest.mark.parametrize(("required", "code"), [(True, 4), (False, 0)])
def test_only_what_is_required_decides_the_exit_code(
    state: Path, monkeypatch: pytest.MonkeyPatch, required: bool, code: int
) -> None:
    """A machine without Docker is fine; one without Postgres is not, and is told what to do."""
    monkeypatch.setattr(doctor, "examine", lambda: [lacking("a thing", required=required)])
    told = CliRunner().invoke(app, ["doctor"])
    assert told.exit_code == code
    assert "a thing: none" in told.output
    assert "get one" in told.output


def test_a_check_that_breaks_is_not_ok(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And does not keep the others from being told."""

    def broken() -> doctor.Check:
        raise RuntimeError("no such luck")

    monkeypatch.setattr(doctor, "_redis", broken)
    redis = {check.name: check for check in doctor.examine()}["Redis"]
    assert not redis.ok
    assert "no such luck" in redis.found


@pytest.fixture
def foreign(state: Path) -> Iterator[str]:
    """A network and a container that carry the label of a run; made without its ledger."""
    see_docker()
    run = f"somewhere-else-{state.parent.name}"
    with ExitStack() as stack:
        client = stack.enter_context(closing(connect()))
        stack.callback(client.networks.create(run, labels={RUN_LABEL: run}).remove)
        container = client.containers.create(load().redis, labels={RUN_LABEL: run})
        stack.callback(container.remove, force=True, v=True)
        yield run


def leftovers() -> doctor.Check:
    return {check.name: check for check in doctor.examine()}["Docker leftovers"]


@pytest.mark.docker
def test_containers_of_a_run_without_a_ledger_are_told(foreign: str) -> None:
    """Cleaning can't know whether that run still goes on; a person can."""
    told = leftovers()
    assert not told.ok
    assert foreign in told.found
    assert RUN_LABEL in told.remedy


@pytest.mark.docker
def test_containers_of_a_run_with_a_ledger_are_not(foreign: str, state: Path) -> None:
    """Those are ended by their run, or by the next cleaning."""
    state.mkdir()
    state.joinpath(f"{foreign}.jsonl").touch()
    assert foreign not in leftovers().found
