"""The command line: what it refuses, what it says, and that looking costs nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness import __version__
from harness.cli import Exit, app, overrides
from harness.tomlfile import BadFile

runner = CliRunner()


def test_version_and_help_name_what_a_newcomer_needs() -> None:
    """The version is the package's; the help tells every exit code."""
    assert __version__ in runner.invoke(app, ["--version"]).output
    told = runner.invoke(app, ["--help"]).output
    assert all(f"{code.value} " in told for code in (Exit.PASS, Exit.FAIL, Exit.USAGE, Exit.UNKNOWN, Exit.ENVIRONMENT))


def test_help_imports_nothing_heavy() -> None:
    """`harness --help` answers at once: no pandas, no locust, no docker."""
    code = (
        "import sys; from typer.testing import CliRunner; from harness.cli import app; "
        "CliRunner().invoke(app, ['--help']); "
        "print([name for name in ('pandas', 'locust', 'docker', 'altair', 'asyncpg') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.strip() == "[]"


def test_every_bundled_scenario_is_listed_with_what_it_proves() -> None:
    """`harness scenarios` reads each file, so that a broken one can't be shipped."""
    told = runner.invoke(app, ["scenarios"])
    assert told.exit_code == 0, told.output
    assert "redis-kill" in told.output
    assert "phase1" in told.output


@pytest.mark.parametrize("what", ["scenario", "target"])
def test_schemas_are_json_schemas(what: str) -> None:
    """An editor can use what `harness schema` prints."""
    told = json.loads(runner.invoke(app, ["schema", what]).output)
    assert told["type"] == "object"
    assert "properties" in told


def test_a_run_folder_that_is_none_is_exit_2(tmp_path: Path) -> None:
    """Judging a folder without a plan says which file is missing."""
    told = runner.invoke(app, ["judge", str(tmp_path)])
    assert told.exit_code == Exit.USAGE
    assert "no plan.json" in told.output


def test_an_unknown_scenario_names_the_known_ones() -> None:
    """A typo costs nothing: exit 2 and the list."""
    told = runner.invoke(app, ["run", "redis-kil"])
    assert told.exit_code == Exit.USAGE
    assert "redis-kill" in told.output


def test_settings_become_scenario_tables() -> None:
    """`--setting` takes any scenario key, typed as TOML, and text where it is no TOML value."""
    tables = overrides(
        {"registrations": 100, "processes": None},
        ["load.users=7", "settings.provisioning=warm", 'gates.leaks = "<= 2"'],
    )
    assert tables == {
        "load": {"registrations": 100, "users": 7},
        "settings": {"provisioning": "warm"},
        "gates": {"leaks": "<= 2"},
    }


def test_a_mistake_on_the_command_line_is_told_as_one() -> None:
    """Not by the line of the scenario file that it replaces; what is wrong in the file keeps its line."""
    for setting, told in [
        ("load.flow=[1]", "on the command line, load.flow[0] = 1: "),
        ("gates.leeks=0", "on the command line, gates.leeks: is no finding"),
        ("settings.nothing=1", "on the command line, settings.nothing = 1: is no setting"),
    ]:
        result = runner.invoke(app, ["run", "redis-kill", "--setting", setting])
        assert result.exit_code == Exit.USAGE
        shown = " ".join(result.output.split())
        assert told in shown
        assert " line " not in shown.replace("on the command line", "")


def test_a_mistake_of_the_file_keeps_its_line_beside_one_of_the_command_line(tmp_path: Path) -> None:
    """Each where it was made."""
    file = tmp_path / "mine.toml"
    file.write_text('schema_version = 1\nname = "mine"\n[load]\nusers = "many"\n')
    result = runner.invoke(app, ["run", str(file), "--setting", "load.flow=[1]"])
    shown = " ".join(result.output.split())
    assert "line 4, load.users = 'many': " in shown
    assert "on the command line, load.flow[0] = 1: " in shown


@pytest.mark.parametrize("text", ["load.users", "=3"])
def test_a_setting_without_key_or_value_is_refused(text: str) -> None:
    """What is no `key=value` is told as such, never as a stack trace."""
    with pytest.raises(BadFile, match="is no key=value"):
        overrides({}, [text])
