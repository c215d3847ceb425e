"""The published JSON Schemas."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from harness.scenario import Scenario
from harness.target import Target
from harness.tomlfile import BadFile, Mistake


def schema_of(what: str) -> dict[str, Any]:
    """JSON Schema of `scenario`, `target` or `verdict`. Raises `BadFile` for another name."""
    if what == "verdict":
        from harness.judge.document import verdict_schema

        return verdict_schema()
    models: dict[str, type[BaseModel]] = {"scenario": Scenario, "target": Target}
    if what not in models:
        known = ", ".join([*models, "verdict"])
        raise BadFile("schema", [Mistake(key=what, problem="has no schema", remedy=f"one of: {known}")])
    return models[what].model_json_schema()
