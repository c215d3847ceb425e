"""One connection through a proxy: a client's socket, one to the upstream, a lane each way, and what is known of it."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from harness.clock import NS_PER_S, dice
from harness.proxy.plane.dial import Dial, DialTrouble
from harness.proxy.plane.end import End
from harness.proxy.plane.items import DOWNSTREAM, UPSTREAM, Direction
from harness.proxy.plane.lane import Lane
from harness.proxy.plane.live_toxic import LiveToxic
from harness.proxy.plane.outlet import Outlet
from harness.proxy.plane.pipes import Pipes
from harness.proxy.plane.reactor import IN, Reactor
from harness.proxy.sniff.names import NameReader

By = Literal["client", "upstream", "toxic", "control"]
How = Literal["fin", "rst"]
ANSWER_TIMEOUT_S = 60
"""How long a server may take over a statement whose client was cut, before its end is cut too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What holds for the whole server."""

    seed: int
    compat: bool = False


class Owner(Protocol):
    """The proxy, as its connections see it."""

    name: str
    settings: Settings
    reactor: Reactor
    pipes: Pipes | None

    def toxics(self, direction: Direction) -> Iterable[LiveToxic]: ...

    def opened(self, connection: Connection, error: str = "") -> None: ...

    def closed(self, connection: Connection) -> None: ...


class Connection:
    """Dials, carries, ends. `closed` is final; `by` and `how` then say who ended it and with what."""

    __slots__ = ("_dial", "_first_end", "_owner", "by", "client", "client_address", "closed",
                 "down", "how", "names", "number", "opened_ns", "pipes", "reactor", "settings", "toxics_hit",
                 "up", "upstream", "upstream_port")  # fmt: skip

    def __init__(self, owner: Owner, number: int, sock: socket.socket, client_address: str) -> None:
        self._owner = owner
        self.number = number
        self.reactor = owner.reactor
        self.settings = owner.settings
        self.pipes = owner.pipes
        self.client_address = client_address
        self.opened_ns = owner.reactor.now_ns
        self.client = End(self, "client", sock)
        self.upstream: End | None = None
        self.upstream_port: int | None = None
        self.up: Lane | None = None
        self.down: Lane | None = None
        self.closed = False
        self.by: By = "client"
        self.how: How = "fin"
        self.toxics_hit: list[str] = []
        self.names = NameReader()
        self._first_end: By | None = None
        self._dial: Dial | None = None

    # its life

    def dial(self, dial: Dial) -> None:
        """Go for the upstream; the client waits, unread."""
        self.client.watch()
        self._dial = dial
        dial.start(self._connected, self._refused)

    def _connected(self, sock: socket.socket) -> None:
        self._dial = None
        self.upstream = upstream = End(self, "upstream", sock)
        self.upstream_port = sock.getsockname()[1] if sock.family != socket.AF_UNIX else None
        self.up = Lane(self, UPSTREAM, self.client, upstream)
        self.down = Lane(self, DOWNSTREAM, upstream, self.client)
        upstream.watch()
        self._owner.opened(self)
        for lane in (self.up, self.down):
            for toxic in self._owner.toxics(lane.direction):
                self.apply(toxic, was_open=False)
        for lane in (self.up, self.down):
            if not self.closed:
                lane.start()

    def _refused(self, trouble: DialTrouble) -> None:
        self._dial = None
        self._owner.opened(self, str(trouble))
        self.close(by="upstream")

    def refuse(self, toxic: str) -> None:
        """Never dial; the client gets a RST."""
        self.note_toxic(toxic)
        self._owner.opened(self, f"refused by {toxic}")
        self.abort(by="toxic")

    # toxics come and go

    def apply(self, toxic: LiveToxic, *, was_open: bool = True) -> None:
        """Bring this connection's chain in line with what the toxic says now: put it in, change it, or take it out."""
        lane = self._lane(toxic.direction)
        if lane is None or self.closed or not toxic.acts_on_data:
            return
        stage = next((stage for stage in lane.stages if stage.toxic is toxic), None)
        wanted = self.draws(toxic)
        if stage is None and wanted:
            lane.add(toxic, self._index(lane, toxic), was_open=was_open)
        elif stage is not None and wanted:
            stage.renew()
            if not self.closed:
                lane.regulate()
        elif stage is not None:
            lane.remove(toxic)

    def withdraw(self, toxic: LiveToxic) -> None:
        lane = self._lane(toxic.direction)
        if lane is not None and not self.closed:
            lane.remove(toxic)

    def draws(self, toxic: LiveToxic) -> bool:
        """Whether this connection gets the toxic: one draw for good, which only the toxicity is compared with."""
        if toxic.toxicity >= 1:
            return True
        return toxic.toxicity > 0 and self.dice(toxic.name, "toxicity").random() < toxic.toxicity

    def dice(self, *purpose: str) -> random.Random:
        return dice(self.settings.seed, self._owner.name, self.number, *purpose)

    # what its ends and lanes tell it

    def source_ended(self, peer: Literal["client", "upstream"]) -> None:
        if self._first_end is None:
            self._first_end = peer

    def half_closed(self, outlet: Outlet) -> None:
        """One direction is over: the other goes on, unless it is over too."""
        if self.settings.compat or (self.up and self.down and self.up.outlet.over and self.down.outlet.over):
            self.close(by=self._first_end or "control")
        else:
            outlet.end_target()

    def broken(self, end: End) -> None:
        """A socket failed, as after a RST: the other end is told the same way."""
        self.abort(by=end.peer, reset=not self.settings.compat)

    def note_toxic(self, name: str) -> None:
        if name not in self.toxics_hit:
            self.toxics_hit.append(name)

    def read_names(self, data: bytes) -> bool:
        """Whether all names are known that will be."""
        return self.names.feed(data)

    # its end

    def close(self, *, by: By) -> None:
        """End it with a FIN to both ends."""
        self._end(by, "fin", reset=False)

    def abort(self, *, by: By, reset: bool = True) -> None:
        """End it with a RST to both ends."""
        self._end(by, "rst", reset=reset)

    def cut_client(self) -> None:
        """RST to the client now; the upstream may finish what it was asked, and is cut when it answers."""
        assert self.upstream is not None and self.down is not None and self.up is not None
        self.client.drop(reset=True)
        self.down.discard()
        self.up.source_over = True
        self.upstream.read = lambda: self.abort(by="toxic")
        self.upstream.want(IN, True)
        self.reactor.call_at(self.reactor.now_ns + ANSWER_TIMEOUT_S * NS_PER_S, lambda: self.abort(by="toxic"))

    def _end(self, by: By, how: How, *, reset: bool) -> None:
        if self.closed:
            return
        self.closed = True
        self.by = by
        self.how = how
        if self._dial is not None:
            self._dial.cancel()
            self._owner.opened(self, "given up while connecting")
        for lane in (self.up, self.down):
            if lane is not None:
                lane.discard()
        self.client.drop(reset=reset)
        if self.upstream is not None:
            self.upstream.drop(reset=reset)
        self._owner.closed(self)

    def _lane(self, direction: Direction) -> Lane | None:
        return self.up if direction == UPSTREAM else self.down

    def _index(self, lane: Lane, toxic: LiveToxic) -> int:
        """Where in the lane's chain the toxic belongs: the proxy's order, less those that this connection lacks."""
        here = {id(stage.toxic) for stage in lane.stages}
        index = 0
        for other in self._owner.toxics(lane.direction):
            if other is toxic:
                break
            index += id(other) in here
        return index
