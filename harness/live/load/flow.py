"""What one tenant does: the target's steps in order, each request a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import gevent

from harness.clock import NS_PER_MS, NS_PER_S
from harness.live.load.client import Answer, HttpClient
from harness.live.load.recorder import Recorder
from harness.live.load.template import Prepared
from harness.record.schema import Intent, Outcome, Request
from harness.scenario import Load
from harness.target import Target

ERROR_CHARACTERS = 300
REGISTER = "register"


@dataclass(slots=True)
class Tenant:
    """A tenant as a worker knows it: its number, label, placeholder values, and its cookies."""

    n: int
    label: str
    values: dict[str, str]
    cookies: dict[str, str] = field(default_factory=dict)


class Flow:
    """Performs steps and records them. `going` says whether more steps may be begun."""

    def __init__(
        self,
        target: Target,
        recorder: Recorder,
        worker: str,
        *,
        load: Load,
        now_ns: Callable[[], int],
        going: Callable[[], bool],
    ) -> None:
        self._steps = {name: Prepared.of(name, step) for name, step in target.steps.items()}
        self._recorder = recorder
        self._worker = worker
        self._load = load
        self._now_ns = now_ns
        self._going = going

    def register(self, tenant: Tenant, client: HttpClient, steps: list[str], *, intended_ns: int | None) -> Outcome:
        """The whole flow of a new tenant; the outcome is that of its registration.

        The intent is on the disk before the first byte leaves. A step that is not acknowledged ends the flow.
        """
        email = tenant.values["email"]
        intent = Intent(at_ns=self._now_ns(), n=tenant.n, worker=self._worker, tenant=tenant.label, email=email)
        self._recorder.append(intent, now=True)
        registered = self._registered(tenant, client, self._steps[steps[0]], intended_ns)
        self._recorder.request(registered, now=True)
        outcome = registered.outcome
        for name in steps[1:]:
            if outcome != "ok" or not self._going():
                break
            row = self._one(tenant, client, self._steps[name], None, n=tenant.n)
            self._recorder.request(row)
            outcome = row.outcome
        return registered.outcome

    def operate(self, tenant: Tenant, client: HttpClient, name: str, *, intended_ns: int | None) -> Outcome:
        """One operation of the background mix, on a tenant that is registered."""
        row = self._one(tenant, client, self._steps[name], intended_ns, n=None)
        self._recorder.request(row)
        return row.outcome

    def _registered(self, tenant: Tenant, client: HttpClient, step: Prepared, intended_ns: int | None) -> Request:
        """The registration's row. Where it is acknowledged later, by a polled step, it lasts until then."""
        row = replace(self._one(tenant, client, step, intended_ns, n=tenant.n), step=REGISTER)
        if row.outcome != "ok" or step.step.poll is None:
            return row
        outcome, error = self._polled(tenant, client, self._steps[step.step.poll], row.start_ns)
        return replace(
            row, outcome=outcome, error=error, end_ns=self._now_ns(), tenant_id=tenant.values.get("tenant_id")
        )

    def _polled(self, tenant: Tenant, client: HttpClient, step: Prepared, begun_ns: int) -> tuple[Outcome, str]:
        """Repeat a step until it acknowledges or refuses; each request of it is a row too.

        No answer, and one that tells of trouble of its own (5xx, 429), settle nothing; nor does running out of time.
        """
        ends_ns = begun_ns + round(self._load.request_timeout_s * NS_PER_S)
        while True:
            answer, row = self._exchanged(tenant, client, step, None, n=tenant.n)
            settled = self._settled(answer, row, step)
            self._recorder.request(row)
            if settled is not None:
                return settled
            if self._now_ns() >= ends_ns or not self._going():
                return "unknown", "poll_timeout" if self._going() else "poll_stopped"
            gevent.sleep(self._load.poll_every_ms * NS_PER_MS / NS_PER_S)

    def _settled(self, answer: Answer, row: Request, step: Prepared) -> tuple[Outcome, str] | None:
        if row.outcome == "ok":
            told = _json(answer)
            if step.fails is not None and step.fails.search(told):
                return "failed", f"{step.name}: {_text(answer)}"
            return ("ok", "") if step.until is None or step.until.search(told) else None
        refused = answer.status is not None and 400 <= answer.status < 500 and answer.status != 429
        return ("failed", row.error) if refused else None

    def _one(
        self, tenant: Tenant, client: HttpClient, step: Prepared, intended_ns: int | None, *, n: int | None
    ) -> Request:
        return self._exchanged(tenant, client, step, intended_ns, n=n)[1]

    def _exchanged(
        self, tenant: Tenant, client: HttpClient, step: Prepared, intended_ns: int | None, *, n: int | None
    ) -> tuple[Answer, Request]:
        """One request, and its row; without `intended_ns` it was meant to start now."""
        start_ns = self._now_ns()
        values = tenant.values
        answer = client.exchange(
            step.step.method,
            step.path.fill(values),
            step.head.fill(values),
            step.body.fill(values).encode() if step.body is not None else None,
            tenant.cookies,
        )
        end_ns = self._now_ns()
        outcome, error = judged(answer, step)
        if outcome == "ok" and step.saves and (error := _saved(tenant, step, answer)):
            outcome = "failed"
        row = Request(
            worker=self._worker,
            n=n,
            tenant=tenant.label,
            step=step.name,
            intended_ns=start_ns if intended_ns is None else intended_ns,
            start_ns=start_ns,
            first_byte_ns=answer.first_byte_ns,
            end_ns=end_ns,
            status=answer.status,
            outcome=outcome,
            error=error,
            sent=answer.sent,
            reused=answer.reused,
            bytes_received=answer.bytes_received,
            tenant_id=values.get("tenant_id"),
        )
        return answer, row


def judged(answer: Answer, step: Prepared) -> tuple[Outcome, str]:
    """The outcome of a request and its error class.

    A whole answer is ok or failed by its status. Without one the request is failed where nothing of it left, and
    unknown where any byte may have: the target may have acted on it.
    """
    if answer.error:
        return ("unknown" if answer.sent else "failed"), answer.error
    if answer.status in step.step.ok:
        return "ok", ""
    return "failed", _text(answer)


def _saved(tenant: Tenant, step: Prepared, answer: Answer) -> str:
    """Take what later steps need out of the answer; returns what is missing."""
    told = _json(answer)
    if told is None:
        return "the answer is no JSON"
    found = {name: expression.search(told) for name, expression in step.saves}
    tenant.values.update({name: str(value) for name, value in found.items() if value is not None})
    missing = [name for name, value in found.items() if value is None]
    return f"the answer lacks {', '.join(missing)}" if missing else ""


def _json(answer: Answer) -> Any:
    """The body as JSON; null where it is none."""
    try:
        return answer.json()
    except ValueError:
        return None


def _text(answer: Answer) -> str:
    return answer.body[:ERROR_CHARACTERS].decode("utf-8", "replace")
