"""Asks the target one request of a check and writes the row: what was asked, by whom, about whom, what came back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from harness.clock import Clock
from harness.live.sending import body_of, keep, sent
from harness.plan import Plan
from harness.record.schema import CheckName, CheckRequest, Expected
from harness.record.writer import RowWriter
from harness.target import Step, filled

ANSWER_CHARACTERS = 2000
REQUEST_CHARACTERS = 300


@dataclass(slots=True)
class Checked:
    """A tenant that is checked: its label, its canary, and the values of its placeholders."""

    label: str
    canary: str
    values: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One request of a check. `values` fill the step's placeholders; `content` is sent instead of the step's body."""

    check: CheckName
    probe: str
    step: Step
    tenant: Checked
    values: Mapping[str, str]
    expected: Expected
    about: Checked | None = None
    content: bytes | None = None
    shown: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came back: the row as it was written, and the answer's JSON (null for none)."""

    row: CheckRequest
    json: Any = None


@dataclass(slots=True)
class Asker:
    """Asks directly, not through the fault proxy. `in_force` tells the faults of the moment."""

    client: httpx.AsyncClient
    writer: RowWriter
    clock: Clock
    plan: Plan
    in_force: Callable[[], Sequence[str]]
    tenants: list[Checked] = field(default_factory=list)
    healed: list[str] = field(default_factory=list)

    async def ask(self, question: Question) -> Told:
        """Send it once and write its row. Never raises for what the network or the target does."""
        begun_ns, faults = self.clock.now_ns(), list(self.in_force())
        values = dict(question.values)
        path = filled(question.step.path, values)
        body = body_of(question.step, values) if question.content is None else question.content
        answer, error = await sent(self.client, question.step, values, body=body)
        told = _json(answer)
        row = CheckRequest(
            at_ns=begun_ns,
            check=question.check,
            probe=question.probe,
            tenant=question.tenant.label,
            about=question.about.label if question.about else None,
            method=question.step.method,
            path=path,
            request=(question.shown or (body or b"").decode("utf-8", "replace"))[:REQUEST_CHARACTERS],
            expected=question.expected,
            status=answer.status_code if answer is not None else None,
            accepted=answer is not None and answer.status_code in question.step.ok,
            error=error,
            answer=answer.text[:ANSWER_CHARACTERS] if answer is not None else "",
            fields=sorted(told) if isinstance(told, dict) else None,
            deprecated=answer is not None and "deprecation" in answer.headers,
            seen=self._seen(answer),
            faults=faults,
            healed=list(self.healed),
            wrote=_wrote(question, answer, values),
        )
        self.writer.append(row, now=True)
        return Told(row=row, json=told)

    async def step(self, name: str, tenant: Checked, *, check: CheckName) -> Told:
        """A step of the target as the tenant's own client does it; what it saves goes into the tenant's values."""
        step = self.plan.target.steps[name]
        asked = Question(
            check=check, probe=name, step=step, tenant=tenant, values=tenant.values, about=tenant, expected="accepted"
        )
        told = await self.ask(asked)
        if told.row.accepted:
            keep(step, told.json, tenant.values)
        return told

    def _seen(self, answer: httpx.Response | None) -> list[str]:
        text = answer.text if answer is not None else ""
        return [tenant.label for tenant in self.tenants if tenant.canary in text]


def _json(answer: httpx.Response | None) -> Any:
    try:
        return answer.json() if answer is not None and answer.content else None
    except ValueError:
        return None


def _wrote(question: Question, answer: httpx.Response | None, values: dict[str, str]) -> str | None:
    if answer is None or answer.status_code not in question.step.ok or question.step.writes is None:
        return None
    return filled(question.step.writes, values)
