"""The API's contract: its OpenAPI document, the answers of ordinary steps, and those to bad input.

Bad input is made from the target's own steps: no JSON, an empty body, each text replaced by a hostile one or a number,
no credentials, a path that isn't there. Nothing about the backend has to be known for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from harness.live.checks.asking import Asker, Checked, Question
from harness.record.schema import ApiDocument, Expected
from harness.target import Api, Step, placeholders

HOSTILE = "x'); --\"'$${}\\"
NOT_JSON = b'{"cut off'
NO_SUCH_PATH = "/no-such-path-7f3a"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A step made bad in one way."""

    probe: str
    step: Step
    content: bytes | None = None
    expected: Expected = "no_failure"


async def api_contract(asker: Asker, api: Api) -> None:
    """The document, then the steps of one tenant, each followed by its bad variants."""
    await _document(asker, api)
    for tenant in asker.tenants[:1]:
        await asker.step(asker.plan.target.final_read.login, tenant, check="api_contract")
        for name in api.steps:
            step = asker.plan.target.steps[name]
            if name != "register" or "idempotency_key" in placeholders(step):
                # A registration is only repeated, under its own key: it answers like the first and makes no tenant.
                await asker.step(name, tenant, check="api_contract")
            for variant in bad_variants(step):
                await _ask(asker, tenant, name, variant)
        await _ask(asker, tenant, "anything", Variant(probe="a path that isn't there", step=Step(path=NO_SUCH_PATH)))


async def _document(asker: Asker, api: Api) -> None:
    if api.openapi is None:
        return
    status, text, error = None, "", ""
    try:
        answer = await asker.client.get(api.openapi)
        status, text = answer.status_code, answer.text if answer.is_success else ""
    except httpx.HTTPError as trouble:
        error = f"{type(trouble).__name__}: {trouble}"
    asker.writer.append(
        ApiDocument(at_ns=asker.clock.now_ns(), path=api.openapi, status=status, text=text, error=error), now=True
    )


def bad_variants(step: Step) -> Iterator[Variant]:
    """Bad variants of a step, by what is wrong with them."""
    if "token" in placeholders(step):
        bare = {name: text for name, text in step.headers.items() if "{" not in text}
        yield Variant(probe="no credentials", step=step.model_copy(update={"headers": bare}), expected="refused")
    if not isinstance(step.body, dict):
        return
    yield Variant(probe="no JSON", step=step, content=NOT_JSON)
    yield Variant(probe="an empty object", step=step.model_copy(update={"body": {}, "writes": None}))
    for name, template in step.body.items():
        if isinstance(template, str):
            writes = HOSTILE if template == step.writes else step.writes
            hostile = {"body": {**step.body, name: HOSTILE}, "writes": writes}
            yield Variant(probe=f"a hostile '{name}'", step=step.model_copy(update=hostile))
            number = {"body": {**step.body, name: 7}, "writes": None}
            yield Variant(probe=f"a number as '{name}'", step=step.model_copy(update=number))


async def _ask(asker: Asker, tenant: Checked, name: str, variant: Variant) -> None:
    # A key of its own: under the tenant's, the answer would be about the key and not about what is wrong.
    values = {**tenant.values, "idempotency_key": f"{asker.plan.run_id}-{variant.probe}".replace(" ", "-")}
    await asker.ask(
        Question(
            check="api_contract",
            probe=f"{name}: {variant.probe}",
            step=variant.step,
            tenant=tenant,
            about=tenant,
            values=values,
            expected=variant.expected,
            content=variant.content,
        )
    )
