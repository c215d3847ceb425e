"""Bad input is told once, all of it, with file, line, key, value and remedy."""

import pickle
from pathlib import Path

import pytest

from harness import scenario
from harness.tomlfile import BadFile, dotted, line_of

BAD = """\
name = "Bad Name"
[load]
model = "opn"
registrations = 0
usres = 3
[[faults]]
fault = "redis.kill"
at_s = 1
[[faults]]
fault = "rediskill"
at_s = -1
[gates]
leaks = "abc"
"""


@pytest.fixture
def bad_file(tmp_path: Path) -> Path:
    path = tmp_path / "bad.toml"
    path.write_text(BAD)
    return path


def test_mistakes_come_back_whole_from_another_process(bad_file: Path) -> None:
    """A process that is asked to run a file and can't tells the same."""
    with pytest.raises(BadFile) as told:
        scenario.load(bad_file)
    back = pickle.loads(pickle.dumps(told.value))
    assert str(back) == str(told.value)
    assert back.mistakes == told.value.mistakes


def test_every_mistake_is_told_at_once_with_its_line(bad_file: Path) -> None:
    """One try shows all that must be mended, each where it stands."""
    with pytest.raises(BadFile) as told:
        scenario.load(bad_file)
    found = {(mistake.key, mistake.line) for mistake in told.value.mistakes}
    assert found == {
        ("name", 1),
        ("proves", None),
        ("load.model", 3),
        ("load.registrations", 4),
        ("load.usres", 5),
        ("faults[1].fault", 10),
        ("faults[1].at_s", 11),
        ("gates.leaks", 13),
    }


def test_a_mistyped_key_gets_the_right_one_proposed(bad_file: Path) -> None:
    """An unknown key is a mistake, and the nearest known one is named."""
    with pytest.raises(BadFile, match=r"load\.usres = 3: is not a known key \(did you mean 'users'\?\)"):
        scenario.load(bad_file)


@pytest.mark.parametrize(
    ("text", "said"),
    [("a = [", "is no TOML"), (None, "does not exist"), ("\x00", "is no TOML")],
)
def test_an_unreadable_file_is_one_clear_mistake(tmp_path: Path, text: str | None, said: str) -> None:
    """A missing file and broken TOML are told like any other mistake, never as a stack trace."""
    path = tmp_path / "some.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BadFile, match=said) as told:
        scenario.load(path)
    assert str(path) in str(told.value)


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    """A binary file is refused by name."""
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadFile, match="can't be read"):
        scenario.load(path)


def test_lines_are_found_through_arrays_of_tables() -> None:
    """The second `[[faults]]` is not mistaken for the first."""
    assert line_of(("faults", 0, "at_s"), BAD) == 8
    assert line_of(("faults", 1, "at_s"), BAD) == 11
    assert line_of(("nowhere",), BAD) is None
    assert dotted(("faults", 1, "at_s")) == "faults[1].at_s"
