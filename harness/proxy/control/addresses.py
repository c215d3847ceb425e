"""Where a proxy listens: names are looked up here, where waiting holds nobody up but the caller."""

from __future__ import annotations

import asyncio
import socket

from harness.proxy.faults import system
from harness.proxy.plane.dial import literal_address
from harness.proxy.plane.listener import spelled

LOOKUP_TIMEOUT_S = 0.8


async def resolved_listen(listen: str, *, compat: bool) -> str:
    """`host:port` with a numeric host. No host means loopback (all interfaces with `compat`), no port any free one.

    Raises `Fault` with the words that Toxiproxy has.
    """
    host, colon, port = (listen or ":0").rpartition(":")
    if not colon:
        raise system(f"listen tcp: address {listen}: missing port in address")
    if not port.isdigit() or int(port) > 65535:
        raise system(f"listen tcp: address {listen}: invalid port")
    host = host.strip("[]") or ("0.0.0.0" if compat else "127.0.0.1")
    literal = literal_address(host, int(port))
    return spelled(literal.address if literal is not None else await _looked_up(host, int(port)))


async def _looked_up(host: str, port: int) -> tuple[str, int]:
    loop = asyncio.get_running_loop()
    lookup = loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    try:
        found = await asyncio.wait_for(lookup, LOOKUP_TIMEOUT_S)
    except OSError as error:
        raise system(f"listen tcp: lookup {host}: no such host") from error
    except TimeoutError as error:
        raise system(f"listen tcp: lookup {host}: no answer within {LOOKUP_TIMEOUT_S} s") from error
    address = sorted(found, key=lambda one: one[0] != socket.AF_INET)[0][4]
    return str(address[0]), port
