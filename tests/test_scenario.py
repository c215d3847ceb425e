"""Scenario files: what they may say, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from harness import bundled, scenario
from harness.scenario import Scenario
from harness.tomlfile import BadFile, merged

BASE = 'name = "a"\nproves = "something"\n'


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "a.toml"
    path.write_text(BASE + text)
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[load]\nmodel = "open"\n', "set rate_per_s"),
        ("[load]\nrate_per_s = 5\n", "a rate has no meaning in a closed model"),
        ('[load]\nflow = ["login"]\n', "flow must begin with 'register'"),
        ('[load]\nmodel = "sequential"\nprocesses = 2\n', "set processes = 1"),
        ("[load]\nusers = 1\nprocesses = 2\n", "raise users"),
        ('[load.operations]\nwhen = "after"\nsteps = { read = 1 }\n', "set count"),
        ('[[faults]]\nfault = "redis.kill"\n', "needs one beginning"),
        ('[[faults]]\nfault = "redis.kill"\nat_s = 1\nat_registration = 2\n', "needs one beginning"),
        ('[[faults]]\nfault = "redis.kill"\nat_s = 1\nfor_s = 1\nuntil_end = true\n', "more than one end"),
        ('[[faults]]\nfault = "redis.kill"\nat_s = 1\nrepeat = 3\n', "set every_s"),
        ('[gates]\nleaks = "none"\n', "is no bound"),
        ('[[faults]]\nfault = "redis.kill"\nafter = "lunch"\n', "names no earlier fault"),
        ("[sizes.huge]\n", "is no size"),
        ('[sizes.full.load]\nregistrations = "many"\n', "load.registrations"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_remedy(tmp_path: Path, text: str, said: str) -> None:
    """A contradiction in a scenario never reaches a run."""
    with pytest.raises(BadFile, match=said):
        scenario.load(written(tmp_path, text))


def test_strict_gates_hold_unless_the_scenario_says_otherwise(tmp_path: Path) -> None:
    """Leaks, lost and orphaned tenants and crashes are gated at zero without being asked for."""
    plain = scenario.load(written(tmp_path, ""))
    assert {"leaks <= 0", "lost <= 0", "orphans <= 0", "crashes <= 0"} <= {str(gate) for gate in plain.all_gates()}
    loosened = scenario.load(written(tmp_path, "[gates]\nleaks = 3\n"))
    assert "leaks <= 3" in {str(gate) for gate in loosened.all_gates()}


def test_a_size_is_laid_on_the_base(tmp_path: Path) -> None:
    """`--size full` changes what its table names and nothing else."""
    path = written(tmp_path, "[load]\nusers = 7\n[sizes.full.load]\nregistrations = 1000\n")
    assert scenario.load(path).load.registrations == 20
    full = scenario.load(path, size="full")
    assert (full.load.registrations, full.load.users) == (1000, 7)


def test_the_command_line_comes_last(tmp_path: Path) -> None:
    """An override wins over the file and over the size, and is checked like the file."""
    path = written(tmp_path, "[sizes.full.load]\nregistrations = 1000\n")
    assert scenario.load(path, size="full", overrides={"load": {"registrations": 5}}).load.registrations == 5
    with pytest.raises(BadFile, match=r"load\.registrations = 0"):
        scenario.load(path, overrides={"load": {"registrations": 0}})


def test_merged_keeps_what_is_not_named() -> None:
    """Tables are merged, values are replaced, the base is left as it was."""
    base: dict[str, Any] = {"a": {"b": 1, "c": 2}, "d": [1]}
    assert merged(base, {"a": {"b": 3}, "d": [2]}) == {"a": {"b": 3, "c": 2}, "d": [2]}
    assert base == {"a": {"b": 1, "c": 2}, "d": [1]}


@pytest.mark.parametrize("path", bundled.scenarios(), ids=lambda path: path.stem)
@pytest.mark.parametrize("size", ["short", "full"])
def test_every_bundled_scenario_is_valid_and_named_after_its_file(path: Path, size: Any) -> None:
    """The library that travels with the harness can be read in both sizes."""
    assert scenario.load(path, size=size).name == path.stem


def test_the_schema_tells_every_key() -> None:
    """Editors get a schema that knows the tables and refuses what the harness refuses."""
    schema = Scenario.model_json_schema()
    assert schema["additionalProperties"] is False
    assert {"load", "faults", "gates", "settings"} <= set(schema["properties"])
