"""Drives the fault proxy, built-in or real, through toxiproxy-python: the one module that knows that client."""

from __future__ import annotations

from typing import Protocol


class Edges(Protocol):
    """The proxies in front of the three edges. Every call has a deadline and is checked by reading back."""
