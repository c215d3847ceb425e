"""The ways in which an edge can be bad; faults choose one and the edge it is on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.live.chaos.faults.option import option
from harness.live.chaos.look import TIMEOUT_S, Look
from harness.live.chaos.toxics import Felt, toxic
from harness.live.stack.edges import Toxic

MS_PER_S = 1000


@dataclass(kw_only=True)
class Slow(Felt):
    """Every answer is late."""

    seen_by = "a client's question through the edge is answered, and at least that late"

    latency_ms: int = option(200, "added to every answer", least=1, most=60_000)
    jitter_ms: int = option(0, "the latency varies by up to so much, either way", least=0, most=60_000)

    @property
    def patience_s(self) -> float:
        return TIMEOUT_S + (self.latency_ms + self.jitter_ms) / MS_PER_S

    def toxics(self) -> tuple[Toxic, ...]:
        return (toxic("latency", "downstream", latency=self.latency_ms, jitter=self.jitter_ms),)

    def shows(self, found: Look) -> bool:
        return found.what == "answered" and found.after_ms >= self.latency_ms - self.jitter_ms


@dataclass(kw_only=True)
class Silent(Felt):
    """Whatever is sent disappears, both ways; nothing is refused and nothing ends."""

    seen_by = "a client's question through the edge gets no answer for a second, and no end"

    def toxics(self) -> tuple[Toxic, ...]:
        return toxic("timeout", "upstream", timeout=0), toxic("timeout", "downstream", timeout=0)

    def shows(self, found: Look) -> bool:
        return found.what == "silent"


@dataclass(kw_only=True)
class Reset(Felt):
    """Connections are reset by the first answer."""

    seen_by = "a client's connection through the edge ends without an answer"
    after_ms: int = option(0, "how long after the first data", least=0, most=60_000)

    @property
    def patience_s(self) -> float:
        return TIMEOUT_S + self.after_ms / MS_PER_S

    def toxics(self) -> tuple[Toxic, ...]:
        return (toxic("reset_peer", "downstream", timeout=self.after_ms),)

    def shows(self, found: Look) -> bool:
        return found.what in ("reset", "closed")


@dataclass(kw_only=True)
class Narrow(Felt):
    """Little fits through, both ways. Seen by a question of some size that takes as long as it must."""

    seen_by = "a client's question of 8 kB through the edge takes as long as it must"

    padding_bytes: ClassVar[int] = 8000
    rate_kb_s: int = option(20, "thousand bytes a second of each connection and direction", least=1, most=1_000_000)

    @property
    def patience_s(self) -> float:
        return TIMEOUT_S + 3 * self._needed_ms / MS_PER_S

    @property
    def _needed_ms(self) -> float:
        return self.padding_bytes / self.rate_kb_s

    def toxics(self) -> tuple[Toxic, ...]:
        rate = self.rate_kb_s
        return toxic("bandwidth", "upstream", rate=rate), toxic("bandwidth", "downstream", rate=rate)

    def shows(self, found: Look) -> bool:
        # The last slice may be let through at once.
        return found.what == "answered" and found.after_ms >= self._needed_ms / 2
