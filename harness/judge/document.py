"""`verdict.json`: the verdict as JSON, its published JSON Schema, and reading it back."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, with_config

from harness.gate import Gate, Phase, Ruling
from harness.judge.model import Finding, GateRuling, RunFacts, Verdict

SCHEMA_VERSION: Literal[1] = 1
SCHEMA_ID = "https://json-schema.org/draft/2020-12/schema"

Word = Literal["pass", "unknown", "fail"]


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True, kw_only=True)
class GateDocument:
    """A gate and its ruling."""

    finding: str
    comparison: Literal["<=", ">=", "==", "<", ">"]
    bound: float
    phase: Phase
    by_default: bool
    ruling: Word
    why: str
    value: float | None


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictDocument:
    """The whole of `verdict.json`."""

    schema_version: Literal[1]
    ruling: Word
    why: list[str]
    doubts: list[str]
    facts: RunFacts
    gates: list[GateDocument]
    findings: list[Finding]


_DOCUMENT = TypeAdapter(VerdictDocument)


def to_json(verdict: Verdict) -> str:
    """The text of `verdict.json`."""
    document = VerdictDocument(
        schema_version=SCHEMA_VERSION,
        ruling=_word(verdict.ruling),
        why=verdict.why,
        doubts=verdict.doubts,
        facts=verdict.facts,
        gates=[_gate_document(item) for item in verdict.gates],
        findings=verdict.findings,
    )
    return json.dumps(asdict(document), indent=1) + "\n"


def from_json(text: str | bytes) -> Verdict:
    """The verdict of a `verdict.json`. Raises `ValueError` where it is none."""
    document = _DOCUMENT.validate_json(text)
    return Verdict(
        ruling=Ruling[document.ruling.upper()],
        why=document.why,
        gates=[_gate_ruling(item) for item in document.gates],
        findings=document.findings,
        doubts=document.doubts,
        facts=document.facts,
    )


def verdict_schema() -> dict[str, Any]:
    """The JSON Schema of `verdict.json`."""
    return {"$schema": SCHEMA_ID, **_DOCUMENT.json_schema()}


def _gate_document(item: GateRuling) -> GateDocument:
    return GateDocument(**asdict(item.gate), ruling=_word(item.ruling), why=item.why, value=item.value)


def _gate_ruling(item: GateDocument) -> GateRuling:
    gate = Gate(
        finding=item.finding,
        comparison=item.comparison,
        bound=item.bound,
        phase=item.phase,
        by_default=item.by_default,
    )
    return GateRuling(gate=gate, ruling=Ruling[item.ruling.upper()], why=item.why, value=item.value)


def _word(ruling: Ruling) -> Word:
    words: dict[Ruling, Word] = {Ruling.PASS: "pass", Ruling.UNKNOWN: "unknown", Ruling.FAIL: "fail"}
    return words[ruling]
