"""What the harness itself uses while it loads: the orchestrator and its generators, so that a report can say so."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from harness.clock import Clock
from harness.live.figures import of_process
from harness.live.stack.model import ProcessFigures
from harness.record.schema import Process
from harness.record.writer import RowWriter

PERIOD_S = 1.0


async def watch_own(writer: RowWriter, clock: Clock, generators: Callable[[], list[ProcessFigures]]) -> None:
    """Write a row for the orchestrator and one for each generator of this machine every second, until cancelled."""
    while True:
        orchestrator = of_process(os.getpid())
        own = [("orchestrator", orchestrator)] if orchestrator else []
        for process, figures in [*own, *(("generator", each) for each in generators())]:
            writer.append(row(process, figures, clock.now_ns()))
        await asyncio.sleep(PERIOD_S)


def row(process: str, figures: ProcessFigures, at_ns: int) -> Process:
    return Process(
        at_ns=at_ns,
        process=process,
        pid=figures.pid,
        alive=figures.alive,
        rss_bytes=figures.rss_bytes,
        descriptors=figures.descriptors,
        threads=figures.threads,
        cpu_s=figures.cpu_s,
    )
