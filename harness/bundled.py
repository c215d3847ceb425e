"""Finds the scenarios and the reference backend that travel with the harness, in a wheel or in a source checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def root() -> Path:
    """The folder that holds `scenarios/` and `fixtures/`: the wheel's `_bundled`, else the checkout."""
    inside = _PACKAGE / "_bundled"
    return inside if inside.is_dir() else _PACKAGE.parent


def scenarios() -> list[Path]:
    """The bundled scenario files, by name."""
    return sorted((root() / "scenarios").glob("*.toml"))


def scenario(named: str) -> Path:
    """A path as given if it is one (a separator or `.toml` in it), else the bundled scenario of that name."""
    as_path = Path(named)
    if as_path.suffix == ".toml" or "/" in named:
        bundled = root() / named
        return as_path if as_path.exists() or not bundled.exists() else bundled
    return root() / "scenarios" / f"{named}.toml"


def reference_target() -> Path:
    """The target file of the reference tenant backend."""
    return root() / "fixtures" / "backend" / "target.toml"
