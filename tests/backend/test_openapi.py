"""The OpenAPI document and the API say the same: whatever is sent, the answer is documented and no server error."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode, checks

from tests.backend.world import Process, World

EXAMPLES_PER_OPERATION = 8
PROMISES = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


async def test_whatever_is_sent_the_answer_is_documented(world: World) -> None:
    """Valid and invalid requests to every operation of both APIs, drawn from the document, as a signed-in tenant."""
    async with world.process(redis_max_reconnects=1) as process:
        tenant = await process.api.tenant()
        asked = await asyncio.to_thread(ask_everything, process, tenant.headers)
        assert len(asked) >= 15
        assert "unexpected_error" not in process.log.read_text()
        assert await process.is_ready()


def ask_everything(process: Process, headers: dict[str, str]) -> list[str]:
    """Ask every documented operation; the names of those asked. Raises on the first broken promise."""
    document = schemathesis.openapi.from_url(f"{process.http.base_url}/openapi.json")
    document.config.generation.update(modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
    asked = []
    for found in document.get_all_operations():
        operation = found.ok()
        # A logout would end the session that the others are asked with.
        own = {} if operation.path.endswith("/logout") else headers
        ask(operation, own)
        asked.append(operation.label)
    return asked


def ask(operation: Any, headers: dict[str, str]) -> None:
    @settings(
        max_examples=EXAMPLES_PER_OPERATION,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def each(case: Any) -> None:
        answer = case.call(headers=headers, timeout=30)
        case.validate_response(answer, checks=PROMISES)

    each()


async def test_both_apis_are_documented(world: World) -> None:
    """The new API has no tenant in any path; the old one does, and every operation of it is deprecated."""
    async with world.served() as (api, _):
        paths = (await api.http.get("/openapi.json")).json()["paths"]
        new = [path for path in paths if path.startswith("/api/v2/")]
        old = [path for path in paths if path.startswith("/api/v1/")]
        assert new and not [path for path in new if "church" in path or "tenant" in path]
        assert "/api/v1/branches/churches/{church_id}/branches" in old
        assert all(operation["deprecated"] for path in old for operation in paths[path].values())


@pytest.mark.parametrize("version", ["/api/v1", "/api"])
async def test_the_old_shape_works_and_says_that_it_is_old(world: World, version: str) -> None:
    """Register, log in by cookie, work on one's own church; every answer points to the new API."""
    async with world.served() as (api, _):
        body = {"email": "old@example.com", "password": "correct horse", "firstName": "A", "lastName": "B",
                "churchName": "St Mary's"}  # fmt: skip
        answer = await api.http.post(f"{version}/auth/register", json=body)
        assert answer.status_code == 201
        assert answer.headers["deprecation"].startswith("@")
        church = answer.json()["data"]["church"]["id"]
        branches = f"{version}/branches/churches/{church}/branches"
        assert (await api.http.post(branches, json={"name": "North"})).status_code == 201
        assert [branch["name"] for branch in (await api.http.get(branches)).json()["data"]] == ["North"]
        assert (await api.http.post(f"{version}/auth/logout")).status_code == 200
        assert (await api.http.get(branches)).status_code == 401


async def test_failures_are_problem_details(world: World) -> None:
    """Every failure has the media type, a code and the request's id, which the log has too."""
    async with world.served() as (api, _):
        answers = {
            401: await api.http.get("/api/v2/branches"),
            404: await api.http.get("/api/v2/nothing-here"),
            405: await api.http.put("/api/v2/branches"),
            413: await api.http.post("/api/v2/registrations", content=b"x" * 100_000),
            422: await api.http.post(
                "/api/v2/registrations", content=b"{", headers={"content-type": "application/json"}
            ),
        }
        unreadable = await api.http.post("/api/v2/login", content=b"\xff", headers={"content-type": "application/json"})
        assert unreadable.status_code == 422
        for status, answer in answers.items():
            problem = json.loads(answer.text)
            assert (answer.status_code, problem["status"]) == (status, status)
            assert answer.headers["content-type"] == "application/problem+json"
            assert problem["requestId"] == answer.headers["x-request-id"]
            assert problem["tenantId"] is None
