"""A file in blocks of whole lines, and the few lines of a block that are not of the many.

A million lines are looked at as columns of letters: one comparison a letter of the beginning, not one a line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

BLOCK_BYTES = 8 * 1024 * 1024
LINE_END = b"}\n"
NEWLINE = LINE_END[-1]


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that follow each other, from `offset` on. Only the last line of a file can lack its end."""

    offset: int
    content: bytes

    @property
    def whole(self) -> bytes:
        """Without a last line that was cut off."""
        return self.content if self.content.endswith(b"\n") else self.content[: self.content.rfind(b"\n") + 1]


@dataclass(frozen=True, slots=True)
class Line:
    """One line and where it is; `number` counts from 1 in what was looked at."""

    number: int
    offset: int
    content: bytes


def blocks(path: Path) -> Iterator[Block]:
    """All lines of a file, a few megabytes at once."""
    offset = 0
    with path.open("rb") as file:
        while content := file.read(BLOCK_BYTES):
            content += file.readline()
            yield Block(offset, content)
            offset += len(content)


def lines_before(path: Path, offset: int) -> int:
    """How many lines end before a block: asked only where a line of it is to be named."""
    return sum(block.content.count(b"\n") for block in blocks(path) if block.offset < offset)


def unlike(path: Path, start: bytes) -> Iterator[Line]:
    """The lines of a file that do not begin with `start` and end as a whole row does."""
    before = 0
    for block in blocks(path):
        letters = np.frombuffer(block.content, np.uint8)
        ends = np.flatnonzero(letters == NEWLINE) + 1
        if letters[-1] != NEWLINE:
            ends = np.append(ends, len(letters))
        begins = np.append(0, ends[:-1])
        for index in np.flatnonzero(~_like(letters, begins, ends, start)).tolist():
            content = block.content[begins[index] : ends[index]]
            yield Line(before + index + 1, block.offset + int(begins[index]), content)
        before += len(ends)


def _like(letters: np.ndarray, begins: np.ndarray, ends: np.ndarray, start: bytes) -> np.ndarray:
    """Of each line whether it begins with `start` and ends with `LINE_END`."""
    like: np.ndarray = ends - begins >= len(start) + len(LINE_END)
    for index, letter in enumerate(start):
        like &= letters[np.minimum(begins + index, len(letters) - 1)] == letter
    for index, letter in enumerate(reversed(LINE_END), 1):
        like &= letters[np.maximum(ends - index, 0)] == letter
    return like
