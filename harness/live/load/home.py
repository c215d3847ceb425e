"""Brings a remote worker's rows home: the worker keeps them in a file of its own and sends what is new of it.

The master writes what it gets at the end of its copy and counts bytes, so that nothing is twice or missing unseen:
every piece says where it begins, and the last word is the whole file's length and digest.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

PIECE_BYTES = 512 * 1024


class Outgoing:
    """The worker's side: pieces of the file that have not been sent yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def piece(self) -> tuple[int, bytes] | None:
        """The next piece and where it begins; null where all is sent."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read(PIECE_BYTES)
        if not data:
            return None
        begun, self._offset = self._offset, self._offset + len(data)
        return begun, data

    def back_to(self, offset: int) -> None:
        """Send again from there: the master has no more."""
        self._offset = offset

    def digest(self) -> tuple[int, str]:
        """Length and SHA-256 of the whole file."""
        data = self._path.read_bytes()
        return len(data), hashlib.sha256(data).hexdigest()


class Incoming:
    """The master's side: the copy, which only ever grows at its end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digest = hashlib.sha256()
        self.length = 0
        self._file = path.open("ab", buffering=0)

    def take(self, begins: int, data: bytes) -> bool:
        """Add a piece; false where one before it is missing. What is here already is not added again."""
        if begins > self.length:
            return False
        fresh = data[self.length - begins :]
        self._file.write(fresh)
        self._digest.update(fresh)
        self.length += len(fresh)
        return True

    def is_whole(self, length: int, digest: str) -> bool:
        return self.length == length and self._digest.hexdigest() == digest
