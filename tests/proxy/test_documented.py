"""The page about the proxy tells what there is."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from harness.proxy.cli import parser
from harness.proxy.toxics import TYPES
from tests.proxy import test_defects, test_http_contract, test_toxics
from tests.proxy.differences import DIFFERENCES

PAGE = (Path(__file__).parents[2] / "docs" / "fault-proxy.md").read_text()


@pytest.mark.parametrize("kind", list(TYPES))
def test_every_toxic_is_on_the_page(kind: str) -> None:
    """With each of its attributes."""
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{kind}` |"))
    assert [field.name for field in fields(TYPES[kind]) if f"`{field.name}`" not in row] == []  # type: ignore[arg-type]


def test_every_flag_is_on_the_page() -> None:
    """By its long name."""
    flags = [option for action in parser()._actions for option in action.option_strings if option.startswith("--")]
    assert [flag for flag in flags if flag != "--help" and f"`{flag}" not in PAGE] == []


def test_every_difference_is_a_test() -> None:
    """A renamed test would silently take its difference from the list."""
    tests = {name for module in (test_defects, test_http_contract, test_toxics) for name in vars(module)}
    assert set(DIFFERENCES) <= tests
