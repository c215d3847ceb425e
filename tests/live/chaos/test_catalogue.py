"""The catalogue as files and people use it: names, options, mistakes, the lists and the table made of it."""

from __future__ import annotations

import pytest

from harness.live.chaos.faults import catalogue, fault_named
from harness.live.chaos.faults.catalogue import mistakes
from harness.live.chaos.faults.option import options_of
from harness.live.chaos.listing import listing
from harness.live.chaos.table import table
from harness.record.schema import Fault
from harness.scenario import Scenario

NS_PER_MS = 1_000_000


def asked(**fault: object) -> list[str]:
    text = 'name = "a"\nproves = "b"\n[[faults]]\nfault = "redis.slow"\noptions = {}\n'
    scenario = Scenario.model_validate({"name": "a", "proves": "b", "faults": [{"at_s": 1, **fault}]})
    return [str(mistake) for mistake in mistakes(scenario, text)]


@pytest.mark.parametrize("name", catalogue())
def test_every_fault_says_what_it_does_and_takes_its_defaults(name: str) -> None:
    """A scenario may name a fault and nothing else; the list tells what comes of it."""
    fault = fault_named(name, {})
    assert fault.name == name
    assert fault.text
    assert fault.seen_by
    assert fault.needs
    assert all(option.trouble(option.default) == "" for option in options_of(type(fault)))


def test_the_list_names_every_fault_and_option() -> None:
    """`harness faults` is the whole of it."""
    told = listing().plain
    assert [name for name in catalogue() if name not in told] == []
    assert "latency_ms = 200: added to every answer, 1 to 60000" in told


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"fault": "redis.slwo"}, "did you mean 'redis.slow'?"),
        ({"any_of": ["redis.slow", "redis.nothing"]}, "is no known fault"),
        ({"fault": "redis.slow", "options": {"latency": 1}}, "did you mean 'latency_ms'?"),
        ({"fault": "redis.slow", "options": {"latency_ms": 0}}, "write at least 1"),
        ({"fault": "redis.slow", "options": {"latency_ms": 1.5}}, "is no whole number"),
        ({"fault": "redis.slow", "options": {"latency_ms": True}}, "is no whole number"),
        ({"fault": "network.latency", "options": {"edge": "moon"}}, "one of postgres, redis, client"),
    ],
)
def test_what_the_catalogue_does_not_have_is_told_with_the_remedy(fault: dict[str, object], told: str) -> None:
    """Before anything starts, with the line of the file."""
    (mistake,) = asked(**fault)
    assert told in mistake
    assert mistake.startswith("line ")


def test_all_mistakes_come_at_once() -> None:
    """Nobody mends a file one message at a time."""
    assert len(asked(fault="redis.slow", options={"latency_ms": 0, "jitter": 1})) == 2


def test_the_table_has_medians_and_names_what_was_not_seen() -> None:
    """Times count from the beginning of the injection and of the healing."""
    moments = {"injected": 10, "seen": 40, "healing": 100, "healed": 150, "seen_healed": 160}
    rows = [
        Fault(at_ns=(at_ms + shift) * NS_PER_MS, fault=f"redis.kill#{n}", name="redis.kill", state=state)  # type: ignore[arg-type]
        for n, shift in ((1, 0), (2, 500))
        for state, at_ms in moments.items()
    ]
    written = table(rows)
    assert "| `redis.kill` | a client finds nobody on its address | 30 | 60 | 2 |" in written
    assert "redis.away" in written.splitlines()[-1]
