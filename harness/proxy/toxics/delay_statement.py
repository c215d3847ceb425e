"""`delay_statement`: certain Postgres statements come late. An extension of the contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.clock import NS_PER_MS
from harness.proxy.plane.items import NEXT, UPSTREAM, Chunk, Direction, Pipe, until
from harness.proxy.sniff.statements import Part, StatementReader, comparable
from harness.proxy.toxics.base import Line, Toxic, text, whole


@dataclass(frozen=True, slots=True)
class DelayStatement(Toxic):
    """Holds statements that begin with `statement` for `latency` ms, and what follows them; all else passes."""

    type: ClassVar[str] = "delay_statement"
    only: ClassVar[Direction | None] = UPSTREAM

    statement: str = text()
    latency: int = whole()

    def mistakes(self) -> list[str]:
        return [] if comparable(self.statement) else ["statement: empty, must be the beginning of a statement"]

    def new_memory(self, *, at_start: bool) -> StatementReader:
        return StatementReader(at_start=at_start)

    def pipe(self, line: Line) -> Pipe:
        reader: StatementReader = line.memory
        while True:
            item = yield NEXT
            if not isinstance(item, Chunk):
                self.leave(line)
                line.send(item)  # type: ignore[arg-type]
                continue
            for part in reader.parts(item.data):
                if self._matches(part):
                    line.hit()
                    yield until(max(item.at_ns, line.now_ns) + self.latency * NS_PER_MS)
                line.send(Chunk(part.data, line.now_ns))

    def leave(self, line: Line) -> None:
        line.send(Chunk(line.memory.take_held(), line.now_ns))

    def _matches(self, part: Part) -> bool:
        return part.statement is not None and comparable(part.statement).startswith(comparable(self.statement))
