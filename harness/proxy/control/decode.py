"""JSON as Toxiproxy's clients may send it: read the way Go reads it.

Keys are case-insensitive, unknown ones ignored, `null` leaves what is there, only the first value of a body counts, and
a whole number must be written as one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from harness.proxy.faults import Fault, bad_body, invalid_stream, invalid_type, missing
from harness.proxy.plane.items import DOWNSTREAM, UPSTREAM, Direction
from harness.proxy.toxics import TYPES
from harness.proxy.toxics.base import Text, Toxic, Whole

T = TypeVar("T", str, bool)
INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyWish:
    """A proxy as a caller describes it; fields that it left out are null. `place` is `listen`, resolved."""

    name: str | None
    listen: str | None
    place: str | None = None
    upstream: str | None
    enabled: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToxicWish:
    name: str
    direction: Direction
    behaviour: Toxic
    toxicity: float


def body(raw: bytes) -> Any:
    """The first JSON value. Raises `Fault`."""
    try:
        text = raw.decode("utf-8").lstrip(" \t\r\n")
        return json.JSONDecoder(parse_constant=_no_constant).raw_decode(text)[0]
    except (ValueError, RecursionError) as error:
        raise bad_body("EOF" if not raw.strip() else str(error)) from error


def proxy_wish(value: object, what: str = "") -> ProxyWish:
    given = _object(value, what or "a proxy")
    return ProxyWish(
        name=_plain(given, "name", str),
        listen=_plain(given, "listen", str),
        upstream=_plain(given, "upstream", str),
        enabled=_plain(given, "enabled", bool),
    )


def new_proxy(raw: bytes) -> ProxyWish:
    wish = proxy_wish(body(raw))
    for field, value in (("name", wish.name), ("upstream", wish.upstream)):
        if not value:
            raise missing(field)
    return wish


def proxy_list(raw: bytes) -> list[ProxyWish]:
    """All of a populate call, valid throughout."""
    value = body(raw)
    if value is None:
        return []
    if not isinstance(value, list):
        raise bad_body(f"must be a list of proxies, not {_kind(value)}")
    wishes = [proxy_wish(one, f"proxy {number}") for number, one in enumerate(value, 1)]
    for number, wish in enumerate(wishes, 1):
        for field, found in (("name", wish.name), ("upstream", wish.upstream)):
            if not found:
                raise missing(f"{field} at proxy {number}")
    return wishes


def new_toxic(raw: bytes, *, compat: bool) -> ToxicWish:
    given = _object(body(raw), "a toxic")
    kind = _plain(given, "type", str) or ""
    known = TYPES.get(kind)
    default: Direction = (known.only if known else None) or DOWNSTREAM
    stream = _plain(given, "stream", str)
    direction = _direction(default if stream is None else stream)
    if known is None:
        raise invalid_type()
    if known.only is not None and direction != known.only:
        raise invalid_stream(f"stream was invalid: {kind} works on {known.only} only")
    return ToxicWish(
        name=_plain(given, "name", str) or f"{kind}_{direction}",
        direction=direction,
        behaviour=_attributes(known, {}, given, compat=compat),
        toxicity=_toxicity(given, 1.0, compat=compat),
    )


def changed_toxic(raw: bytes, old: Toxic, toxicity: float, *, compat: bool) -> tuple[Toxic, float]:
    """Attributes and toxicity after an update; whatever was left out stays."""
    given = _object(body(raw), "a toxic")
    before = {field.name: getattr(old, field.name) for field in fields(old)}  # type: ignore[arg-type]
    return _attributes(type(old), before, given, compat=compat), _toxicity(given, toxicity, compat=compat)


def _attributes(kind: type[Toxic], before: Mapping[str, Any], given: Mapping[str, object], *, compat: bool) -> Toxic:
    """Raises `Fault` with every attribute that is out of its limits."""
    raw = given.get("attributes")
    values, wrong = dict(before), list[str]()
    for name, value in _object(raw if raw is not None else {}, "attributes").items():
        limits = _limits(kind, name)
        if limits is not None and value is not None:
            values[name] = value
            wrong += _outside(name, value, limits)
    behaviour = kind(**values)
    if not wrong:
        wrong = _defaults_outside(behaviour) + behaviour.mistakes()
    if wrong:
        raise bad_body(f"{kind.type}: " + "; ".join(wrong))
    return behaviour


def _limits(kind: type[Toxic], name: str) -> Whole | Text | None:
    found = [field.metadata["limits"] for field in fields(kind) if field.name == name]  # type: ignore[arg-type]
    return found[0] if found else None


def _defaults_outside(behaviour: Toxic) -> list[str]:
    """A default of zero is part of the contract even where zero makes no sense."""
    wrong = []
    for field in fields(behaviour):  # type: ignore[arg-type]
        wrong += _outside(field.name, getattr(behaviour, field.name), field.metadata["limits"])
    return wrong


def _outside(name: str, value: object, limits: Whole | Text) -> list[str]:
    if isinstance(limits, Text):
        if not isinstance(value, str):
            return [f"{name}: {_kind(value)}, must be a text"]
        if limits.choices and value not in limits.choices:
            return [f"{name}: {value!r}, must be one of {', '.join(limits.choices)}"]
        return []
    if isinstance(value, bool) or not isinstance(value, int):
        return [f"{name}: {json.dumps(value)}, must be a whole number"]
    if not limits.least <= value <= limits.most:
        return [f"{name}: {value}, must be from {limits.least} to {limits.most}"]
    return []


def _toxicity(given: Mapping[str, object], before: float, *, compat: bool) -> float:
    value = given.get("toxicity")
    if value is None:
        return before
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise bad_body(f"toxicity: {json.dumps(value)}, must be a number")
    if not compat and not 0 <= value <= 1:
        raise bad_body(f"toxicity: {value}, must be from 0 to 1")
    return float(value)


def _direction(stream: str) -> Direction:
    lowered = stream.lower()
    if lowered == UPSTREAM:
        return UPSTREAM
    if lowered == DOWNSTREAM:
        return DOWNSTREAM
    raise invalid_stream()


def _object(value: object, what: str) -> dict[str, object]:
    """Keys in lower case; of two that differ in case only the last one counts."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise bad_body(f"{what} must be an object, not {_kind(value)}")
    return {key.lower(): item for key, item in value.items()}


def _plain(given: Mapping[str, object], name: str, kind: type[T]) -> T | None:
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, kind):
        raise bad_body(f"{name}: {_kind(value)}, must be a {'text' if kind is str else 'boolean'}")
    return value


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _no_constant(name: str) -> Fault:
    raise ValueError(f"invalid character {name[0]!r} looking for beginning of value")
