"""Looks at an address as a client would: connects, sends the smallest thing that gets an answer, and tells what came.

No driver is in between that would try again or hide how a connection ended.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from harness.clock import NS_PER_MS, monotonic_ns
from harness.live.stack import Address, Edge, Service, Stack
from harness.record.schema import LOOKING_FROM

TIMEOUT_S = 1.0
LOOPBACK = ("127.", "localhost")
EDGE_OF = {"postgres": Edge.POSTGRES, "redis": Edge.REDIS, "client": Edge.CLIENT}
SERVICE_OF = {Edge.POSTGRES: Service.POSTGRES, Edge.REDIS: Service.REDIS, Edge.CLIENT: Service.BACKEND}

What = Literal["answered", "silent", "refused", "closed", "reset"]


@dataclass(frozen=True, slots=True)
class Look:
    """What came of it, and after how long. `closed` and `reset` are ends without an answer."""

    what: What
    after_ms: float


async def look(address: Address, service: Service, *, padding_bytes: int = 0, timeout_s: float = TIMEOUT_S) -> Look:
    """Ask the service at the address. `padding_bytes` are sent along and must arrive before it can answer."""
    begun_ns = monotonic_ns()
    what = await _asked(address, _QUESTIONS[service](padding_bytes), timeout_s)
    return Look(what, (monotonic_ns() - begun_ns) / NS_PER_MS)


async def reachable(stack: Stack, edge: Edge) -> Address | None:
    """Where the edge can be entered from here; null where it lies inside a network of containers."""
    if edge is Edge.CLIENT:
        return stack.client
    listen = (await stack.edges.state(edge)).listen
    return listen if listen.host.startswith(LOOPBACK) else None


async def _asked(address: Address, question: bytes, timeout_s: float) -> What:
    writer = None
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(address.host, address.port, local_addr=_told_apart(address))
            writer.write(question)
            await writer.drain()
            return "answered" if await reader.read(1) else "closed"
    except TimeoutError:
        return "silent"
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "reset"
    finally:
        if writer is not None:
            writer.transport.abort()


def _told_apart(address: Address) -> tuple[str, int] | None:
    """The proxy's ledger must not take this for a connection of the target."""
    return (LOOKING_FROM, 0) if address.host.startswith("127.") else None


def _postgres(padding_bytes: int) -> bytes:
    """A TLS request, which every server answers with one byte; with padding, a start-up message of protocol 3.0."""
    if not padding_bytes:
        return struct.pack("!ii", 8, 80877103)
    body = b"user\0harness\0application_name\0" + b"x" * padding_bytes + b"\0\0"
    return struct.pack("!ii", 8 + len(body), 196608) + body


def _redis(padding_bytes: int) -> bytes:
    text = b"x" * max(1, padding_bytes)
    return b"*2\r\n$4\r\nPING\r\n$%d\r\n%s\r\n" % (len(text), text)


def _backend(padding_bytes: int) -> bytes:
    """Any answer will do, so that nothing of the target need be known."""
    return b"GET / HTTP/1.1\r\nHost: harness\r\nX-Padding: " + b"x" * padding_bytes + b"\r\nConnection: close\r\n\r\n"


_QUESTIONS: dict[Service, Callable[[int], bytes]] = {
    Service.POSTGRES: _postgres,
    Service.REDIS: _redis,
    Service.BACKEND: _backend,
}
