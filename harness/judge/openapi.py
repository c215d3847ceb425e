"""Reads an OpenAPI 3 document as far as the contract's rules need it.

https://spec.openapis.org/oas/v3.1.0.html: path item, operation, response and schema objects.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

METHODS = ("get", "post", "put", "patch", "delete")
PARAMETER = re.compile(r"\{([^{}]+)\}")
REFERENCES_MAX = 50


class NoDocument(ValueError):
    """The text is no OpenAPI document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation. `fields` are the names at the top of its 2xx answers, null where the document doesn't say."""

    method: str
    path: str
    deprecated: bool
    fields: frozenset[str] | None

    @property
    def parameters(self) -> list[str]:
        """The names in the path's braces."""
        return PARAMETER.findall(self.path)

    @property
    def repeated(self) -> list[str]:
        """Literal segments of the path that stand in it more than once."""
        literal = [part for part in self.path.split("/") if part and not PARAMETER.search(part)]
        return sorted({part for part in literal if literal.count(part) > 1})


def operations(text: str) -> list[Operation]:
    """All operations of the document. Raises `NoDocument`."""
    try:
        document = json.loads(text)
        return list(_operations(document))
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise NoDocument(f"{type(error).__name__}: {error}") from error


def _operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if (found := item.get(method)) is not None:
                yield Operation(
                    method=method.upper(),
                    path=path,
                    deprecated=bool(found.get("deprecated", False)),
                    fields=_answer_fields(document, found),
                )


def _answer_fields(document: Mapping[str, Any], operation: Mapping[str, Any]) -> frozenset[str] | None:
    """The names that every described 2xx answer has at its top."""
    described = []
    for status, response in operation.get("responses", {}).items():
        content = _resolved(document, response).get("content", {})
        for media, body in content.items():
            if str(status).startswith("2") and "json" in media and body.get("schema"):
                described.append(_properties(document, body["schema"]))
    known = [names for names in described if names is not None]
    return frozenset.intersection(*known) if known else None


def _properties(document: Mapping[str, Any], schema: Mapping[str, Any]) -> frozenset[str] | None:
    """The property names of an object's schema; an array has none, an open schema says nothing."""
    found = _resolved(document, schema)
    if found.get("type") == "array":
        return frozenset()
    inherited = [_properties(document, part) for part in found.get("allOf", ())]
    named = frozenset(found.get("properties", {})).union(*(names for names in inherited if names))
    return named or None


def _resolved(document: Mapping[str, Any], item: Mapping[str, Any]) -> Mapping[str, Any]:
    """The item with its references within the document followed."""
    for _ in range(REFERENCES_MAX):
        reference = item.get("$ref")
        if reference is None:
            return item
        item = document
        for part in str(reference).removeprefix("#/").split("/"):
            item = item[part.replace("~1", "/").replace("~0", "~")]
    raise KeyError(f"more than {REFERENCES_MAX} references in a row")
