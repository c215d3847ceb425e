"""`harness prove` from the command line: one defect, its healthy run beside it, the matrix and the exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e
DEFECT = "no_rate_limit_without_redis"


@pytest.mark.timeout(300)
def test_a_planted_defect_is_detected_and_the_healthy_backend_is_not_accused(tmp_path: Path) -> None:
    """The matrix names the finding, and no run folder but the backend's own log says which defect was on."""
    command = [sys.executable, "-m", "harness", "prove", "--only", DEFECT, "--seed", "1", "--out", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (folder,) = tmp_path.glob("prove-*")
    told = json.loads((folder / "matrix.json").read_text())
    assert [(line["name"], line["state"]) for line in told["lines"]] == [("healthy", "silent"), (DEFECT, "detected")]
    assert told["lines"][1]["expected"] == "rate_limit_bypass"
    for run in (folder / "runs").glob("2*"):
        assert DEFECT not in (run / "plan.json").read_text()
        assert not [path for path in (run / "events").iterdir() if DEFECT in path.read_text()]
