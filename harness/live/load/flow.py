"""What one tenant does: the target's steps in order, each request a row."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jmespath

from harness.live.load.client import Answer, HttpClient
from harness.record.schema import Intent, Outcome, Request
from harness.record.writer import RowWriter
from harness.target import Step, Target, filled, filled_json

ERROR_CHARACTERS = 300


@dataclass(slots=True)
class Tenant:
    """A tenant as a worker knows it: its number, label, placeholder values, and its connection."""

    n: int
    label: str
    values: dict[str, str]
    client: HttpClient


class Flow:
    """Performs steps and records them. `on_request` is told of every request (Locust's statistics)."""

    def __init__(
        self,
        target: Target,
        writer: RowWriter,
        worker: str,
        *,
        now_ns: Callable[[], int],
        on_request: Callable[[Request], None],
    ) -> None:
        self._target = target
        self._writer = writer
        self._worker = worker
        self._now_ns = now_ns
        self._on_request = on_request

    def register(self, tenant: Tenant, steps: list[str], *, intended_ns: int | None) -> Outcome:
        """The whole flow of a new tenant; the outcome is that of its registration.

        The intent is on the disk before the first byte leaves. A step that is not acknowledged ends the flow.
        """
        intent = Intent(
            at_ns=self._now_ns(), n=tenant.n, worker=self._worker, tenant=tenant.label, email=tenant.values["email"]
        )
        self._writer.append(intent, now=True)
        registered = self.step(tenant, steps[0], intended_ns=intended_ns)
        outcome = registered
        for name in steps[1:]:
            if outcome != "ok":
                break
            outcome = self.step(tenant, name, intended_ns=None)
        return registered

    def step(self, tenant: Tenant, name: str, *, intended_ns: int | None) -> Outcome:
        """One step; without `intended_ns` it was meant to start now."""
        step = self._target.steps[name]
        start_ns = self._now_ns()
        answer = self._sent(tenant, step)
        outcome, error = judged(answer, step)
        if outcome == "ok":
            error = self._save(tenant, step, answer)
            outcome = "failed" if error else "ok"
        row = Request(
            worker=self._worker,
            n=tenant.n,
            tenant=tenant.label,
            step=name,
            intended_ns=start_ns if intended_ns is None else intended_ns,
            start_ns=start_ns,
            first_byte_ns=answer.first_byte_ns,
            end_ns=self._now_ns(),
            status=answer.status,
            outcome=outcome,
            error=error,
            sent=answer.sent,
            reused=answer.reused,
            bytes_received=answer.bytes_received,
            tenant_id=tenant.values.get("tenant_id"),
        )
        self._writer.append(row, now=name == "register")
        self._on_request(row)
        return outcome

    def _sent(self, tenant: Tenant, step: Step) -> Answer:
        body = None
        if step.body is not None:
            body = json.dumps(filled_json(step.body, tenant.values), separators=(",", ":")).encode()
        headers = {name: filled(text, tenant.values) for name, text in step.headers.items()}
        return tenant.client.request(step.method, filled(step.path, tenant.values), headers=headers, body=body)

    def _save(self, tenant: Tenant, step: Step, answer: Answer) -> str:
        """Take what later steps need out of the answer; returns what is missing."""
        if not step.save:
            return ""
        try:
            told: Any = answer.json()
        except ValueError:
            return "the answer is no JSON"
        found = saved(step.save, told)
        tenant.values.update({name: value for name, value in found.items() if value is not None})
        missing = [name for name, value in found.items() if value is None]
        return f"the answer lacks {', '.join(missing)}" if missing else ""


def saved(expressions: Mapping[str, str], told: Any) -> dict[str, str | None]:
    """What each expression finds in an answer, as text."""
    found = {name: jmespath.search(expression, told) for name, expression in expressions.items()}
    return {name: None if value is None else str(value) for name, value in found.items()}


def judged(answer: Answer, step: Step) -> tuple[Outcome, str]:
    """The outcome of a request and its error class.

    A whole answer is ok or failed by its status. Without one the request is failed where nothing of it left, and
    unknown where any byte may have: the target may have acted on it.
    """
    if answer.error:
        return ("unknown" if answer.sent else "failed"), answer.error
    if answer.status in step.ok:
        return "ok", ""
    return "failed", answer.body[:ERROR_CHARACTERS].decode("utf-8", "replace")
