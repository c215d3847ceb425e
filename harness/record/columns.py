"""Rows that come by the hundred thousand, as columns: requests, and the connections of every server sample.

Arrow reads blocks of whole lines. A block with a broken line in it is read again line by line, so that one torn line
costs only itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pa_json

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

Broken = list[tuple[str, int]]


def requests(paths: Sequence[Path]) -> tuple[pa.Table, Broken]:
    """The requests of all workers' files, and the lines (file, line) that could not be read."""
    return _read(paths, "request", pa.schema(list(REQUESTS.items())), flattened=lambda table: table)


def connections(path: Path) -> tuple[pa.Table, Broken]:
    """One row for each connection of each `server` row: `at_ns` and the fields of `ServerConnection`."""
    inner = pa.list_(pa.struct(list(CONNECTIONS.items())))
    schema = pa.schema([("at_ns", pa.int64()), ("connections", inner)])
    return _read([path], "server", schema, flattened=_flattened)


def _flattened(samples: pa.Table) -> pa.Table:
    nested = pa.chunked_array(samples["connections"], type=samples.schema.field("connections").type).combine_chunks()
    flat = pc.list_flatten(nested)
    values = {name: pc.struct_field(flat, name) for name in CONNECTIONS}
    return pa.table({"at_ns": samples["at_ns"].take(pc.list_parent_indices(nested)), **values})


def _read(
    paths: Sequence[Path],
    kind: str,
    schema: pa.Schema,
    *,
    flattened: Callable[[pa.Table], pa.Table] = lambda table: table,
) -> tuple[pa.Table, Broken]:
    """Every block's rows of the kind, text as dictionaries: the same few words come again and again."""
    tables, broken = [_encoded(flattened(schema.empty_table()))], list[tuple[str, int]]()
    for path in paths:
        for first_line, block in _blocks(path, f'{{"kind":"{kind}"'.encode()):
            table, lines = _table(block, kind, schema)
            tables.append(_encoded(flattened(table)))
            broken += [(path.name, first_line + line) for line in lines]
    return pa.concat_tables(tables).unify_dictionaries(), broken


def _encoded(table: pa.Table) -> pa.Table:
    names = [name for name in table.column_names if table.schema.field(name).type == TEXT]
    for name in names:
        table = table.set_column(table.column_names.index(name), name, table[name].dictionary_encode())
    return table


def _blocks(path: Path, start: bytes) -> Iterator[tuple[int, bytes]]:
    """Blocks of whole lines that hold rows of the kind, each with the number of its first line."""
    if not path.exists():
        return
    number = 1
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            block += file.readline()
            if not block.endswith(b"\n"):
                block = block[: block.rfind(b"\n") + 1]  # A torn last line: the index of lines tells it.
            if start in block:
                yield number, block
            number += block.count(b"\n")


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
