"""`slicer`: small packets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.proxy.plane.items import NEXT, Chunk, Pipe, Signal, until
from harness.proxy.toxics.base import Line, Toxic, whole

NS_PER_US = 1000


@dataclass(frozen=True, slots=True)
class Slicer(Toxic):
    """Pieces of `average_size` bytes, give or take `size_variation`, and `delay` microseconds after each."""

    type: ClassVar[str] = "slicer"

    average_size: int = whole(least=1)
    size_variation: int = whole()
    delay: int = whole()

    def mistakes(self) -> list[str]:
        if self.size_variation > self.average_size:
            return [f"size_variation: {self.size_variation}, must be at most average_size ({self.average_size})"]
        return []

    def pipe(self, line: Line) -> Pipe:
        while True:
            item = yield NEXT
            if not isinstance(item, Chunk):
                line.send(item)  # type: ignore[arg-type]
                continue
            line.hit()
            rest = item.data
            while rest:
                size = self._size(line)
                line.send(Chunk(rest[:size], item.at_ns))
                rest = rest[size:]
                if self.delay and (yield until(line.now_ns + self.delay * NS_PER_US)) is Signal.INTERRUPTED:
                    line.send(Chunk(rest, item.at_ns))
                    rest = b""

    def _size(self, line: Line) -> int:
        if not self.size_variation:
            return self.average_size
        return max(1, self.average_size + line.dice.randrange(-self.size_variation, self.size_variation))
