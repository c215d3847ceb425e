"""Finds the faults by looking at the files beside this one; nothing registers itself."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from harness import tomlfile
from harness.fault_plan import FaultPlan, Scalar
from harness.live.chaos.faults.option import options_of
from harness.live.chaos.faults.protocol import Fault
from harness.scenario import Scenario
from harness.tomlfile import Key, Mistake

_PACKAGE = __package__
_Found = tuple[Key, str, str, str]


@cache
def catalogue() -> Mapping[str, type[Fault]]:
    """Every fault's class by its name, sorted."""
    package = importlib.import_module(_PACKAGE)
    modules = [importlib.import_module(f"{_PACKAGE}.{item.name}") for item in pkgutil.iter_modules(package.__path__)]
    found: dict[str, type[Fault]] = {module.FAULT.name: module.FAULT for module in modules if hasattr(module, "FAULT")}
    return MappingProxyType(dict(sorted(found.items())))


def fault_named(name: str, options: Mapping[str, Scalar]) -> Fault:
    """A new occurrence of the fault; `mistakes` has checked name and options before."""
    return catalogue()[name](**options)


def mistakes(scenario: Scenario, text: str) -> list[Mistake]:
    """What a scenario asks for that the catalogue does not have: names, options, values; with their lines in `text`."""
    found = [item for index, plan in enumerate(scenario.faults) for item in _of_plan(("faults", index), plan)]
    for index, name in enumerate(scenario.checks_during):
        found += _of_name(("checks_during", index), name)
    return _told(found, text)


def unknown_names(tables: Mapping[str, Any], text: str) -> list[Mistake]:
    """The faults that a file names and the catalogue lacks, of a file that can't be read as a scenario."""
    found: list[_Found] = []
    plans = tables.get("faults")
    for index, plan in enumerate(plans if isinstance(plans, list) else []):
        if isinstance(plan, Mapping) and isinstance(name := plan.get("fault"), str):
            found += _of_name(("faults", index, "fault"), name)
    return _told(found, text)


def _told(found: Iterable[_Found], text: str) -> list[Mistake]:
    return [
        Mistake(key=tomlfile.dotted(key), line=tomlfile.line_of(key, text), value=value, problem=problem, remedy=remedy)
        for key, value, problem, remedy in found
    ]


def _of_plan(here: Key, plan: FaultPlan) -> Iterator[_Found]:
    for name in plan.names:
        yield from _of_name((*here, "fault" if plan.fault else "any_of"), name)
    if plan.fault is not None and plan.fault in catalogue():
        yield from _of_options((*here, "options"), plan.fault, plan.options)


def _of_name(here: Key, name: str) -> Iterator[_Found]:
    if name not in catalogue():
        near = difflib.get_close_matches(name, catalogue(), n=1)
        remedy = f"did you mean '{near[0]}'?" if near else "`harness faults` lists them"
        yield here, repr(name), "is no known fault", remedy


def _of_options(here: Key, fault: str, given: Mapping[str, Scalar]) -> Iterator[_Found]:
    known = {option.name: option for option in options_of(catalogue()[fault])}
    for name, value in given.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            remedy = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known) or 'none'}"
            yield (*here, name), repr(value), f"is no option of {fault}", remedy
        elif trouble := known[name].trouble(value):
            problem, _, remedy = trouble.partition("; ")
            yield (*here, name), repr(value), problem, remedy
