"""How N is divided among the workers so that all of them together do exactly N. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """Worker `index` (from 0) of `count`: every `count`-th of anything numbered."""

    index: int
    count: int

    @staticmethod
    def parsed(text: str) -> Share:
        """`0/2` as the driver writes it."""
        index, _, count = text.partition("/")
        return Share(int(index), int(count))

    def numbers(self, last: int | None) -> Iterator[int]:
        """Numbers from 1 that are this worker's, up to `last`, or without end."""
        first = 1 + self.index
        return itertools.count(first, self.count) if last is None else iter(range(first, last + 1, self.count))

    def of(self, total: int) -> int:
        """How many of `total` are this worker's: the shares of all workers add up to `total`."""
        return len(range(self.index, total, self.count))
