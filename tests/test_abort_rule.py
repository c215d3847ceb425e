"""Abort rules: what may be written, and what it means."""

from pathlib import Path

import pytest

from harness import scenario
from harness.abort_rule import AbortRule
from harness.tomlfile import BadFile


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("p95(register) > 2s over 10s", ("p95", "register", ">", 2000.0, False, 10.0, 0.0)),
        ("failed > 50% for 5s", ("failed", None, ">", 0.5, True, 1.0, 5.0)),
        ("failed(login)>=3 over 2.5s for 4s", ("failed", "login", ">=", 3.0, False, 2.5, 4.0)),
        ("  rate < 0.5   over 20 s ", ("rate", None, "<", 0.5, False, 20.0, 0.0)),
        ("lag > 500ms over 5s", ("lag", None, ">", 500.0, False, 5.0, 0.0)),
        ("leaks > 0 for 5s", ("leaks", None, ">", 0.0, False, 1.0, 5.0)),
    ],
)
def test_a_rule_means_what_it_says(text: str, meant: tuple[object, ...]) -> None:
    """Figures, steps, bounds with their units, windows and times are read as people write them."""
    rule = AbortRule.parsed(text)
    read = (rule.figure, rule.step, rule.comparison, rule.bound, rule.share, rule.window_s, rule.held_s)
    assert read == meant


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("everything is bad", "is no abort rule"),
        ("p93 > 2s over 10s", "'p93' is no figure"),
        ("p95 > 2 over 10s", "give the bound in ms or s"),
        ("rate > 2s over 10s", "is no time"),
        ("rate > 20% over 10s", "is no share"),
        ("lag(register) > 2s over 10s", "is not of a step"),
        ("failed > 50%", "has no window"),
        ("failed > 50% over 0s", "has no window"),
    ],
)
def test_what_a_rule_cannot_mean_is_refused_when_the_scenario_is_read(tmp_path: Path, text: str, said: str) -> None:
    """A rule that could never be asked is a mistake in the file, told with key, value and remedy."""
    path = tmp_path / "a.toml"
    path.write_text(f'name = "a"\nproves = "b"\n[[abort]]\nwhen = "{text}"\n')
    with pytest.raises(BadFile, match=r"abort\[0\].when") as told:
        scenario.load(path)
    assert said in str(told.value)


@pytest.mark.parametrize("keys", ["", 'when = "failed > 1 over 5s"\nunless = "failed < 1 over 5s"\n'])
def test_a_rule_has_one_condition(tmp_path: Path, keys: str) -> None:
    """Neither when nor unless, or both, says nothing."""
    path = tmp_path / "a.toml"
    path.write_text(f'name = "a"\nproves = "b"\n[[abort]]\nphase = "after"\n{keys}')
    with pytest.raises(BadFile, match="either when or unless"):
        scenario.load(path)
