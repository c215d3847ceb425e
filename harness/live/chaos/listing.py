"""The fault catalogue for people: what each does, what it takes, and where it works."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.text import Text

from harness.live.chaos.faults import Fault, catalogue, fault_named
from harness.live.chaos.faults.option import Option, options_of
from harness.live.stack import Capability, Service

Capabilities = frozenset[tuple[Service, Capability]]


def listing() -> Text:
    """A paragraph a fault: its name and stacks, what it does, its options with their defaults."""
    return Text("\n\n").join(_paragraph(name, fault) for name, fault in catalogue().items())


def stacks_of(fault: Fault) -> Iterator[str]:
    """Names of the stacks that can do the fault; the external one only what its owner allows."""
    for stack, capabilities in _stacks().items():
        if fault.needs <= capabilities:
            yield stack


def explained(option: Option) -> str:
    """`latency_ms = 200: added to every answer, 1 to 60000`."""
    default = f'"{option.default}"' if isinstance(option.default, str) else str(option.default)
    bounds = f", {option.least:g} to {option.most:g}" if option.least is not None and option.most is not None else ""
    choices = f"; one of {', '.join(option.choices)}" if option.choices else ""
    return f"{option.name} = {default}: {option.text}{bounds}{choices}"


def _paragraph(name: str, fault: type[Fault]) -> Text:
    told = Text(name, style="bold").append(f"  ({', '.join(stacks_of(fault_named(name, {})))})", style="not bold dim")
    told.append(f"\n    {fault.text}\n    seen when {fault.seen_by}", style="not bold")
    for option in options_of(fault):
        told.append(f"\n      {explained(option)}", style="not bold dim")
    return told


def _stacks() -> Mapping[str, Capabilities]:
    """What each kind of stack can do at the most. The docker one runs the real Toxiproxy, without our extensions."""
    everywhere = {(service, capability) for service in Service for capability in _PROCESS}
    everywhere |= {(service, Capability.EDGE) for service in (Service.POSTGRES, Service.REDIS, Service.BACKEND)}
    everywhere |= _ADMIN | {(Service.POSTGRES, Capability.SIGNAL_POSTGRES_BACKEND)}
    edges = {(service, Capability.EDGE) for service in (Service.POSTGRES, Service.REDIS, Service.BACKEND)}
    return {
        "embedded": frozenset(everywhere | {(Service.PROXY, Capability.PROXY_EXTENSIONS)}),
        "docker": frozenset(everywhere | {(service, Capability.DISCONNECT) for service in Service}),
        "external (where allowed)": frozenset(edges | _ADMIN),
    }


_PROCESS = (Capability.KILL, Capability.STOP, Capability.PAUSE, Capability.RESTART)
_ADMIN = {(Service.POSTGRES, Capability.POSTGRES_ADMIN), (Service.REDIS, Capability.REDIS_ADMIN)}
