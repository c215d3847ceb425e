"""Finds the faults by looking at the files beside this one; nothing registers itself."""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from harness.live.chaos.faults.protocol import Fault
from harness.scenario import Scalar, Scenario
from harness.tomlfile import Mistake

_PACKAGE = __package__


@cache
def catalogue() -> Mapping[str, type[Fault]]:
    """Every fault's class by its name, sorted."""
    package = importlib.import_module(_PACKAGE)
    modules = [importlib.import_module(f"{_PACKAGE}.{item.name}") for item in pkgutil.iter_modules(package.__path__)]
    found: dict[str, type[Fault]] = {}
    for module in modules:
        for fault in [getattr(module, "FAULT", None), *getattr(module, "FAULTS", ())]:
            if fault is not None:
                found[fault.name] = fault
    return MappingProxyType(dict(sorted(found.items())))


def fault_named(name: str, options: Mapping[str, Scalar]) -> Fault:
    """A new occurrence of the fault; `mistakes` has checked name and options before."""
    return catalogue()[name](**options)


def options_of(fault: type[Fault]) -> dict[str, Scalar]:
    """The fault's own parameters and their defaults, from its constructor."""
    parameters = inspect.signature(fault).parameters.values()
    return {item.name: item.default for item in parameters if item.default is not inspect.Parameter.empty}


def mistakes(scenario: Scenario) -> list[tuple[tuple[str | int, ...], Mistake]]:
    """Faults and options of a scenario that the catalogue does not have, each with its key in the file."""
    found = []
    for index, planned in enumerate(scenario.faults):
        fault = catalogue().get(planned.fault)
        if fault is None:
            near = difflib.get_close_matches(planned.fault, catalogue(), n=1)
            remedy = f"did you mean '{near[0]}'?" if near else "`harness faults` lists them"
            key: tuple[str | int, ...] = ("faults", index, "fault")
            found.append((key, Mistake(key="", value=repr(planned.fault), problem="is no known fault", remedy=remedy)))
            continue
        known = options_of(fault)
        for name in planned.options.keys() - known.keys():
            remedy = f"known: {', '.join(known) or 'none'}"
            key = ("faults", index, "options", name)
            found.append((key, Mistake(key="", problem=f"is no option of {planned.fault}", remedy=remedy)))
    return found
