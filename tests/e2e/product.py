"""Runs the command line as a person does, in a process of its own, and looks at what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from harness.clock import wait_until

ENDS_WITHIN_S = 110.0
COMES_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Product:
    """A place of its own for runs, state and scratch data, so that what stays behind can be told."""

    folder: Path

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    @property
    def latest(self) -> Path:
        return self.runs / "latest"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "HARNESS_STATE_DIR": str(self.folder / "state"),
            "HARNESS_SCRATCH_DIR": str(self.folder / "scratch"),
            "CI": "true",
        }

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """`harness ARGUMENTS` in the background, in a session of its own like one in a terminal."""
        (self.folder / "scratch").mkdir(parents=True, exist_ok=True)
        return subprocess.Popen(
            [sys.executable, "-m", "harness", *arguments],
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def call(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """`harness ARGUMENTS` to its end: exit code and everything it printed."""
        return self.ended(self.start(*arguments, **environment))

    def run(self, scenario: Path, *arguments: str, **environment: str) -> tuple[int, str]:
        """`harness run` of a scenario on the embedded stack, to its end."""
        return self.ended(self.start_run(scenario, *arguments, **environment))

    def start_run(self, scenario: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        where = ("--stack", "embedded", "--out", str(self.runs))
        return self.start("run", str(scenario), *where, *arguments, **environment)

    def ended(self, process: subprocess.Popen[str]) -> tuple[int, str]:
        """Wait for its end; a process that doesn't end is killed, and the test fails."""
        try:
            output, _ = process.communicate(timeout=ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return process.returncode, output

    def json(self, name: str) -> Any:
        return json.loads((self.latest / name).read_text())

    def rows(self, writer: str) -> list[dict[str, Any]]:
        """The rows that a writer has written so far, a torn last line left out."""
        try:
            text = (self.latest / "events" / f"{writer}.jsonl").read_text()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    async def until_phase(self, phase: str) -> None:
        """Wait until the run says that it is in that phase."""
        await wait_until(
            lambda: any(row.get("phase") == phase for row in self.rows("conductor")),
            what=f"phase {phase}",
            timeout_s=COMES_WITHIN_S,
        )

    async def until_registered(self, count: int) -> None:
        """Wait until that many registrations have an outcome."""
        await wait_until(
            lambda: sum(row.get("step") == "register" for row in self.rows("load-0")) >= count,
            what=f"{count} registrations",
            timeout_s=COMES_WITHIN_S,
        )

    def processes(self) -> list[str]:
        """Every process that carries this place in its environment: the harness and whatever it started."""
        mark = f"HARNESS_STATE_DIR={self.folder / 'state'}"
        return [f"{one.pid} {' '.join(one.cmdline())[:80]}" for one in psutil.process_iter() if _carries(one, mark)]

    def left_behind(self) -> list[str]:
        """Processes, scratch folders and ledgers that should be gone."""
        scratch = [str(path) for path in (self.folder / "scratch").glob("*")]
        ledgers = [str(path) for path in (self.folder / "state").glob("*")]
        return [*self.processes(), *scratch, *ledgers]


def _carries(process: psutil.Process, mark: str) -> bool:
    try:
        name, _, value = mark.partition("=")
        return process.status() != psutil.STATUS_ZOMBIE and process.environ().get(name) == value
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
