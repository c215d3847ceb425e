"""Reads a run folder: every row typed, requests as a frame. Tolerates what a killed writer leaves, and tells it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.json as pa_json

from harness.plan import Plan
from harness.record.folder import End, RunFolder
from harness.record.schema import (
    KINDS,
    CachedTenant,
    Counters,
    DatabaseCounters,
    RedisClient,
    Row,
    Server,
    ServerConnection,
    Statistics,
)
from harness.record.schema import Redis as RedisSample

AnyRow = TypeVar("AnyRow", bound=Row)

REQUEST_COLUMNS: dict[str, pa.DataType] = {
    "worker": pa.string(),
    "n": pa.int64(),
    "tenant": pa.string(),
    "step": pa.string(),
    "intended_ns": pa.int64(),
    "start_ns": pa.int64(),
    "first_byte_ns": pa.int64(),
    "end_ns": pa.int64(),
    "status": pa.int64(),
    "outcome": pa.string(),
    "error": pa.string(),
    "sent": pa.bool_(),
    "reused": pa.bool_(),
    "bytes_received": pa.int64(),
    "tenant_id": pa.string(),
}


@dataclass(frozen=True, slots=True)
class Torn:
    """A line that could not be read: of which file, and which line. The last line of a killed writer is one."""

    file: str
    line: int


class Record:
    """What a run folder tells. Tables are read when they are first asked for."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.plan: Plan = folder.plan()
        self.end: End | None = folder.end()

    @cached_property
    def torn(self) -> list[Torn]:
        """Lines that could not be read, of all files."""
        return [torn for _, broken in self._small.values() for torn in broken]

    @cached_property
    def requests(self) -> pd.DataFrame:
        """One row a request, columns of `REQUEST_COLUMNS`, in order of `start_ns`."""
        tables = [table for path in self._load_files if (table := _request_table(path)) is not None]
        if not tables:
            empty: pd.DataFrame = pa.schema(list(REQUEST_COLUMNS.items())).empty_table().to_pandas()
            return empty
        frame: pd.DataFrame = pa.concat_tables(tables).to_pandas(strings_to_categorical=True)
        return frame.sort_values("start_ns", ignore_index=True)

    def rows(self, kind: type[AnyRow]) -> list[AnyRow]:
        """All rows of a kind, in order of time."""
        found = [row for rows, _ in self._small.values() for row in rows if isinstance(row, kind)]
        return sorted(found, key=lambda row: getattr(row, "at_ns", 0))

    @property
    def _load_files(self) -> list[Path]:
        return sorted(self.folder.events.glob("load-*.jsonl"))

    @cached_property
    def _small(self) -> dict[str, tuple[list[Row], list[Torn]]]:
        return {path.name: _rows(path) for path in sorted(self.folder.events.glob("*.jsonl"))}


def read(folder: RunFolder) -> Record:
    """The record of a run. Raises `NotARun` where there is no readable plan."""
    return Record(folder)


def _rows(path: Path) -> tuple[list[Row], list[Torn]]:
    """Every row of a file but its requests, and the lines that could not be read."""
    rows: list[Row] = []
    torn: list[Torn] = []
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.startswith(b'{"kind":"request"') and line.endswith(b"}\n"):
                continue
            try:
                rows.append(_row(json.loads(line)))
            except (ValueError, KeyError, TypeError):
                torn.append(Torn(path.name, number))
    return rows, torn


def _row(values: dict[str, Any]) -> Row:
    kind = KINDS[values.pop("kind")]
    known = {item.name for item in fields(kind)}  # type: ignore[arg-type]
    values = {name: value for name, value in values.items() if name in known}
    nested = NESTED.get(kind)
    if nested:
        name, inner = nested
        values[name] = [inner(**item) for item in values[name]]
    return kind(**values)


NESTED: dict[type[Row], tuple[str, type[Any]]] = {
    Server: ("connections", ServerConnection),
    Counters: ("databases", DatabaseCounters),
    RedisSample: ("clients", RedisClient),
    Statistics: ("tenants", CachedTenant),
}


def _request_table(path: Path) -> pa.Table | None:
    """The requests of a worker's file through Arrow's reader; null where there are none."""
    lines = b"".join(_request_lines(path))
    if not lines:
        return None
    options = pa_json.ParseOptions(
        explicit_schema=pa.schema(list(REQUEST_COLUMNS.items())), unexpected_field_behavior="ignore"
    )
    return pa_json.read_json(BytesIO(lines), parse_options=options)


def _request_lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        for line in file:
            if line.startswith(b'{"kind":"request"') and line.endswith(b"}\n"):
                yield line
