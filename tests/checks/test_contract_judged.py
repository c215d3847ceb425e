"""The API's contract as the judge sees it: from a document, from answers, from errors."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from harness.gate import Ruling
from harness.judge.details import Details
from harness.judge.openapi import NoDocument, operations
from harness.record.schema import ApiDocument, CheckRequest
from tests.checks.test_judged import asked, story
from tests.judge.story import Story, ns

OBJECT = {"type": "object", "properties": {"shop": {"type": "string"}, "orders": {"type": "array"}}}


def operation(schema: dict[str, Any] | None = OBJECT, **said: Any) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}} if schema else {}
    return {"responses": {"200": {"description": "fine", "content": content}}, **said}


def document(paths: dict[str, Any], **more: Any) -> ApiDocument:
    return ApiDocument(at_ns=ns(14), path="/openapi.json", status=200, text=json.dumps({"paths": paths, **more}))


def contract(paths: dict[str, Any], *rows: CheckRequest) -> Story:
    good = asked("api_contract", "read", fields=["orders", "shop"], answer='{"shop":"one","orders":[]}')
    refused = asked("api_contract", "read: no credentials", expected="refused", accepted=False, status=401, answer="{}")
    return story("api_contract", good, refused, *rows).add("checks", document(paths))


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/shops/{tenant_id}/orders", "tenant_id"),
        ("/organisations/{organisationId}/orders", "organisationId"),
        ("/orders/shops/{id}/orders", "'orders'"),
    ],
)
def test_a_path_that_names_the_tenant_or_repeats_itself_is_a_breach(path: str, said: str) -> None:
    """The document alone tells it; the evidence names the place."""
    found = contract({path: {"get": operation()}}).finding("api_contract")
    assert found.value == 1
    assert said in found.evidence[0].text


def test_what_is_deprecated_is_left_alone() -> None:
    """An old shape on its way out may stay as it is, in the document and in its answers."""
    old = asked("api_contract", "old read", fields=["data"], answer='{"data":[]}', deprecated=True)
    paths = {"/shops/{tenant_id}/orders": {"get": operation(deprecated=True)}, "/orders": {"get": operation()}}
    assert contract(paths, old).ruling("api_contract") == Ruling.PASS


def test_an_answer_without_its_tenant_is_a_breach() -> None:
    """Both where the document promises none and where the answer lacks it all the same."""
    told = contract({"/orders": {"get": operation({"type": "object", "properties": {"orders": {}}})}})
    sent = contract({"/orders": {"get": operation()}}, asked("api_contract", "write", fields=["id"], answer='{"id":1}'))
    assert told.finding("api_contract").value == 1
    assert sent.finding("api_contract").value == 1


def test_bad_input_that_breaks_the_target_is_a_breach() -> None:
    """A 500 for a hostile text is the target's failure; a 422 is not."""
    row = asked("api_contract", "write: a hostile 'name'", expected="no_failure", accepted=False, answer="{}")
    assert contract({}, replace(row, status=422)).ruling("api_contract") == Ruling.PASS
    assert contract({}, replace(row, status=500)).finding("api_contract").value == 1


def test_an_answer_that_names_a_database_is_a_breach_and_an_error_that_does_is_another() -> None:
    """The same text counts by where it stands: in an answer for the contract, in an error for its details."""
    answer = asked("api_contract", "write", fields=["shop"], answer='{"shop":"one","db":"shop_0a1b"}')
    error = asked(
        "api_contract", "write: no JSON", expected="no_failure", accepted=False, status=422, answer="shop_0a1b"
    )
    assert contract({}, answer).finding("api_contract").value == 1
    assert contract({}, answer).finding("error_details").value == 0
    assert contract({}, error).finding("error_details").value == 1


def test_without_the_document_or_any_error_nothing_is_certain() -> None:
    """A document that was not served, or that is none, leaves the contract unknown."""
    broken = ApiDocument(at_ns=ns(14), path="/openapi.json", status=404)
    good = asked("api_contract", "read", fields=["shop"], answer='{"shop":"one"}')
    told = story("api_contract", good).add("checks", broken)
    assert told.ruling("api_contract") == Ruling.UNKNOWN
    assert told.ruling("error_details") == Ruling.UNKNOWN


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('{"stack":"Traceback (most recent call last):\\n  File \\"/app/x.py\\", line 3"}', "a stack trace"),
        ("TypeError: x is null\n    at Object.run (/srv/app/index.js:10:5)", "a stack trace"),
        ('duplicate key value violates unique constraint "tenants_email_key"', "a database error"),
        ("SELECT * FROM users WHERE id = $1", "an SQL statement"),
        ("can't connect to 10.0.3.7:5432", "an address of the inside"),
        ("postgresql://app:secret@db/control", "a connection URL"),
        ("asyncpg.exceptions.UndefinedTableError", "a driver's name"),
        ("no such database shop_0a1b2c", "a tenant's database"),
    ],
)
def test_details_of_the_inside_are_found(text: str, what: str) -> None:
    """In plain texts and in JSON."""
    assert what in [detail.what for detail in Details(story("api_contract").plan()).found_in(text)]


@pytest.mark.parametrize(
    "text",
    [
        '{"code":"email_taken","detail":"This e-mail address is already registered."}',
        '{"detail":"body.email: must be an e-mail address; select another one"}',
        '{"detail":"name: Input should be a valid string","requestId":"0f3a9c"}',
        '{"expiresAt":"2026-11-24T10:00:00.123+00:00","version":"1.2.3.4"}',
    ],
)
def test_ordinary_errors_tell_nothing(text: str) -> None:
    """What a good error says to a person is no detail of the inside."""
    assert list(Details(story("api_contract").plan()).found_in(text)) == []


def test_references_are_followed_and_open_schemas_say_nothing() -> None:
    """An operation's fields are those at the top of every answer it describes."""
    schemas = {"components": {"schemas": {"Order": OBJECT, "All": {"allOf": [{"$ref": "#/components/schemas/Order"}]}}}}
    paths = {"/a": {"get": operation({"$ref": "#/components/schemas/All"})}, "/b": {"get": operation(None)}}
    first, second = operations(json.dumps({"paths": paths, **schemas}))
    assert first.fields == {"shop", "orders"}
    assert second.fields is None


@pytest.mark.parametrize(
    "text", ["", "[]", '{"paths": 3}', '{"paths": {"/a": {"get": {"responses": {"200": {"$ref": "#/no"}}}}}}']
)
def test_what_is_no_document_is_told(text: str) -> None:
    """The judge says so instead of breaking."""
    with pytest.raises(NoDocument):
        operations(text)
