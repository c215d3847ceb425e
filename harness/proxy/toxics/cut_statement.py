"""`cut_statement`: a connection dies at a certain Postgres statement. An extension of the contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.proxy.plane.items import NEXT, UPSTREAM, Chunk, Direction, Pipe
from harness.proxy.sniff.statements import Part, StatementReader, comparable
from harness.proxy.toxics.base import Line, Toxic, text, whole


@dataclass(frozen=True, slots=True)
class CutStatement(Toxic):
    """Resets the connection on which the `after`-th statement that begins with `statement` is executed.

    Statements are counted over all connections of the proxy, since the toxic came; `times` of them are cut in a row
    (0: all that follow). `when` is "before" (the server never sees it) or "after" (the server executes it, the client
    never hears: the client is reset at once, the server's end when it has answered).
    """

    type: ClassVar[str] = "cut_statement"
    only: ClassVar[Direction | None] = UPSTREAM

    statement: str = text()
    after: int = whole(least=1, default=1)
    times: int = whole(default=1)
    when: str = text(default="after", choices=("before", "after"))

    def mistakes(self) -> list[str]:
        return [] if comparable(self.statement) else ["statement: empty, must be the beginning of a statement"]

    def new_memory(self, *, at_start: bool) -> StatementReader:
        return StatementReader(at_start=at_start)

    def pipe(self, line: Line) -> Pipe:
        reader: StatementReader = line.memory
        armed: Part | None = None
        while True:
            item = yield NEXT
            if not isinstance(item, Chunk):
                self.leave(line)
                line.send(item)  # type: ignore[arg-type]
                continue
            for part in reader.parts(item.data):
                if self._is_hit(line, part):
                    line.hit()
                    if self.when == "before":
                        line.reset()
                        return
                    armed = part
                line.send(Chunk(part.data, item.at_ns))
                if armed and (part.ends if armed.simple else part.sync):
                    line.cut_client()
                    return

    def leave(self, line: Line) -> None:
        line.send(Chunk(line.memory.take_held(), line.now_ns))

    def _is_hit(self, line: Line, part: Part) -> bool:
        if part.statement is None or not comparable(part.statement).startswith(comparable(self.statement)):
            return False
        line.tally.count += 1
        return self.after <= line.tally.count and (not self.times or line.tally.count < self.after + self.times)
