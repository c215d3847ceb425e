"""What the conductor promises of a timeline, on a stack that only remembers what was done to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness import bundled, target
from harness.clock import Clock, monotonic_ns, wait_until
from harness.live.chaos import conductor as conductor_module
from harness.live.chaos.conductor import Conductor
from harness.live.chaos.faults import catalogue
from harness.live.prepare import this_machine
from harness.live.progress import Progress
from harness.live.stack import Capability, Service
from harness.live.stack.model import StackFacts
from harness.plan import Plan
from harness.record.writer import RowWriter
from harness.scenario import Scenario

PATIENCE_S = 20.0


@dataclass
class Remembering:
    """Stands for a stack: everything succeeds, and `done` says what was done."""

    capabilities: frozenset[tuple[Service, Capability]] = frozenset(
        (service, capability) for service in Service for capability in Capability
    )
    facts: StackFacts = field(default_factory=lambda: StackFacts(name="remembering", why="a test"))
    done: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class Made:
    """A fault of the test's own: does nothing but tell, and fails where it is told to."""

    fails: str = ""
    label: str = "made"
    unseen: bool = False
    name = "made.fault"
    text = "a fault of a test"
    seen_by = "nothing"
    service = Service.REDIS
    needs: frozenset[tuple[Service, Capability]] = frozenset({(Service.REDIS, Capability.KILL)})

    async def inject(self, ground: Any) -> None:
        ground.stack.done.append(f"inject {self.label}")
        if self.fails == "inject":
            raise OSError("it would not break")

    async def seen(self, _ground: Any) -> bool:
        return not self.unseen

    async def heal(self, ground: Any) -> None:
        ground.stack.done.append(f"heal {self.label}")
        if self.fails == "heal":
            raise OSError("it would not mend")

    async def healed(self, _ground: Any) -> bool:
        return True


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The catalogue holds the test's fault only, and nobody asks services that aren't there."""
    catalogue()
    monkeypatch.setattr(conductor_module, "fault_named", lambda _name, options: Made(**options))
    monkeypatch.setattr(conductor_module, "SEEN_TIMEOUT_S", 0.1)
    yield


class Played:
    """A conductor with its stack, its rows, and a count of registrations that the test moves."""

    def __init__(self, folder: Path, faults: list[dict[str, Any]], stack: Remembering | None = None) -> None:
        self.stack = stack or Remembering()
        self.answered = 0
        self._writer = RowWriter(folder / "conductor.jsonl")
        self._path = folder / "conductor.jsonl"
        self._clock = Clock(monotonic_ns())
        self.conductor = Conductor(
            plan(faults),
            self.stack,  # type: ignore[arg-type]
            writer=self._writer,
            clock=self._clock,
            progress=lambda: Progress(planned=10, ok=self.answered),
        )

    def begin(self) -> asyncio.Task[None]:
        return asyncio.create_task(self.conductor.run(self._clock.now_ns()))

    async def end_load(self, playing: asyncio.Task[None]) -> None:
        self.conductor.load_ended()
        async with asyncio.timeout(PATIENCE_S):
            await playing

    async def until_done(self, *what: str) -> None:
        await wait_until(lambda: set(what) <= set(self.stack.done), what=f"{what}", timeout_s=PATIENCE_S)

    def states(self) -> list[str]:
        self._writer.flush()
        rows = [json.loads(line) for line in self._path.read_text().splitlines()]
        return [f"{row['fault']} {row['state']}" for row in rows if row["kind"] == "fault"]


def plan(faults: list[dict[str, Any]]) -> Plan:
    tables = {"name": "a", "proves": "b", "observe": {"probes": []}}
    return Plan(
        harness_version="0",
        run_id="r",
        created_at="",
        origin_ns=0,
        seed=1,
        stack="remembering",
        scenario_file="",
        target_file="",
        scenario=Scenario.model_validate({**tables, "faults": [{"fault": "made.fault", **each} for each in faults]}),
        target=target.load(bundled.reference_target()),
        machine=this_machine(),
    )


async def test_every_step_of_a_fault_is_a_row(tmp_path: Path) -> None:
    """Planned, injected, seen, being healed, healed, seen healed, in this order."""
    played = Played(tmp_path, [{"at_s": 0}])
    playing = played.begin()
    await played.until_done("inject made")
    await played.end_load(playing)
    steps = ("planned", "injected", "seen", "healing", "healed", "seen_healed")
    assert played.states() == [f"made.fault#1 {step}" for step in steps]


async def test_what_overlaps_is_healed_last_first(tmp_path: Path) -> None:
    """On every way out: whatever was broken last may stand in the way of mending what was broken before."""
    begun = [{"from_start": True, "options": {"label": label}} for label in ("one", "two", "three")]
    played = Played(tmp_path, begun)
    await played.conductor.before_backend()
    await played.conductor.heal_all()
    assert played.stack.done[3:] == ["heal three", "heal two", "heal one"]


async def test_a_healing_is_looked_at_once_nothing_else_hides_it(tmp_path: Path) -> None:
    """Two faults on one service: whether the first healing worked can only be seen after the second."""
    played = Played(tmp_path, [{"from_start": True}, {"from_start": True}])
    await played.conductor.before_backend()
    await played.conductor.heal_all()
    told = [state for state in played.states() if state.endswith("healed")]
    healed, seen = told[:2], told[2:]
    assert healed == ["made.fault#2 healed", "made.fault#1 healed"]
    assert seen == ["made.fault#2 seen_healed", "made.fault#1 seen_healed"]


async def test_a_failed_injection_is_healed_and_the_others_go_on(tmp_path: Path) -> None:
    """It may have broken something halfway; neither the run nor the other faults suffer."""
    played = Played(tmp_path, [{"at_s": 0, "options": {"fails": "inject", "label": "bad"}}, {"at_s": 0}])
    playing = played.begin()
    await played.until_done("heal bad", "inject made")
    await played.end_load(playing)
    assert "made.fault#1 not_injected" in played.states()
    assert "made.fault#1 seen" not in played.states()
    assert "made.fault#2 seen_healed" in played.states()


async def test_what_could_not_be_healed_is_tried_again_at_the_end(tmp_path: Path) -> None:
    """And it does not keep the others from being healed."""
    options = {"fails": "heal", "label": "bad"}
    played = Played(tmp_path, [{"from_start": True}, {"from_start": True, "options": options}])
    await played.conductor.before_backend()
    await played.conductor.heal_all()
    assert played.conductor.in_force == ["made.fault#2"]
    await played.conductor.heal_all()
    assert played.stack.done.count("heal bad") == 2
    assert played.stack.done.count("heal made") == 1


async def test_what_never_began_is_told(tmp_path: Path) -> None:
    """A load that ends before a fault's moment leaves that fault unproven, and a row that says so."""
    played = Played(tmp_path, [{"at_registration": 9}])
    await played.end_load(played.begin())
    assert played.states() == ["made.fault#1 planned", "made.fault#1 not_begun"]
    assert played.stack.done == []


