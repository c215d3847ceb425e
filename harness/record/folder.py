"""Where things are in a run folder, and its two documents: `plan.json` first, `end.json` last."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from harness.clock import utc_now
from harness.plan import Plan

EndReason = Literal["completed", "interrupted", "aborted", "environment", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How the live half ended. `stack` is the stack that was used and why, `versions` each service's program."""

    reason: EndReason
    detail: str
    ended_ns: int
    stack: str
    stack_why: str
    versions: dict[str, str] = field(default_factory=dict)


class NotARun(Exception):
    """The folder is no run folder; the message says what is missing. Exit code 2."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths of one run. The folder holds facts (`plan.json`, `events/`, `logs/`, `end.json`) and what was derived."""

    path: Path

    @property
    def plan_file(self) -> Path:
        return self.path / "plan.json"

    @property
    def end_file(self) -> Path:
        return self.path / "end.json"

    @property
    def events(self) -> Path:
        return self.path / "events"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def verdict_file(self) -> Path:
        return self.path / "verdict.json"

    def events_file(self, writer: str) -> Path:
        return self.events / f"{writer}.jsonl"

    def plan(self) -> Plan:
        """The plan. Raises `NotARun` if there is none or it can't be read."""
        try:
            return Plan.model_validate_json(self.plan_file.read_bytes())
        except FileNotFoundError:
            raise NotARun(f"{self.path}: no plan.json in it; name a run folder, e.g. reports/latest") from None
        except ValueError as error:
            raise NotARun(f"{self.plan_file}: can't be read: {error}") from None

    def end(self) -> End | None:
        """How the run ended; null where it was killed before it could say so."""
        try:
            return End(**json.loads(self.end_file.read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def write_plan(self, plan: Plan) -> None:
        write_whole(self.plan_file, plan.model_dump_json(indent=1))

    def write_end(self, end: End) -> None:
        write_whole(self.end_file, json.dumps(asdict(end), indent=1))


def create(base: Path, name: str) -> RunFolder:
    """A new folder `<time>-<name>` under `base`, and `base/latest` pointing at it. Never reuses a folder."""
    stamp = utc_now().strftime("%Y%m%d-%H%M%S")
    for attempt in range(1000):
        path = base / (f"{stamp}-{name}" + (f"-{attempt + 1}" if attempt else ""))
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        folder = RunFolder(path)
        folder.events.mkdir()
        folder.logs.mkdir()
        point_latest(base, path.name)
        return folder
    raise FileExistsError(f"{base}: a thousand runs of {name} in one second")


def point_latest(base: Path, name: str) -> None:
    """`base/latest` -> `name`, replaced atomically; a real folder of that name is left alone."""
    latest, fresh = base / "latest", base / f".latest-{os.getpid()}"
    if latest.exists() and not latest.is_symlink():
        return
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(name)
    fresh.replace(latest)


def write_whole(path: Path, text: str) -> None:
    """Write so that a reader sees the old file or the new one, never half of it."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def read_json(path: Path) -> Any:
    return json.loads(path.read_bytes())
