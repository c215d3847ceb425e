"""Finds implementation details in a text that a client was sent: stacks, statements, drivers, addresses, databases."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.plan import Plan
from harness.target import PLACEHOLDER

EXCERPT_CHARACTERS = 120

# Texts may come out of JSON, where a quote is `\"` and a line's end `\n`.
GENERAL: tuple[tuple[str, str], ...] = (
    ("a stack trace", r"Traceback \(most recent call last\)|File \\*\"[^\"\\]+\\*\", line \d+"),
    ("a stack trace", r"\bat [\w.$<>/]+ ?\([^()\s]*:\d+(?::\d+)?\)|\bgoroutine \d+ \[|\.java:\d+\)"),
    ("a path of the program", r"/site-packages/|/node_modules/|/dist-packages/"),
    ("an SQL statement", r"\b(?:SELECT|INSERT\s+INTO|DELETE\s+FROM|(?:CREATE|DROP|ALTER)\s+(?:DATABASE|TABLE|ROLE))\b"),
    ("an SQL statement", r"\bUPDATE\s+\S+\s+SET\b"),
    ("a database error", r"(?i)syntax error at or near|duplicate key value violates|\bSQLSTATE\b"),
    ("a database error", r"(?i)\b(?:relation|database|role|column) \\*[\"'][^\"']+[\"'] (?:does not|already) exist"),
    ("a driver's name", r"(?i)\b(?:asyncpg|psycopg\d?|sqlalchemy|prisma|ioredis|typeorm|sequelize|hibernate|jdbc)\b"),
    ("an error of the inside", r"\b(?:ECONNREFUSED|ECONNRESET|ENOTFOUND|EPIPE)\b|\b\w+\.\w*(?:Error|Exception)\b"),
    ("a connection URL", r"\b(?:postgres(?:ql)?|redis|rediss|mysql|mongodb|amqp)(?:\+\w+)?://"),
    ("an address of the inside", r"\b\d{1,3}(?:\.\d{1,3}){3}:\d{2,5}\b"),
)


@dataclass(frozen=True, slots=True)
class Detail:
    """What was told, in words, and the place."""

    what: str
    excerpt: str


class Details:
    """The rules for one target: the general ones, its tenants' database names, and what its file forbids."""

    def __init__(self, plan: Plan) -> None:
        rules = [(what, re.compile(pattern)) for what, pattern in GENERAL]
        if (name := _database_name(plan)) is not None:
            rules.append(("a tenant's database", name))
        if plan.target.api is not None:
            rules += [("what the target file forbids", re.compile(pattern)) for pattern in plan.target.api.forbidden]
        self._rules = rules

    def found_in(self, text: str) -> Iterator[Detail]:
        """Each rule's first place in the text."""
        for what, pattern in self._rules:
            if found := pattern.search(text):
                begin = max(0, found.start() - EXCERPT_CHARACTERS // 3)
                yield Detail(what, text[begin : begin + EXCERPT_CHARACTERS])


def _database_name(plan: Plan) -> re.Pattern[str] | None:
    """Tenants' database names anywhere in a text; null where a name is nothing but what the tenant itself chose."""
    if not PLACEHOLDER.sub("", plan.target.database.tenant).strip("_-"):
        return None
    return re.compile(plan.target.database.tenant_pattern.removeprefix("^").removesuffix("$"))
