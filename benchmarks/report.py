"""A run of a million requests by a thousand tenants: judged and rendered by the command, then opened in Chromium."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks import big_run
from benchmarks.rows import Row
from harness.clock import NS_PER_S, monotonic_ns

RUNS = 3
TIMEOUT_S = 300
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


def run() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as base:
        folder = big_run.make(Path(base) / "run")
        _judge(folder.path)  # fills the cache of the chart runtime, as a first report ever does
        took = [_judge(folder.path) for _ in range(RUNS)]
        yield Row("judge_render_1m_s", median(took), "s", RUNS, 8.0, "lower", "the whole command, a fresh process")
        page = folder.path / "report.html"
        yield Row("report_1m_mb", page.stat().st_size / 1e6, "MB", 1, 2.0, "lower")
        yield _first_paint(page)


def _judge(folder: Path) -> float:
    """Seconds of `harness judge`; its exit code is the verdict's and no matter here."""
    begin_ns = monotonic_ns()
    done = subprocess.run(
        [sys.executable, "-m", "harness", "judge", str(folder)], capture_output=True, timeout=TIMEOUT_S, check=False
    )
    if done.returncode not in (0, 1, 3):
        raise RuntimeError(done.stderr.decode(errors="replace")[-2000:])
    return (monotonic_ns() - begin_ns) / NS_PER_S


def _first_paint(page: Path) -> Row:
    """From opening the file to the first content on the screen, each time in a new context."""
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        return Row("report_first_paint_s", float("nan"), "s", 0, 1.0, "lower", "no Chromium here")
    from playwright.sync_api import sync_playwright

    painted = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(QUIET))
        for _ in range(RUNS):
            context = browser.new_context()
            tab = context.new_page()
            tab.goto(page.as_uri())
            tab.wait_for_function(f"{FIRST_PAINT} !== undefined")
            painted.append(tab.evaluate(FIRST_PAINT) / 1000)
            context.close()
        browser.close()
    return Row("report_first_paint_s", median(painted), "s", RUNS, 1.0, "lower")
