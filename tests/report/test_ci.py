"""The CI templates do what they say: parsed, and their shell really run, against a stand-in and against the product."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
GITLAB = yaml.safe_load((ROOT / "fixtures" / "ci" / "gitlab.yml").read_text())[".tenant-harness"]
STEPS = {step["id"]: step for step in ACTION["runs"]["steps"]}
EXPRESSION = re.compile(r"\$\{\{\s*([\w.-]+)\s*\}\}")

STAND_IN = """#!/usr/bin/env python3
# What `harness run` leaves, without a run.
import json, os, pathlib, sys
pathlib.Path(os.environ["TOLD"]).write_text(json.dumps(sys.argv[1:]))
code = int(os.environ["CODE"])
if code != 2:
    out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
    run = out / "1-run"
    run.mkdir(parents=True, exist_ok=True)
    (run / "plan.json").write_text("{}")
    (run / "report.md").write_text("# the report")
    (run / "report.html").write_text("<h1>the report</h1>")
    (run / "junit.xml").write_text("<testsuites/>")
    leaks = {"name": "leaks", "phase": "all", "value": 3 if code == 1 else None if code == 3 else 0}
    ruling = {0: "pass", 1: "fail", 3: "unknown"}.get(code, "unknown")
    (run / "verdict.json").write_text(json.dumps({"ruling": ruling, "findings": [leaks]}))
    (out / "latest").unlink(missing_ok=True)
    (out / "latest").symlink_to("1-run")
sys.exit(code)
"""


class Runner:
    """Runs the shell steps of the action one after the other, as GitHub does: files for outputs, path and summary."""

    def __init__(self, folder: Path, inputs: dict[str, str], environment: dict[str, str]) -> None:
        self.folder = folder
        self.inputs = {name: given["default"] for name, given in ACTION["inputs"].items()} | inputs
        self.outputs: dict[str, str] = {}
        self.environment = environment
        self.summary = folder / "summary.md"

    def run(self, id: str) -> subprocess.CompletedProcess[str]:
        step = STEPS[id]
        written = self.folder / f"{id}.outputs"
        written.unlink(missing_ok=True)
        special = {"GITHUB_OUTPUT": written, "GITHUB_STEP_SUMMARY": self.summary, "GITHUB_PATH": self.folder / "path"}
        env = {name: EXPRESSION.sub(self._value, str(text)) for name, text in step["env"].items()}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.folder,
            env=os.environ | self.environment | {name: str(path) for name, path in special.items()} | env,
            capture_output=True,
            text=True,
            timeout=250,
        )
        for line in written.read_text().splitlines() if written.exists() else []:
            name, _, value = line.partition("=")
            self.outputs[f"steps.{id}.outputs.{name}"] = value
        return done

    def _value(self, match: re.Match[str]) -> str:
        known = {"github.action_path": str(ROOT), "runner.temp": str(self.folder)} | self.outputs
        name = match[1]
        return self.inputs[name.removeprefix("inputs.")] if name.startswith("inputs.") else known.get(name, "")


Act = Callable[..., Runner]


@pytest.fixture
def act(tmp_path: Path) -> Act:
    """The action with the stand-in on the PATH, ending with `code`."""

    def made(code: int, **inputs: str) -> Runner:
        return Runner(
            tmp_path, {name.replace("_", "-"): text for name, text in inputs.items()}, stand_in(tmp_path, code)
        )

    return made


def stand_in(folder: Path, code: int) -> dict[str, str]:
    program = folder / "bin" / "harness"
    program.parent.mkdir(exist_ok=True)
    program.write_text(STAND_IN)
    program.chmod(0o755)
    return {"PATH": f"{program.parent}:{os.environ['PATH']}", "CODE": str(code), "TOLD": str(folder / "told.json")}


@pytest.mark.parametrize(("code", "verdict", "leaks"), [(0, "pass", "0"), (1, "fail", "3"), (3, "unknown", "")])
def test_the_action_gates_on_the_verdict(act: Act, code: int, verdict: str, leaks: str) -> None:
    """Its exit code is the run's; the outputs tell verdict and leaks; the summary shows the report."""
    runner = act(code)
    assert runner.run("run").returncode == 0
    assert runner.outputs["steps.run.outputs.verdict"] == verdict
    assert runner.outputs["steps.run.outputs.leaks"] == leaks
    assert runner.run("summary").returncode == 0
    assert runner.summary.read_text() == "# the report"
    gate = runner.run("gate")
    assert gate.returncode == code
    assert ("::error" in gate.stdout) == (code != 0)


def test_unknown_passes_only_where_it_is_allowed(act: Act) -> None:
    """Missing evidence may be let through, a failed gate never."""
    runner = act(3, allow_unknown="true")
    runner.run("run")
    assert runner.run("gate").returncode == 0
    runner = act(1, allow_unknown="true")
    runner.run("run")
    assert runner.run("gate").returncode == 1


def test_bad_usage_is_not_covered_by_the_report_of_a_run_before(act: Act) -> None:
    """Exit code 2 leaves no report, even where an older one lies about; the gate still fails."""
    act(0).run("run")
    runner = act(2)
    runner.run("run")
    assert "steps.run.outputs.report" not in runner.outputs
    assert runner.run("gate").returncode == 2


