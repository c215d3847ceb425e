"""The published schema of scenario files: what it takes is what the harness takes."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from harness import bundled
from harness.schemas import schema_of

BASE = {"name": "a", "proves": "something"}
REDIS_SLOW = {"fault": "redis.slow", "at_s": 1}


def mistakes(scenario: dict[str, Any]) -> list[str]:
    schema = schema_of("scenario")
    jsonschema.Draft202012Validator.check_schema(schema)
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(scenario)]


@pytest.mark.parametrize("path", bundled.scenarios(), ids=lambda path: path.stem)
def test_takes_every_bundled_scenario(path: Path) -> None:
    """An editor that completes by the schema marks nothing in the library as wrong, its sizes included."""
    assert mistakes(tomllib.loads(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"faults": [{"fault": "redis.kil", "at_s": 1}]},
        {"faults": [{**REDIS_SLOW, "options": {"latency": 3}}]},
        {"faults": [{**REDIS_SLOW, "options": {"latency_ms": 0}}]},
        {"faults": [{**REDIS_SLOW, "options": {"latency_ms": "long"}}]},
        {"sizes": {"huge": {}}},
        {"sizes": {"short": {"load": {"usres": 3}}}},
        {"gates": {"leaks": "none"}},
        {"lod": {}},
    ],
)
def test_marks_what_the_harness_refuses(wrong: dict[str, Any]) -> None:
    """Faults, their options, sizes and gates are known to the schema, not only the names of tables."""
    assert mistakes({**BASE, **wrong}) != []


def test_lets_a_size_change_part_of_a_table() -> None:
    """What a table needs as a whole may come from the rest of the file."""
    assert mistakes({**BASE, "sizes": {"full": {"load": {"operations": {"count": 9}}}}}) == []
