"""A program: puts the edges of the Toxiproxy at HOST:PORT right. `harness clean` runs it after a killed run."""

from __future__ import annotations

import asyncio
import sys

from harness.live.stack.edges import Edges
from harness.live.stack.model import Address

if __name__ == "__main__":
    host, _, port = sys.argv[1].rpartition(":")
    asyncio.run(Edges(Address(host, int(port))).reset())
