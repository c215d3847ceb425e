"""What is to be proved, from a TOML file that the target file names: which defects a backend can be given, in which
trial each shows, and which finding must catch it. Pure: TOML -> frozen values."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, JsonValue, model_validator

from harness import bundled, tomlfile
from harness.gate import GateBound
from harness.scenario import Size
from harness.target import Target
from harness.tomlfile import BadFile, Mistake, Strict


class Trial(Strict):
    """A scenario in which defects are tried. `over` are tables laid on it, as `--setting` would; `target` are tables
    laid on the target file: a promise that fits the settings, say."""

    scenario: str = Field(description="a file beside this one, or the name of a bundled scenario")
    size: Size | None = "short"
    over: dict[str, JsonValue] = Field({})
    target: dict[str, JsonValue] = Field({})


class Defect(Strict):
    """One planted defect. `also` are findings that follow from it and may fire besides; any other is a false one."""

    trial: str
    finding: str
    also: list[str] = Field([])
    subset: bool = Field(False, description="in the short proof: one defect for each finding")
    breaks: str = Field("", description="what is wrong, in a sentence")


class Catalogue(Strict):
    """A whole file."""

    variable: Annotated[str, Field(min_length=1)] = Field(description="the one that gives the backend a defect")
    env: dict[str, str] = Field({}, description="what every backend is started with, healthy or not")
    gates: dict[str, GateBound] = Field({}, description="bounds of findings in every trial, besides the defaults")
    trials: dict[str, Trial]
    defects: dict[str, Defect]

    @model_validator(mode="after")
    def _trials_are_known(self) -> Self:
        for name, defect in self.defects.items():
            if defect.trial not in self.trials:
                raise ValueError(f"defects.{name}.trial names no trial: '{defect.trial}'; add [trials.{defect.trial}]")
        return self

    def expected_in(self, trial: str) -> list[str]:
        """The findings that defects are caught by in this trial: the healthy backend must pass each of them."""
        return sorted({defect.finding for defect in self.defects.values() if defect.trial == trial})


def load(target: Target, target_file: Path) -> tuple[Catalogue, Path]:
    """The target's catalogue and its file. Raises `BadFile` with every mistake."""
    if target.prove is None:
        remedy = "name a file of planted defects, see docs/prove.md"
        raise BadFile(target_file, [Mistake(key="prove", problem="is missing: there is no defect", remedy=remedy)])
    path = target_file.parent / target.prove
    return tomlfile.parse(Catalogue, tomlfile.read_tables(path), path), path


def scenario_of(trial: Trial, catalogue_file: Path) -> str:
    """The trial's scenario as `harness run` takes it."""
    beside = catalogue_file.parent / trial.scenario
    return str(beside) if beside.is_file() else str(bundled.scenario(trial.scenario))
