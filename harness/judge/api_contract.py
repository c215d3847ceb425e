"""The API's contract, from its OpenAPI document and from what it answered.

The tenant comes from the token: no path names one, nor repeats itself; every answer tells whose it is; neither answers
nor errors tell of the inside; bad input is no failure of the target. What calls itself deprecated, in the document or
by a `Deprecation` header, is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.judge.details import Details
from harness.judge.isolation import EVIDENCE_MAX, SOURCE, not_asked_for, told
from harness.judge.model import Evidence, Finding
from harness.judge.openapi import NoDocument, Operation, operations
from harness.record.reader import Record
from harness.record.schema import ApiDocument, CheckRequest
from harness.target import Api

ERROR_FROM = 400
FAILURE_FROM = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One rule broken at one place; `(rule, where)` is counted once."""

    rule: str
    where: str
    text: str
    at_ns: int | None = None
    tenant: str | None = None


def api_contract(record: Record) -> list[Finding]:
    """`api_contract` and `error_details`: places where the contract is broken, and where errors tell of the inside."""
    return [_contract(record), _error_details(record)]


def _contract(record: Record) -> Finding:
    api = record.plan.target.api
    rows = [row for row in record.rows(CheckRequest) if row.check == "api_contract"]
    documents = record.rows(ApiDocument)
    if api is None or not rows:
        why = not_asked_for(record, "api_contract")
        missing = ["no request of the contract check was made"]
        return _finding("api_contract", "Breaches of the API contract", [], n=None, missing=missing, not_applicable=why)
    described, trouble = _described(api, documents)
    found = [*_of_document(api, described), *_of_answers(api, record, rows), *_details_in_answers(record)]
    missing = [] if found else [*trouble, *_unanswered(rows)]
    return _finding(
        "api_contract", "Breaches of the API contract", found, n=len(described) + len(rows), missing=missing
    )


def _error_details(record: Record) -> Finding:
    """Errors of every check and of the load; a run in which nothing failed can't tell."""
    details = Details(record.plan)
    answers = [
        (f"{row.method} {row.path}", row.answer, row.at_ns, row.tenant)
        for row in record.rows(CheckRequest)
        if row.status is not None and row.status >= ERROR_FROM
    ]
    frame = record.requests
    failed = frame[frame["status"].notna() & (frame["status"] >= ERROR_FROM)]
    answers += [
        (str(row["step"]), str(row["error"]), int(row["end_ns"]), str(row["tenant"]))
        for row in failed.drop_duplicates(["step", "error"]).to_dict("records")
    ]
    found = [
        Violation(
            rule=detail.what,
            where=where.split("?")[0],
            text=f"an error of {where} tells {detail.what}: {detail.excerpt}",
            at_ns=at_ns,
            tenant=tenant,
        )
        for where, text, at_ns, tenant in answers
        for detail in details.found_in(text)
    ]
    asked = "api_contract" in record.plan.scenario.checks
    return _finding(
        "error_details",
        "Errors that tell of the inside",
        found,
        n=len(answers),
        missing=["no error answer was seen"] if asked and not answers else [],
        not_applicable="" if asked or answers else "no error answer was seen",
    )


def _described(api: Api, documents: Sequence[ApiDocument]) -> tuple[list[Operation], list[str]]:
    """The operations below the prefix that are not deprecated, and what kept them from being read."""
    if api.openapi is None:
        return [], []
    if not documents or not documents[-1].text:
        return [], [f"{api.openapi} was not served"]
    try:
        everything = operations(documents[-1].text)
    except NoDocument as error:
        return [], [f"{api.openapi} is no OpenAPI document: {error}"]
    return [each for each in everything if each.path.startswith(api.prefix) and not each.deprecated], []


def _of_document(api: Api, described: Sequence[Operation]) -> Iterator[Violation]:
    tenant_parameter = re.compile(api.tenant_parameters)
    for each in described:
        where = f"{each.method} {each.path}"
        for name in filter(tenant_parameter.search, each.parameters):
            yield Violation(rule="path", where=where, text=f"OpenAPI: {where} names the tenant in its path ({name})")
        for part in each.repeated:
            yield Violation(rule="repeated", where=where, text=f"OpenAPI: {where} repeats '{part}' in its path")
        if api.tenant_field and each.fields is not None and api.tenant_field not in each.fields:
            text = f"OpenAPI: the answer of {where} has no '{api.tenant_field}' at its top"
            yield Violation(rule="tenant field", where=where, text=text)


def _of_answers(api: Api, record: Record, rows: Sequence[CheckRequest]) -> Iterator[Violation]:
    ids = _tenant_ids(record)
    for row in rows:
        if not row.deprecated and row.status is not None:
            for rule, text in _broken(api, row, row.status, ids.get(row.tenant)):
                said = f"{text}: {told(row)}"
                yield Violation(rule=rule, where=row.probe, text=said, at_ns=row.at_ns, tenant=row.tenant)


def _broken(api: Api, row: CheckRequest, status: int, tenant_id: str | None) -> Iterator[tuple[str, str]]:
    """The rules that one answer breaks, each with a sentence."""
    if tenant_id is not None and tenant_id in row.path:
        yield "path", "the tenant's id is in a path"
    if row.expected == "accepted" and row.accepted and _lacks_tenant(api, row):
        yield "tenant field", f"'{api.tenant_field}' is not at the top of the answer"
    if row.expected == "accepted" and ERROR_FROM <= status < FAILURE_FROM:
        yield "refused", f"{row.probe} was refused"
    if row.expected == "no_failure" and status >= FAILURE_FROM and not row.faults:
        yield "failure", f"bad input is a failure of the target ({row.probe})"
    if row.expected == "refused" and row.accepted:
        yield "let in", f"let in with {row.probe}"


def _details_in_answers(record: Record) -> Iterator[Violation]:
    details = Details(record.plan)
    for row in record.rows(CheckRequest):
        if row.accepted and not row.deprecated:
            for detail in details.found_in(row.answer):
                where = f"{row.method} {row.path}".split("?")[0]
                text = f"the answer of {where} tells {detail.what}: {detail.excerpt}"
                yield Violation(rule=detail.what, where=where, text=text, at_ns=row.at_ns, tenant=row.tenant)


def _lacks_tenant(api: Api, row: CheckRequest) -> bool:
    if api.tenant_field is None or not row.answer:
        return False
    return row.fields is None or api.tenant_field not in row.fields


def _unanswered(rows: Sequence[CheckRequest]) -> list[str]:
    silent = sorted({row.probe for row in rows if row.status is None})
    return [f"'{probe}' had no answer" for probe in silent]


def _tenant_ids(record: Record) -> dict[str, str]:
    known = record.requests[["tenant", "tenant_id"]].dropna().drop_duplicates()
    return dict(zip(known["tenant"].astype(str), known["tenant_id"].astype(str), strict=True))


def _finding(
    name: str,
    title: str,
    found: Sequence[Violation],
    *,
    n: int | None,
    missing: list[str],
    not_applicable: str = "",
) -> Finding:
    once = {(each.rule, each.where): each for each in reversed(found)}
    shown = [each for each in found if once.get((each.rule, each.where)) is each]
    return Finding(
        name=name,
        title=title,
        value=None if missing or not_applicable else len(shown),
        n=n,
        expected="0",
        section="api",
        missing=missing,
        not_applicable=not_applicable,
        evidence=[
            Evidence(text=each.text, source=SOURCE, at_ns=each.at_ns, tenant=each.tenant)
            for each in shown[:EVIDENCE_MAX]
        ],
        evidence_total=len(shown),
    )
