"""What is to be proved: the file, and the cases that follow from it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness import bundled, target
from harness.cli import Exit, app
from harness.live.prepare import prepare
from harness.prove.catalogue import Catalogue, load, scenario_of
from harness.prove.suite import Suite
from harness.tomlfile import BadFile

TARGET_FILE = bundled.reference_target()
BACKEND = TARGET_FILE.parent

SCENARIO = """\
name = "typo"
proves = "nothing: its fault is misspelt"
[[faults]]
fault = "redis.kil"
at_s = 1
"""
PROVE = """\
variable = "BACKEND_DEFECTS"
[trials.broken]
scenario = "typo.toml"
[trials.unknown]
scenario = "nowhere"
[defects.a]
trial = "broken"
finding = "leaks"
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    catalogue, path = load(target.load(TARGET_FILE), TARGET_FILE)
    out = tmp_path_factory.mktemp("runs")
    return Suite(catalogue=catalogue, catalogue_file=path, target=TARGET_FILE, stack="embedded", seed=5, out=out)


def test_every_planted_defect_is_to_be_proved_by_the_finding_its_catalogue_names(suite: Suite) -> None:
    """The backend's table and the proof agree, so that no defect is planted that nobody looks for."""
    sys.path.insert(0, str(BACKEND))
    try:
        from tenant_backend.defects.catalogue import CATALOGUE
    finally:
        sys.path.remove(str(BACKEND))
    assert {name: defect.finding for name, defect in suite.catalogue.defects.items()} == {
        defect.name: defect.finding for defect in CATALOGUE
    }


def test_every_trial_can_be_run(suite: Suite) -> None:
    """Its scenario and what is laid on it hold together with the target, before anything is started."""
    for case in suite.healthy(len(suite.catalogue.trials)):
        assert prepare(case.request).scenario.all_gates()


def test_the_short_proof_has_one_defect_for_each_finding(suite: Suite) -> None:
    """Every finding that catches a defect is proved once."""
    short = [suite.catalogue.defects[case.defect].finding for case in suite.cases(subset=True) if case.defect]
    assert len(short) == len(set(short))
    assert set(short) == {defect.finding for defect in suite.catalogue.defects.values()}


def test_each_trial_is_tried_healthy_before_its_defects(suite: Suite) -> None:
    """The same scenario against the backend without a defect, and only the defects of it that were asked for."""
    cases = suite.cases(["leak_one_in_ten", "orphan_database"])
    assert [(case.trial, case.defect) for case in cases] == [
        ("undisturbed", None),
        ("undisturbed", "leak_one_in_ten"),
        ("cut-registrations", None),
        ("cut-registrations", "orphan_database"),
    ]


def test_only_the_backends_environment_names_the_defect(suite: Suite) -> None:
    """Scenario, target, overrides and folder are those of the healthy run."""
    healthy, defective = suite.cases(["leak_one_in_ten"])
    assert defective.env == {**healthy.env, "BACKEND_DEFECTS": "leak_one_in_ten"}
    assert "BACKEND_DEFECTS" not in healthy.env
    for same in ("scenario", "size", "target", "over", "target_over", "out", "seed"):
        assert getattr(healthy, same) == getattr(defective, same)


def test_an_unknown_defect_is_told_before_anything_runs(suite: Suite) -> None:
    """With the names that are known."""
    with pytest.raises(BadFile, match="leak_one_in_ten"):
        suite.cases(["leak_one_in_tne"])


def test_a_mistake_in_a_trials_scenario_is_told_before_anything_runs(tmp_path: Path) -> None:
    """One message with every trial, file, line and key that is wrong, and exit code 2."""
    (tmp_path / "target.toml").write_text(TARGET_FILE.read_text())
    (tmp_path / "prove.toml").write_text(PROVE)
    (tmp_path / "typo.toml").write_text(SCENARIO)
    told = CliRunner().invoke(app, ["prove", "--target", str(tmp_path / "target.toml"), "--out", str(tmp_path / "out")])
    assert told.exit_code == Exit.USAGE, told.output
    assert re.search(r"trials\.broken: \S*typo\.toml: line 4, faults\[0\]\.fault = 'redis\.kil': ", told.output)
    assert "trials.unknown: " in told.output
    assert "nowhere.toml: scenario: does not exist" in told.output
    assert not (tmp_path / "out").exists()


def test_a_target_without_planted_defects_says_what_to_do() -> None:
    """`harness prove` needs a file that names them."""
    described = target.load(TARGET_FILE).model_copy(update={"prove": None})
    with pytest.raises(BadFile, match=r"docs/prove\.md"):
        load(described, TARGET_FILE)


def test_a_defect_in_an_unknown_trial_is_a_mistake() -> None:
    """The message names both."""
    tables = {"variable": "X", "trials": {}, "defects": {"a": {"trial": "b", "finding": "leaks"}}}
    with pytest.raises(ValueError, match=r"defects\.a\.trial names no trial: 'b'"):
        Catalogue.model_validate(tables)


def test_a_trials_scenario_lies_beside_the_file_or_in_the_library(suite: Suite) -> None:
    """A bundled name and a file of one's own are written the same way."""
    trials = suite.catalogue.trials
    assert Path(scenario_of(trials["undisturbed"], suite.catalogue_file)).parent == BACKEND / "prove"
    assert Path(scenario_of(trials["isolation"], suite.catalogue_file)).parent == bundled.root() / "scenarios"
