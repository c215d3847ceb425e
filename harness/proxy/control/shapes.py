"""What the control interface tells, as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from harness.proxy.ledger import Seen
from harness.proxy.plane.live_toxic import LiveToxic
from harness.proxy.proxy import Proxy

Shape = dict[str, Any]


def proxy_shape(proxy: Proxy) -> Shape:
    return {
        "name": proxy.name,
        "listen": proxy.listen,
        "upstream": proxy.upstream,
        "enabled": proxy.enabled,
        "toxics": [toxic_shape(toxic) for toxic in proxy.all_toxics()],
    }


def toxic_shape(toxic: LiveToxic) -> Shape:
    return {
        "attributes": asdict(toxic.behaviour),  # type: ignore[call-overload]
        "name": toxic.name,
        "type": toxic.behaviour.type,
        "stream": toxic.direction,
        "toxicity": int(toxic.toxicity) if toxic.toxicity.is_integer() else toxic.toxicity,
    }


def connection_shapes(seen: Iterable[Seen]) -> list[Shape]:
    return [asdict(one) for one in seen]


def encoded(shape: Mapping[str, Any] | list[Shape]) -> bytes:
    return json.dumps(shape, separators=(",", ":")).encode()
