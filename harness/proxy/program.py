"""The proxy as a program: its two threads, its start and its end."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.proxy.control.api import Api
from harness.proxy.control.http import serve as serve_http
from harness.proxy.ledger import Ledger
from harness.proxy.plane.connection import Settings
from harness.proxy.plane.pipes import new_pipes
from harness.proxy.plane.reactor import new_reactor
from harness.proxy.proxy import Plane
from harness.proxy.server import Server
from harness.record.writer import RowWriter

WRITE_EVERY_S = 0.1
STOP_TIMEOUT_S = 2.0
SWITCH_INTERVAL_S = 0.0005
"""How long one thread may hold the interpreter when the other waits: control must not delay data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    host: str
    port: int
    config: Path | None
    seed: int
    proxy_metrics: bool
    runtime_metrics: bool
    events: Path | None
    origin_ns: int
    port_file: Path | None
    compat: bool


class CannotStart(Exception):
    """The message says what to mend; the exit code whether the caller or the system has to."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


async def serve(options: Options) -> None:
    """Until a signal asks to end. Raises `CannotStart`."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    _allow_descriptors()
    reactor = new_reactor()
    ledger = Ledger(_writer(options.events), options.origin_ns)
    plane = Plane(reactor, new_pipes(), ledger, Settings(seed=options.seed, compat=options.compat))
    server = Server(plane, options.origin_ns)
    api = Api(server, reactor, compat=options.compat, metrics=_metrics(options, server))
    data = threading.Thread(target=reactor.run, name="data", daemon=True)
    data.start()
    try:
        await _configure(api, options)
        await _listen(api, ledger, options)
    finally:
        reactor.post(server.close)
        reactor.stop()
        await asyncio.to_thread(data.join, STOP_TIMEOUT_S)
        ledger.close()


async def _listen(api: Api, ledger: Ledger, options: Options) -> None:
    try:
        control = await serve_http(api.answer, options.host, options.port)
    except OSError as error:
        raise CannotStart(f"control can't listen on {options.host}:{options.port}: {error.strerror}", 4) from error
    host, port = control.sockets[0].getsockname()[:2]
    if options.port_file is not None:
        options.port_file.write_text(f"{host}:{port}")
    print(f"control on {host}:{port}, seed {options.seed}", flush=True)
    try:
        await _until_asked(ledger)
    finally:
        # Not waited for: since Python 3.12 that lasts for as long as a client keeps its connection.
        control.close()


async def _until_asked(ledger: Ledger) -> None:
    """Write the ledger until a signal comes. A disk that refuses ends the program: unrecorded it must not go on."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    while not asked.is_set():
        try:
            ledger.write()
        except OSError as error:
            raise CannotStart(f"the ledger can't be written: {error}", 4) from error
        try:
            await asyncio.wait_for(asked.wait(), WRITE_EVERY_S)
        except TimeoutError:
            continue


async def _configure(api: Api, options: Options) -> None:
    """Create the configuration's proxies. A bad file ends the start, but not with `compat`, as in the original."""
    if options.config is None:
        return
    try:
        shapes, fault = await api.populate(options.config.read_bytes())
        trouble = fault.message if fault else ""
    except OSError as error:
        shapes, trouble = [], error.strerror or str(error)
    if trouble and not options.compat:
        raise CannotStart(f"{options.config}: {trouble}; mend the file, or leave out --config", 2)
    print(f"{options.config}: {trouble or f'{len(shapes)} proxies'}", flush=True)


def _allow_descriptors() -> None:
    """As many as the system lets us have: each connection takes two."""
    try:
        import resource
    except ImportError:  # no such limit on this system
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _writer(events: Path | None) -> RowWriter | None:
    if events is None:
        return None
    try:
        return RowWriter(events)
    except OSError as error:
        raise CannotStart(f"--events {events}: {error.strerror}", 4) from error


def _metrics(options: Options, server: Server) -> Callable[[], bytes] | None:
    if not (options.proxy_metrics or options.runtime_metrics):
        return None
    from harness.proxy.control.metrics import metrics_page

    return metrics_page(server, proxies=options.proxy_metrics, runtime=options.runtime_metrics)
