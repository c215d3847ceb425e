"""The published JSON Schemas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel

from harness.finding_names import FINDINGS
from harness.scenario import Scenario, Size
from harness.target import Target
from harness.tomlfile import BadFile, Mistake

if TYPE_CHECKING:
    from harness.live.chaos.faults.option import Option


def schema_of(what: str) -> dict[str, Any]:
    """JSON Schema of `scenario`, `target` or `verdict`. Raises `BadFile` for another name."""
    if what == "verdict":
        from harness.judge.document import verdict_schema

        return verdict_schema()
    models: dict[str, type[BaseModel]] = {"scenario": Scenario, "target": Target}
    if what not in models:
        known = ", ".join([*models, "verdict"])
        raise BadFile("schema", [Mistake(key=what, problem="has no schema", remedy=f"one of: {known}")])
    return scenario_schema() if what == "scenario" else models[what].model_json_schema()


def scenario_schema() -> dict[str, Any]:
    """The scenario model's schema, and what it can't know: the sizes, the catalogue's faults with their options, the
    findings that gates may name."""
    schema = Scenario.model_json_schema()
    part = _partial(schema, schema["$defs"])
    schema["properties"]["sizes"] = {
        "type": "object",
        "additionalProperties": False,
        "description": "what is laid on the rest of the file for `--size`",
        "properties": dict.fromkeys(get_args(Size), part),
    }
    bound = schema["properties"]["gates"]["additionalProperties"]
    schema["properties"]["gates"]["properties"] = dict.fromkeys(FINDINGS, bound)
    _with_the_catalogue(schema["$defs"]["FaultPlan"])
    return schema


def _partial(table: dict[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a table of which anything may be left out, in the tables within it too; lists are whole."""
    for choice in [table, *table.get("anyOf", ())]:
        if "$ref" in choice:
            table = definitions[choice["$ref"].rpartition("/")[2]]
    if table.get("type") != "object" or "properties" not in table:
        return table
    inner = {name: _partial(value, definitions) for name, value in table["properties"].items()}
    return {**{key: value for key, value in table.items() if key not in ("required", "$defs")}, "properties": inner}


def _with_the_catalogue(plan: dict[str, Any]) -> None:
    """Name the faults, and for each the options that it takes."""
    from harness.live.chaos.faults.catalogue import catalogue
    from harness.live.chaos.faults.option import options_of

    plan["properties"]["fault"] = {
        "description": "a name of `harness faults`",
        "oneOf": [{"const": name, "description": fault.text} for name, fault in catalogue().items()],
    }
    plan["properties"]["any_of"]["items"] = {"enum": list(catalogue())}
    plan["allOf"] = [
        {
            "if": {"properties": {"fault": {"const": name}}, "required": ["fault"]},
            "then": {"properties": {"options": _of_options(options_of(fault))}},
        }
        for name, fault in catalogue().items()
    ]


def _of_options(options: Sequence[Option]) -> dict[str, Any]:
    return {"additionalProperties": False, "properties": {option.name: _of_option(option) for option in options}}


def _of_option(option: Option) -> dict[str, Any]:
    kinds: dict[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}
    told: dict[str, Any] = {"type": kinds[type(option.default)], "description": option.text, "default": option.default}
    if option.choices:
        told["enum"] = list(option.choices)
    if option.least is not None:
        told["minimum"] = option.least
    if option.most is not None:
        told["maximum"] = option.most
    return told
