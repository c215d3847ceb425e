"""Reads a run folder: every row typed, requests and server connections as frames.

Tolerates what a killed writer leaves, and tells it. Rows are read when they are first asked for; files are walked in
blocks, so that a run of a million requests needs no more memory than its columns.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from harness.plan import Plan
from harness.record import columns
from harness.record.blocks import LINE_END, unlike
from harness.record.folder import End, RunFolder
from harness.record.schema import (
    KINDS,
    CachedTenant,
    Counters,
    DatabaseCounters,
    RedisClient,
    Request,
    Row,
    Server,
    ServerConnection,
    Statistics,
)
from harness.record.schema import Redis as RedisSample

AnyRow = TypeVar("AnyRow", bound=Row)

START = b'{"kind":"'
REQUEST_START = START + Request.kind.encode() + b'"'


@dataclass(frozen=True, slots=True)
class Torn:
    """A line that could not be read: of which file, and which line. The last line of a killed writer is one."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a line begins."""

    path: Path
    line: int
    offset: int


@dataclass(slots=True)
class Index:
    """The places of all lines but requests, by kind, and the lines that are none."""

    places: dict[str, list[Place]] = field(default_factory=dict)
    torn: list[Torn] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Listed:
    """What the samples of a kind list: a row for each item, with the `at_ns` of its sample; and the moments of all
    samples in order, also of those that list nothing."""

    items: pd.DataFrame
    moments: np.ndarray


class Record:
    """What a run folder tells. Tables are read when they are first asked for."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.plan: Plan = folder.plan()
        self.end: End | None = folder.end()
        self._rows: dict[type[Row], list[Any]] = {}
        self._scalars: dict[type[Row], list[Any]] = {}
        self._listed: dict[type[Row], Listed] = {}
        self._torn_inside: list[Torn] = []

    @property
    def torn(self) -> list[Torn]:
        """Lines that could not be read, as far as their rows have been asked for."""
        return sorted({*self._index.torn, *self._torn_inside}, key=attrgetter("file", "line"))

    @cached_property
    def requests(self) -> pd.DataFrame:
        """One row a request, columns of `columns.REQUESTS`, in order of `start_ns`."""
        table, broken = columns.requests(sorted(self.folder.events.glob("load-*.jsonl")))
        self._torn_inside += [Torn(name, line) for name, line in broken]
        order = pc.sort_indices(table["start_ns"])
        series = {}
        for name in table.column_names:  # One after the other, so that no second copy of all of them is ever held.
            series[name] = table[name].take(order).combine_chunks().to_pandas()
            table = table.drop_columns([name])
        return pd.DataFrame(series, copy=False)

    @property
    def connections(self) -> pd.DataFrame:
        """Every connection of every `Server` sample: columns of `columns.CONNECTIONS`, in order of `at_ns`."""
        return self.listed(Server).items

    def listed(self, kind: type[Row]) -> Listed:
        """What the samples of a kind list, as a frame: of connections and clients there are too many for objects."""
        if kind not in self._listed:
            places = self._index.places.get(kind.kind, [])
            table, moments, broken = columns.listed((line for _, line in _lines_at(places)), kind)
            self._torn_inside += [Torn(places[number].path.name, places[number].line) for number in broken]
            items = table.to_pandas().sort_values("at_ns", ignore_index=True, kind="stable")
            self._listed[kind] = Listed(items, np.unique(moments))
        return self._listed[kind]

    def rows(self, kind: type[AnyRow]) -> list[AnyRow]:
        """All rows of a kind, in order of time. Requests are in `requests`; of them there are too many for objects."""
        if kind not in self._rows:
            found = self._parsed(self._index.places.get(kind.kind, []))
            self._rows[kind] = sorted(found, key=attrgetter("at_ns"))
        return self._rows[kind]

    def scalars(self, kind: type[AnyRow]) -> list[AnyRow]:
        """All rows of a kind with their lists left empty: for kinds whose lists are long and seldom needed."""
        if kind not in self._scalars:
            lines = (line for _, line in _lines_at(self._index.places.get(kind.kind, [])))
            found = [kind(**values) for values in columns.scalars(lines, kind)]
            self._scalars[kind] = sorted(found, key=attrgetter("at_ns"))
        return self._scalars[kind]

    def last(self, kind: type[AnyRow], *, before_ns: int | None = None) -> AnyRow | None:
        """The newest row of a kind, read without reading the others; for kinds of which one file has all."""
        for place in reversed(self._index.places.get(kind.kind, [])):
            for row in self._parsed([place]):
                if before_ns is None or row.at_ns < before_ns:
                    return row  # type: ignore[no-any-return]
        return None

    @cached_property
    def _index(self) -> Index:
        index = Index()
        for path in sorted(self.folder.events.glob("*.jsonl")):
            _walk(path, index)
        return index

    def _parsed(self, places: Iterable[Place]) -> Iterator[Any]:
        for place, line in _lines_at(places):
            try:
                yield _row(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError):
                self._torn_inside.append(Torn(place.path.name, place.line))


def read(folder: RunFolder) -> Record:
    """The record of a run. Raises `NotARun` where there is no readable plan."""
    return Record(folder)


def _walk(path: Path, index: Index) -> None:
    for line in unlike(path, REQUEST_START):
        kind = line.content[len(START) : line.content.find(b'"', len(START))].decode("ascii", "replace")
        if line.content.startswith(START) and line.content.endswith(LINE_END) and kind in KINDS:
            index.places.setdefault(kind, []).append(Place(path, line.number, line.offset))
        else:
            index.torn.append(Torn(path.name, line.number))


def _lines_at(places: Iterable[Place]) -> Iterator[tuple[Place, bytes]]:
    """The lines, each file opened once where its places come one after the other."""
    opened: Path | None = None
    file = None
    try:
        for place in places:
            if place.path != opened:
                if file:
                    file.close()
                opened, file = place.path, place.path.open("rb")
            assert file
            file.seek(place.offset)
            yield place, file.readline()
    finally:
        if file:
            file.close()


def _row(values: dict[str, Any]) -> Row:
    kind = KINDS[values.pop("kind")]
    known = KNOWN[kind]
    if not values.keys() <= known:
        values = {name: value for name, value in values.items() if name in known}
    nested = NESTED.get(kind)
    if nested:
        name, inner = nested
        values[name] = [inner(**item) for item in values[name]]
    return kind(**values)


KNOWN = {kind: frozenset(item.name for item in fields(kind)) for kind in KINDS.values()}  # type: ignore[arg-type]

NESTED: dict[type[Row], tuple[str, type[Any]]] = {
    Server: ("connections", ServerConnection),
    Counters: ("databases", DatabaseCounters),
    RedisSample: ("clients", RedisClient),
    Statistics: ("tenants", CachedTenant),
}