async def test_an_unseen_fault_is_told_and_healed(tmp_path: Path) -> None:
    """A fault without an effect proves nothing, but is undone all the same."""
    played = Played(tmp_path, [{"at_s": 0, "options": {"unseen": True}}])
    playing = played.begin()
    await played.until_done("inject made")
    await played.end_load(playing)
    assert "made.fault#1 not_seen" in played.states()
    assert played.stack.done == ["inject made", "heal made"]


async def test_a_stack_that_cannot_refuses_clearly(tmp_path: Path) -> None:
    """Nothing is touched, and the row names what is lacking."""
    played = Played(tmp_path, [{"from_start": True}], Remembering(capabilities=frozenset()))
    await played.conductor.before_backend()
    assert played.states() == ["made.fault#1 planned", "made.fault#1 refused"]
    assert played.stack.done == []


async def test_repeats_by_registrations_come_at_each_multiple(tmp_path: Path) -> None:
    """The second occurrence waits for its own count, and each is healed before the load ends where it has an end."""
    planned = {"at_registration": 2, "repeat": 2, "every_registrations": 3, "for_s": 0.05}
    played = Played(tmp_path, [planned])
    playing = played.begin()
    played.answered = 4
    await played.until_done("heal made")
    assert played.stack.done == ["inject made", "heal made"]
    played.answered = 5
    async with asyncio.timeout(PATIENCE_S):
        await playing
    assert played.stack.done == ["inject made", "heal made"] * 2


async def test_a_fault_may_follow_another(tmp_path: Path) -> None:
    """The second begins once the first is healed with all its repeats, however long that takes."""
    first = {"id": "first", "at_s": 0, "for_s": 0.05, "repeat": 2, "every_s": 0.2, "options": {"label": "one"}}
    played = Played(tmp_path, [first, {"after": "first", "options": {"label": "two"}}])
    playing = played.begin()
    await played.until_done("inject two")
    await played.end_load(playing)
    assert played.stack.done == ["inject one", "heal one", "inject one", "heal one", "inject two", "heal two"]


async def test_a_phase_begins_its_faults(tmp_path: Path) -> None:
    """`steady` stays into the load; `settle` is over before the last samples are taken."""
    early = {"at_phase": "steady", "options": {"label": "early"}}
    late = {"at_phase": "settle", "for_s": 0.05, "options": {"label": "late"}}
    played = Played(tmp_path, [early, late])
    await played.conductor.entered("steady")
    assert played.conductor.in_force == ["made.fault#1"]
    await played.end_load(played.begin())
    assert played.conductor.in_force == []
    await played.conductor.entered("settle")
    assert played.stack.done == ["inject early", "heal early", "inject late", "heal late"]


async def test_a_cancelled_run_still_heals(tmp_path: Path) -> None:
    """Ctrl-C while a fault is in force: `heal_all` finds it."""
    played = Played(tmp_path, [{"at_s": 0}])
    playing = played.begin()
    await played.until_done("inject made")
    playing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await playing
    await played.conductor.heal_all()
    assert played.stack.done == ["inject made", "heal made"]
