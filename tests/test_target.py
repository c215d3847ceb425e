"""Target files: how a backend is described, and what is refused."""

from pathlib import Path

import pytest

from harness import bundled, target
from harness.target import filled, filled_json
from harness.tomlfile import BadFile

GOOD = """\
name = "some backend"
[database]
tenant = "tenant_{tenant_id_hex}"
tenant_pattern = "^tenant_[0-9a-f]{32}$"
[health]
check = "/health"
[steps.register]
method = "POST"
path = "/register"
body = { email = "{email}" }
save = { tenant_id = "tenant.id", token = "token" }
[steps.login]
path = "/login"
headers = { Authorization = "Bearer {token}" }
"""


def read(tmp_path: Path, text: str) -> target.Target:
    path = tmp_path / "target.toml"
    path.write_text(text)
    return target.load(path)


def test_a_whole_target_is_read(tmp_path: Path) -> None:
    """The least that describes a backend is enough."""
    assert read(tmp_path, GOOD).steps["register"].save["tenant_id"] == "tenant.id"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('"tenant.id"', '"tenant..id"'), "is no JMESPath expression"),
        (("^tenant_", "(tenant_"), "is no regular expression"),
        (('path = "/login"', 'path = "login"'), "must begin with '/'"),
        (("tenant_id = ", "tenant = "), "save.tenant_id is missing"),
        (("Bearer {token}", "Bearer {tokn}"), r"unknown placeholders \['tokn'\]"),
        (("[steps.login]", "[steps.signin]"), r"no such steps: \['login'\]"),
    ],
)
def test_what_can_not_work_is_refused(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    """A slip in a target file is told before anything starts."""
    assert change[0] in GOOD
    with pytest.raises(BadFile, match=said):
        read(tmp_path, GOOD.replace(*change))


def test_placeholders_are_filled_wherever_text_stands() -> None:
    """Known names are replaced in nested JSON; unknown braces and other values stay."""
    values = {"email": "a@b.example"}
    assert filled("{email} {other} {}", values) == "a@b.example {other} {}"
    assert filled_json({"to": ["{email}", 1, None]}, values) == {"to": ["a@b.example", 1, None]}


def test_the_reference_target_is_valid() -> None:
    """The file that travels with the harness can be read."""
    assert target.load(bundled.reference_target()).steps["register"].method == "POST"
