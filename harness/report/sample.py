"""Makes the sample report of the repository from a real run: `python -m harness.report.sample RUN DEST`.

The report is rendered from a copy of the run in which nothing tells of the machine that it ran on: no path, no host.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from pathlib import Path

from harness.judge.document import to_json
from harness.judge.verdict import judge
from harness.plan import Plan
from harness.record.folder import RunFolder, write_whole
from harness.record.reader import read
from harness.report.pictures import FOLDER
from harness.report.write import write_reports

NAME = "sample"
HOST = "sample-machine"
PICTURES = ("glance", "latency-response", "connections", "redis")
KEPT = ("report.html", "report.md", "verdict.json")
# Temporary folders of services, and programs in somebody's home, as logs name them.
_PLACES = re.compile(r"(?<![\w./])/(?:tmp|var|dev/shm|home|root|work|opt|usr/local|Users)/[^\s\"',;:)]+")


def main(arguments: list[str]) -> int:
    """Exit code 2 where it is called in another way."""
    if len(arguments) != 2:
        sys.stderr.write("python -m harness.report.sample RUN DEST\n")
        return 2
    source, target = map(Path, arguments)
    for path in make_sample(source, target):
        sys.stdout.write(f"{path}\n")
    return 0


def make_sample(source: Path, target: Path) -> list[Path]:
    """Render `source` anew into `target`; returns what was written. Raises `NotARun` where it is none."""
    plan = RunFolder(source).plan()
    with tempfile.TemporaryDirectory() as base:
        folder = RunFolder(Path(base) / NAME)
        shutil.copytree(source.resolve(), folder.path)
        for path in [*folder.events.glob("*"), *folder.logs.glob("*"), folder.end_file]:
            if path.is_file():
                path.write_text(scrubbed(path.read_text(encoding="utf-8", errors="replace")), encoding="utf-8")
        folder.write_plan(anonymous(plan))
        _render(folder)
        return _kept(folder.path, target)


def scrubbed(text: str) -> str:
    """The text with every place of this machine replaced."""
    return _PLACES.sub("/somewhere", text)


def anonymous(plan: Plan) -> Plan:
    """The plan as if it had been made in a checkout on no machine in particular."""
    system = plan.machine.system.split()
    return plan.model_copy(
        update={
            "scenario_file": f"scenarios/{Path(plan.scenario_file).name}",
            "target_file": f"fixtures/backend/{Path(plan.target_file).name}",
            "machine": plan.machine.model_copy(update={"host": HOST, "system": f"{system[0]} {system[-1]}"}),
        }
    )


def _render(folder: RunFolder) -> None:
    """The pictures first: Markdown shows those that are there."""
    for path in (*KEPT, "junit.xml"):
        (folder.path / path).unlink(missing_ok=True)
    record = read(folder)
    verdict = judge(record)
    write_whole(folder.verdict_file, to_json(verdict))
    for picture in write_reports(folder, record, verdict, formats=["svg"]):
        if picture.stem not in PICTURES:
            picture.unlink()
    write_reports(folder, record, verdict, formats=["html", "md"])


def _kept(folder: Path, target: Path) -> list[Path]:
    shutil.rmtree(target, ignore_errors=True)
    (target / FOLDER).mkdir(parents=True)
    kept = [folder / name for name in KEPT] + sorted((folder / FOLDER).glob("*.svg"))
    return [Path(shutil.copyfile(path, target / path.relative_to(folder))) for path in kept]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
