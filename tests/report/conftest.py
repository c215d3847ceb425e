"""Browser tests run in Chromium; where there is none they say so, unless the environment requires them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str | None:
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium of the system; `HARNESS_REQUIRE=browser` makes its absence a failure.

    Gone with its module: Playwright keeps an event loop running, beside which no asynchronous test can run.
    """
    program = chromium()
    if program is None:
        message = "there is no Chromium on the PATH; on Debian: apt-get install chromium"
        if "browser" in os.environ.get("HARNESS_REQUIRE", ""):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=QUIET)
        yield started
        started.close()


@pytest.fixture(scope="session")
def shots() -> Path | None:
    """Where screenshots go, if somebody wants to look at them: `HARNESS_SHOTS`."""
    folder = os.environ.get("HARNESS_SHOTS")
    if folder is None:
        return None
    Path(folder).mkdir(parents=True, exist_ok=True)
    return Path(folder)
