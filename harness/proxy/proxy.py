"""One proxy: listens, keeps its connections and its toxics. Lives in the data plane's thread."""

from __future__ import annotations

import socket
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from harness.proxy.faults import Fault, toxic_exists, toxic_not_found
from harness.proxy.ledger import Ledger
from harness.proxy.plane.connection import Connection, Settings
from harness.proxy.plane.dial import Dial
from harness.proxy.plane.items import DOWNSTREAM, UPSTREAM, Direction
from harness.proxy.plane.listener import Listener
from harness.proxy.plane.live_toxic import LiveToxic
from harness.proxy.plane.pipes import Pipes
from harness.proxy.plane.reactor import Reactor
from harness.proxy.toxics.base import Toxic


@dataclass(slots=True)
class Plane:
    """What all proxies of a server share."""

    reactor: Reactor
    pipes: Pipes | None
    ledger: Ledger
    settings: Settings


@dataclass(slots=True)
class Traffic:
    """Bytes of connections that are closed, and how many those were."""

    received_up: int = 0
    sent_up: int = 0
    received_down: int = 0
    sent_down: int = 0
    connections: int = 0

    def add(self, connection: Connection) -> None:
        self.connections += 1
        if connection.up is not None and connection.down is not None:
            self.received_up += connection.up.received
            self.sent_up += connection.up.outlet.sent
            self.received_down += connection.down.received
            self.sent_down += connection.down.outlet.sent


Where = tuple[str, str]
"""Listener and upstream, as labels of metrics."""


class Proxy:
    """`place` is where it listens, or would if it were enabled; port 0 becomes the bound port and stays it.

    `listen` is what is told of that: as it was asked for until it is bound.
    """

    def __init__(self, plane: Plane, name: str, listen: str, place: str, upstream: str) -> None:
        self.name = name
        self.listen = listen
        self.place = place
        self.upstream = upstream
        self.reactor = plane.reactor
        self.settings = plane.settings
        self.pipes = plane.pipes
        self.connections: dict[int, Connection] = {}
        self.traffic: dict[Where, Traffic] = defaultdict(Traffic)
        self._plane = plane
        self._listener: Listener | None = None
        self._chains: dict[Direction, list[LiveToxic]] = {UPSTREAM: [], DOWNSTREAM: []}
        self._accepted = 0
        self.where: Where = (listen, upstream)

    @property
    def enabled(self) -> bool:
        return self._listener is not None

    # listening

    def enable(self) -> None:
        """Raises `Fault` where the address can't be had; nothing is changed then."""
        if self._listener is None:
            self._listener = Listener(self.reactor, self.place, self._accept)
            self.listen = self.place = self._listener.address
        self.where = (self.listen, self.upstream)

    def disable(self) -> None:
        """New connections are refused and those that are there are closed; toxics stay."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.close_connections()

    def update(self, *, listen: str, place: str, upstream: str, enabled: bool) -> None:
        """All of it or, with a `Fault`, nothing."""
        if place != self.place:
            self._move(listen, place, enabled=enabled)
        elif upstream != self.upstream:
            self.close_connections()
        self.upstream = upstream
        if enabled:
            self.enable()
        else:
            self.disable()

    def _move(self, listen: str, place: str, *, enabled: bool) -> None:
        """Listen elsewhere, or where that can't be had, where it was; old and new may overlap, so one at a time."""
        old, was_enabled = (self.listen, self.place), self.enabled
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.close_connections()
        self.listen, self.place = listen, place
        try:
            if enabled:
                self.enable()
        except Fault:
            self.listen, self.place = old
            if was_enabled:
                self.enable()
            raise

    def close_connections(self) -> None:
        for connection in list(self.connections.values()):
            connection.close(by="control")

    # toxics

    def toxics(self, direction: Direction) -> Iterable[LiveToxic]:
        return self._chains[direction]

    def all_toxics(self) -> list[LiveToxic]:
        """The upstream chain, then the downstream chain."""
        return [*self._chains[UPSTREAM], *self._chains[DOWNSTREAM]]

    def toxic(self, name: str) -> LiveToxic:
        found = next((toxic for toxic in self.all_toxics() if toxic.name == name), None)
        if found is None:
            raise toxic_not_found()
        return found

    def add_toxic(self, toxic: LiveToxic) -> None:
        if any(other.name == toxic.name for other in self.all_toxics()):
            raise toxic_exists()
        self._chains[toxic.direction].append(toxic)
        self._apply(toxic)

    def update_toxic(self, toxic: LiveToxic, behaviour: Toxic, toxicity: float) -> None:
        toxic.behaviour = behaviour
        toxic.toxicity = toxicity
        self._apply(toxic)

    def remove_toxic(self, name: str) -> None:
        toxic = self.toxic(name)
        self._chains[toxic.direction].remove(toxic)
        for connection in list(self.connections.values()):
            connection.withdraw(toxic)

    def remove_toxics(self) -> None:
        for toxic in self.all_toxics():
            self.remove_toxic(toxic.name)

    def _apply(self, toxic: LiveToxic) -> None:
        for connection in list(self.connections.values()):
            connection.apply(toxic)

    # connections

    def opened(self, connection: Connection, error: str = "") -> None:
        self._plane.ledger.opened(self.name, connection, error)

    def closed(self, connection: Connection) -> None:
        self.connections.pop(connection.number, None)
        self.traffic[self.where].add(connection)
        self._plane.ledger.closed(self.name, connection)

    def _accept(self, sock: socket.socket, client: str) -> None:
        self._accepted += 1
        connection = Connection(self, self._accepted, sock, client)
        self.connections[connection.number] = connection
        refusing = next((toxic for toxic in self.all_toxics() if self._refuses(toxic, connection)), None)
        if refusing is not None:
            connection.refuse(refusing.name)
        else:
            connection.dial(Dial(self.reactor, self.upstream))

    def _refuses(self, toxic: LiveToxic, connection: Connection) -> bool:
        if toxic.behaviour.acts_on_data or not connection.draws(toxic):
            return False
        return toxic.behaviour.refuses(toxic.tally)
