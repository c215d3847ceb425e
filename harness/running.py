"""`harness run`: the live half, then the judging half, then one screen and an exit code."""

from __future__ import annotations

import asyncio

from rich.console import Console

from harness.judging import judge_folder
from harness.live.dashboard import watching
from harness.live.prepare import RunRequest, prepare
from harness.live.run import run

EXIT_CODES = {"environment": 4, "interrupted": 130}


def run_and_judge(request: RunRequest, console: Console) -> int:
    """Run, judge, write the reports, print the summary; the exit code says the verdict or why there is none.

    Raises `BadFile` before anything is started.
    """
    prepared = prepare(request)
    with watching(console) as watch:
        ran = asyncio.run(run(prepared, watch))
    if ran.reason in ("environment", "error"):
        console.print(f"the run broke: {ran.detail}", style="red", markup=False, highlight=False)
    ruled = judge_folder(ran.folder, console)
    return EXIT_CODES.get(ran.reason, ruled)
