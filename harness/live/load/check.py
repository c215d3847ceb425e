"""What can be wrong with a load before anything starts. Never imports locust."""

from __future__ import annotations

from pathlib import Path

from harness.scenario import Scenario
from harness.tomlfile import Mistake, line_of


def load_mistakes(scenario: Scenario, file: Path, text: str) -> list[Mistake]:
    """A Locust file that isn't there; `file` is the scenario's, `text` what is in it."""
    name = scenario.load.locustfile
    if name is None or (file.parent / name).is_file():
        return []
    key = ("load", "locustfile")
    remedy = f"give its path from {file.parent}/"
    return [Mistake(key=".".join(key), line=line_of(key, text), value=repr(name), problem="is no file", remedy=remedy)]