def test_inputs_reach_the_command_as_they_are(act: Act, tmp_path: Path) -> None:
    """Nothing of an input is run by the shell, whatever is in it."""
    act(0, scenario="$(touch hacked)", target="my file.toml", seed="7", arguments="--registrations\n50").run("run")
    told = json.loads((tmp_path / "told.json").read_text())
    assert told[:2] == ["run", "$(touch hacked)"]
    assert told[-6:] == ["--target", "my file.toml", "--seed", "7", "--registrations", "50"]
    assert not (tmp_path / "hacked").exists()


def test_no_expression_stands_in_a_script() -> None:
    """Inputs come by the environment: written into the script they could be code."""
    assert all("${{" not in step.get("run", "") for step in STEPS.values())


def test_the_action_is_a_valid_composite_action() -> None:
    """Every shell step names its shell, every output its step, every file of ours exists."""
    assert ACTION["runs"]["using"] == "composite"
    for step in ACTION["runs"]["steps"]:
        assert ("run" in step) == (step.get("shell") == "bash")
        assert ("uses" in step) != ("run" in step)
    for output in ACTION["outputs"].values():
        match = re.search(r"steps\.(\w+)\.outputs", output["value"])
        assert match is not None and match[1] in STEPS
    assert all(
        (ROOT / path).exists() for step in STEPS.values() for path in re.findall(r'"\$SOURCE/([^"]+)"', str(step))
    )
    assert all(name in ACTION["inputs"] for name in re.findall(r"inputs\.([\w-]+)", (ROOT / "action.yml").read_text()))


def test_the_report_is_kept_and_shown_also_when_the_gate_will_fail() -> None:
    """The steps that publish run always, before the gate ends the job."""
    order = list(STEPS)
    for id in ("summary", "upload"):
        assert STEPS[id]["if"].startswith("always()")
        assert order.index(id) < order.index("gate")


@pytest.mark.parametrize(
    ("code", "allowed", "ends"), [(0, "false", 0), (1, "true", 1), (3, "false", 3), (3, "true", 0)]
)
def test_the_gitlab_job_gates_on_the_verdict(tmp_path: Path, code: int, allowed: str, ends: int) -> None:
    """Its script, run: the exit code, and artifacts where the template says they are."""
    done = gitlab(tmp_path, code, ALLOW_UNKNOWN=allowed)
    assert done.returncode == ends
    assert (tmp_path / GITLAB["artifacts"]["reports"]["junit"]).is_file()
    assert (tmp_path / GITLAB["artifacts"]["paths"][0] / "report.html").is_file()
    assert GITLAB["artifacts"]["when"] == "always"


def test_the_gitlab_job_passes_on_target_and_seed_and_no_old_report(tmp_path: Path) -> None:
    """Optional variables become arguments only when they are set; bad usage leaves no report."""
    gitlab(tmp_path, 0, TARGET="my file.toml", SEED="7")
    told = json.loads((tmp_path / "told.json").read_text())
    assert told[-4:] == ["--target", "my file.toml", "--seed", "7"]
    assert gitlab(tmp_path, 2).returncode == 2
    assert not (tmp_path / "tenant-harness-report").exists()
    assert "--target" not in json.loads((tmp_path / "told.json").read_text())


def test_the_gitlab_job_installs_nothing_that_nobody_named(tmp_path: Path) -> None:
    """Without a package it says what to set and ends, before pip asks a public index."""
    env = os.environ | GITLAB["variables"] | {"HOME": str(tmp_path)}
    script = "\n".join(GITLAB["before_script"])
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "HARNESS_PACKAGE is not set" in done.stdout


def test_examples_name_files_that_are_here() -> None:
    """What a template's head and the page about it tell to use exists in this repository."""
    texts = [(ROOT / name).read_text() for name in ("action.yml", "fixtures/ci/gitlab.yml", "docs/ci.md")]
    named = [path for text in texts for path in re.findall(r"(?:uses|local|file): (?:\./)?([\w/.-]*)(?=[\s`])", text)]
    own = [path for path in named if not path.startswith((".harness", "actions/"))]
    assert "fixtures/ci/gitlab.yml" in own
    assert all((ROOT / path).exists() for path in own), own


def gitlab(folder: Path, code: int, **variables: str) -> subprocess.CompletedProcess[str]:
    """GitLab joins the lines of `script` in a shell that ends at the first failure."""
    env = os.environ | GITLAB["variables"] | variables | stand_in(folder, code)
    script = "\n".join(GITLAB["script"])
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script], cwd=folder, env=env, capture_output=True, text=True, timeout=60
    )


@pytest.mark.e2e
@pytest.mark.timeout(400)
def test_the_action_runs_the_product(tmp_path: Path) -> None:
    """The same steps with the real command: a small run, its verdict in the outputs, its report in the summary."""
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    assert shutil.which("harness", path=programs)
    environment = {"PATH": programs, "HARNESS_STATE_DIR": str(tmp_path / "state")}
    runner = Runner(tmp_path, {"stack": "embedded", "arguments": "--registrations\n8"}, environment)
    done = runner.run("run")
    assert done.returncode == 0, done.stderr
    report = Path(runner.outputs["steps.run.outputs.report"])
    verdict = json.loads((report / "verdict.json").read_text())
    assert runner.outputs["steps.run.outputs.verdict"] == verdict["ruling"]
    assert (report / "report.html").stat().st_size > 100_000
    runner.run("summary")
    assert "Potential leaks" in runner.summary.read_text()
    assert runner.run("gate").returncode == {"pass": 0, "fail": 1, "unknown": 3}[verdict["ruling"]]
