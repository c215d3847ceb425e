"""The command line of the fault proxy: Toxiproxy's flags, and a few of its own."""

from __future__ import annotations

import argparse
import asyncio
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.clock import monotonic_ns
from harness.proxy.control.api import VERSION
from harness.proxy.program import CannotStart, Options, serve

USAGE, ENVIRONMENT = 2, 4


def main(argv: Sequence[str]) -> int:
    """Serve until SIGTERM or SIGINT; the exit code is 0 then, 2 for bad usage, 4 where the system refused."""
    arguments = parser().parse_args(argv)
    if arguments.version:
        print(f"toxiproxy-server version {VERSION} (tenant-harness)")
        return 0
    options = Options(
        host=arguments.host,
        port=arguments.port,
        config=arguments.config,
        seed=monotonic_ns() if arguments.seed is None else arguments.seed,
        proxy_metrics=arguments.proxy_metrics,
        runtime_metrics=arguments.runtime_metrics,
        events=arguments.events,
        origin_ns=arguments.origin_ns,
        port_file=arguments.port_file,
        compat=arguments.compat,
    )
    threading.current_thread().name = "control"
    try:
        asyncio.run(serve(options))
    except CannotStart as trouble:
        print(trouble, file=sys.stderr)
        return trouble.exit_code
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="harness proxy",
        description="A fault proxy that speaks Toxiproxy's contract, and more (see docs/fault-proxy.md).",
        allow_abbrev=False,
    )
    flag = made.add_argument
    flag("-host", "--host", default="localhost", help="where control listens (default: localhost)")
    flag("-port", "--port", type=int, default=8474, help="its port, 0 for any free one (default: 8474)")
    flag("-config", "--config", type=Path, metavar="FILE", help="proxies to create at the start: a JSON list")
    flag("-seed", "--seed", type=int, metavar="N", help="repeats every draw of that seed (default: a new one)")
    flag("-proxy-metrics", "--proxy-metrics", **_switch("serve metrics of proxies at /metrics"))
    flag("-runtime-metrics", "--runtime-metrics", **_switch("serve metrics of the process at /metrics"))
    flag("-version", "--version", **_switch("print the version"))
    flag("--events", type=Path, metavar="FILE", help="append a row for each connection opened and closed")
    flag("--origin-ns", type=int, default=0, metavar="N", help="the monotonic time that rows count from")
    flag("--port-file", type=Path, metavar="FILE", help="write control's host:port there once it listens")
    flag("--compat", action="store_true", help="behave as Toxiproxy does where that differs observably")
    return made


def _switch(words: str) -> dict[str, Any]:
    """A switch that may be given a value, as in Go: `-version`, `-version=false`."""
    return {"nargs": "?", "const": True, "default": False, "type": _truth, "metavar": "BOOL", "help": words}


def _truth(word: str) -> bool:
    known = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}
    if word.lower() not in known:
        raise argparse.ArgumentTypeError(f"{word!r} is neither true nor false")
    return known[word.lower()]
