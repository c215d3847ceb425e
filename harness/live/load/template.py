"""A target's step, prepared once: per request only the tenant's values are filled in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii
from typing import Any

import jmespath

from harness.target import PLACEHOLDER, Step


class Template:
    """A text with `{name}` placeholders. One that the values don't know stays as it is, like `target.filled`."""

    def __init__(self, text: str, *, escaped: Callable[[str], str] = str) -> None:
        # Splitting by a pattern with one group gives literal, name, literal, name, ..., literal.
        self._parts = PLACEHOLDER.split(text)
        self._names = list(enumerate(self._parts))[1::2]
        self._escaped = escaped

    def fill(self, values: Mapping[str, str]) -> str:
        if not self._names:
            return self._parts[0]
        parts = self._parts.copy()
        for place, name in self._names:
            value = values.get(name)
            parts[place] = f"{{{name}}}" if value is None else self._escaped(value)
        return "".join(parts)


def in_json(value: str) -> str:
    """A value as it stands between the quotes of a JSON text."""
    return encode_basestring_ascii(value)[1:-1]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A step as templates: `head` is the header lines of its own, `saves` the compiled expressions."""

    name: str
    step: Step
    path: Template
    head: Template
    body: Template | None
    saves: list[tuple[str, Any]]
    until: Any
    fails: Any

    @staticmethod
    def of(name: str, step: Step) -> Prepared:
        lines = "".join(f"{key}: {text}\r\n" for key, text in step.headers.items())
        body = None if step.body is None else json.dumps(step.body, separators=(",", ":"))
        return Prepared(
            name=name,
            step=step,
            path=Template(step.path, escaped=one_line),
            head=Template(lines, escaped=one_line),
            body=None if body is None else Template(body, escaped=in_json),
            saves=[(key, jmespath.compile(expression)) for key, expression in step.save.items()],
            until=step.until and jmespath.compile(step.until),
            fails=step.fails and jmespath.compile(step.fails),
        )


def one_line(value: str) -> str:
    """A value that an answer told us can't begin a header line of its own."""
    return value.replace("\r", "").replace("\n", "")
