"""The observers: one file per source, each telling what it sees as rows, through connections of its own."""

from harness.live.observe.observers import Latest, Observers

__all__ = ["Latest", "Observers"]
