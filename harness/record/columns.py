"""Rows that come by the hundred thousand, as columns: requests, and what samples list (connections, cached clients).

Arrow reads blocks of whole lines. A block with a broken line in it is read again line by line, so that one torn line
costs only itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pa_json

from harness.record.blocks import BLOCK_BYTES, blocks, lines_before
from harness.record.schema import Request, Row, Server, Statistics

TEXT = pa.string()

REQUESTS: dict[str, pa.DataType] = {
    "worker": TEXT,
    "n": pa.int64(),
    "tenant": TEXT,
    "step": TEXT,
    "intended_ns": pa.int64(),
    "start_ns": pa.int64(),
    "first_byte_ns": pa.int64(),
    "end_ns": pa.int64(),
    "status": pa.int64(),
    "outcome": TEXT,
    "error": TEXT,
    "sent": pa.bool_(),
    "reused": pa.bool_(),
    "bytes_received": pa.int64(),
    "tenant_id": TEXT,
}

CONNECTIONS: dict[str, pa.DataType] = {
    "pid": pa.int64(),
    "database": pa.string(),
    "user": pa.string(),
    "application": pa.string(),
    "client_port": pa.int64(),
    "state": pa.string(),
    "opened_ns": pa.int64(),
    "last_change_ns": pa.int64(),
    "wait_event": pa.string(),
}

CACHED_TENANTS: dict[str, pa.DataType] = {"tenant_id": TEXT, "connections": pa.int64()}

LISTS: dict[type[Row], tuple[str, dict[str, pa.DataType]]] = {
    Server: ("connections", CONNECTIONS),
    Statistics: ("tenants", CACHED_TENANTS),
}
"""The kinds whose samples list something, the field that does, and what is read of it."""

ARROW_TYPES = {"int": pa.int64(), "float": pa.float64(), "str": TEXT, "bool": pa.bool_()}


def requests(paths: Sequence[Path]) -> tuple[pa.Table, list[tuple[str, int]]]:
    """The requests of all workers' files, and the lines (file, number from 1) that could not be read."""
    schema = pa.schema(list(REQUESTS.items()))
    tables, torn = [_encoded(schema.empty_table())], []
    for path in paths:
        for block in blocks(path):  # A last line that was cut off is told by the index of lines.
            table, broken = _table(block.whole, Request, schema)
            tables.append(_encoded(table))
            before = lines_before(path, block.offset) if broken else 0
            torn += [(path.name, before + line + 1) for line in broken]
    return pa.concat_tables(tables).unify_dictionaries(), torn


def listed(lines: Iterable[bytes], kind: type[Row]) -> tuple[pa.Table, np.ndarray, list[int]]:
    """One row for each item that a line of the kind lists, with the line's `at_ns`; the moments of all lines; and the
    lines (from 0) that could not be read."""
    name, inner = LISTS[kind]
    schema = pa.schema([("at_ns", pa.int64()), (name, pa.list_(pa.struct(list(inner.items()))))])
    tables, moments, torn = [_encoded(_flattened(schema.empty_table(), name))], [np.array([], dtype=int)], list[int]()
    for first_line, block in _joined(lines):
        table, broken = _table(block, kind, schema)
        tables.append(_encoded(_flattened(table, name)))
        moments.append(table["at_ns"].drop_null().to_numpy())
        torn += [first_line + line for line in broken]
    return pa.concat_tables(tables).unify_dictionaries(), np.concatenate(moments), torn


def scalars(lines: Iterable[bytes], kind: type[Row]) -> Iterator[dict[str, Any]]:
    """Each line of a kind as the values of its fields that are no lists. What can't be read is left out."""
    names = [(item.name, ARROW_TYPES[hint]) for item in fields(kind) if (hint := _plain(item)) in ARROW_TYPES]  # type: ignore[arg-type]
    for _, block in _joined(lines):
        yield from _table(block, kind, pa.schema(names))[0].to_pylist()


def _plain(item: Field[Any]) -> str:
    """The annotation of a field as it is written, without its null."""
    return str(item.type).removesuffix(" | None")


def _flattened(samples: pa.Table, name: str) -> pa.Table:
    nested = pa.chunked_array(samples[name], type=samples.schema.field(name).type).combine_chunks()
    flat = pc.list_flatten(nested)
    values = {item.name: pc.struct_field(flat, item.name) for item in flat.type}
    return pa.table({"at_ns": samples["at_ns"].take(pc.list_parent_indices(nested)), **values})


def _encoded(table: pa.Table) -> pa.Table:
    names = [name for name in table.column_names if table.schema.field(name).type == TEXT]
    for name in names:
        table = table.set_column(table.column_names.index(name), name, table[name].dictionary_encode())
    return table


def _joined(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Lines put together to blocks, each with the number (from 0) of its first line."""
    first, held, size = 0, list[bytes](), 0
    for line in lines:
        held.append(line)
        size += len(line)
        if size >= BLOCK_BYTES:
            yield first, b"".join(held)
            first, held, size = first + len(held), [], 0
    if held:
        yield first, b"".join(held)


def _table(block: bytes, kind: type[Row], schema: pa.Schema) -> tuple[pa.Table, list[int]]:
    """The block's rows of the kind, and the lines (from 0) that could not be read, found by halving the block."""
    if not block:
        return schema.empty_table(), []
    try:
        return _parsed(block, kind, schema), []
    except pa.ArrowInvalid:
        lines = block.splitlines(keepends=True)
        if len(lines) == 1:
            return schema.empty_table(), [0]
        middle = len(lines) // 2
        first, broken_first = _table(b"".join(lines[:middle]), kind, schema)
        second, broken_second = _table(b"".join(lines[middle:]), kind, schema)
        return pa.concat_tables([first, second]), [*broken_first, *(middle + line for line in broken_second)]


def _parsed(block: bytes, kind: type[Row], schema: pa.Schema) -> pa.Table:
    explicit = pa.schema([("kind", TEXT), *schema])
    options = pa_json.ParseOptions(explicit_schema=explicit, unexpected_field_behavior="ignore")
    table = pa_json.read_json(pa.BufferReader(block), parse_options=options)
    chosen = pc.equal(table["kind"], kind.kind)
    # Filtering copies every column, and most blocks are of one kind.
    return (table if pc.all(chosen).as_py() else table.filter(chosen)).drop_columns(["kind"])
