"""Rows that come by the hundred thousand, as columns: requests, and the connections of every server sample.

Arrow reads blocks of whole lines. A block with a broken line in it is read again line by line, so that one torn line
costs only itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pa_json

from harness.record.schema import Row

BLOCK_BYTES = 16 * 1024 * 1024

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

ARROW_TYPES = {"int": pa.int64(), "float": pa.float64(), "str": TEXT, "bool": pa.bool_()}


def requests(paths: Sequence[Path]) -> tuple[pa.Table, list[tuple[str, int]]]:
    """The requests of all workers' files, and the lines (file, number from 1) that could not be read."""
    schema = pa.schema(list(REQUESTS.items()))
    tables, torn = [_encoded(schema.empty_table())], []
    for path in paths:
        for first_line, block in _blocks(path):
            table, broken = _table(block, "request", schema)
            tables.append(_encoded(table))
            torn += [(path.name, first_line + line) for line in broken]
    return pa.concat_tables(tables).unify_dictionaries(), torn


def connections(lines: Iterable[bytes]) -> tuple[pa.Table, list[int]]:
    """One row for each connection of each `server` line, `at_ns` and the fields of `ServerConnection`; and the lines
    (from 0) that could not be read."""
    inner = pa.list_(pa.struct(list(CONNECTIONS.items())))
    schema = pa.schema([("at_ns", pa.int64()), ("connections", inner)])
    tables, torn = [_encoded(_flattened(schema.empty_table()))], []
    for first_line, block in _joined(lines):
        table, broken = _table(block, "server", schema)
        tables.append(_encoded(_flattened(table)))
        torn += [first_line + line for line in broken]
    return pa.concat_tables(tables).unify_dictionaries(), torn


def scalars(lines: Iterable[bytes], kind: type[Row]) -> Iterator[dict[str, Any]]:
    """Each line of a kind as the values of its fields that are no lists. What can't be read is left out."""
    names = [(item.name, ARROW_TYPES[hint]) for item in fields(kind) if (hint := _plain(item)) in ARROW_TYPES]  # type: ignore[arg-type]
    for _, block in _joined(lines):
        yield from _table(block, kind.kind, pa.schema(names))[0].to_pylist()


def _plain(item: Field[Any]) -> str:
    """The annotation of a field as it is written, without its null."""
    return str(item.type).removesuffix(" | None")


def _flattened(samples: pa.Table) -> pa.Table:
    nested = pa.chunked_array(samples["connections"], type=samples.schema.field("connections").type).combine_chunks()
    flat = pc.list_flatten(nested)
    values = {name: pc.struct_field(flat, name) for name in CONNECTIONS}
    return pa.table({"at_ns": samples["at_ns"].take(pc.list_parent_indices(nested)), **values})


def _encoded(table: pa.Table) -> pa.Table:
    names = [name for name in table.column_names if table.schema.field(name).type == TEXT]
    for name in names:
        table = table.set_column(table.column_names.index(name), name, table[name].dictionary_encode())
    return table


def _blocks(path: Path) -> Iterator[tuple[int, bytes]]:
    """Blocks of whole lines, each with the number of its first one."""
    number = 1
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            block += file.readline()
            if not block.endswith(b"\n"):
                block = block[: block.rfind(b"\n") + 1]  # A torn last line: the index of lines tells it.
            if block:
                yield number, block
            number += block.count(b"\n")


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


def _table(block: bytes, kind: str, schema: pa.Schema) -> tuple[pa.Table, list[int]]:
    """The block's rows of the kind, and the lines (from 0) that could not be read, found by halving the block."""
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


def _parsed(block: bytes, kind: str, schema: pa.Schema) -> pa.Table:
    explicit = pa.schema([("kind", TEXT), *schema])
    options = pa_json.ParseOptions(explicit_schema=explicit, unexpected_field_behavior="ignore")
    table = pa_json.read_json(pa.BufferReader(block), parse_options=options)
    return table.filter(pc.equal(table["kind"], kind)).drop_columns(["kind"])
