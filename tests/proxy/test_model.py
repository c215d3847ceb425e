"""Random sequences of control calls and data, against a model: what goes in comes out, whatever toxics come and go."""

from __future__ import annotations

import random
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from tests.proxy.servers import ANSWER_S, ProxyProcess, Upstream, connect, silent

STREAMS = st.sampled_from(["upstream", "downstream"])
TOXICITIES = st.sampled_from([0.0, 0.5, 1.0])
KEEPING: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "noop": st.just({}),
    "latency": st.fixed_dictionaries({"latency": st.integers(0, 30), "jitter": st.integers(0, 10)}),
    "bandwidth": st.fixed_dictionaries({"rate": st.integers(20_000, 100_000)}),
    "slicer": st.fixed_dictionaries({"average_size": st.integers(500, 5000), "size_variation": st.integers(0, 400)}),
    "slow_close": st.fixed_dictionaries({"delay": st.integers(0, 30)}),
    "limit_data": st.just({"bytes": 2**40}),
    "reset_peer": st.just({"timeout": 60_000}),
    "delay_statement": st.just({"statement": "never said", "latency": 60_000}),
}
"""Toxics that lose nothing, once they are gone."""


@dataclass
class Pipe:
    """One direction of a connection: what was sent into it and what came out."""

    source: socket.socket
    target: socket.socket
    unsent: bytearray = field(default_factory=bytearray)
    sent: bytearray = field(default_factory=bytearray)
    got: bytearray = field(default_factory=bytearray)
    ended: bool = False
    over: bool = False

    @property
    def done(self) -> bool:
        return not self.unsent and len(self.got) == len(self.sent) and self.over == self.ended

    def move(self) -> None:
        """Whatever can be sent and received now."""
        if self.unsent and select.select([], [self.source], [], 0)[1]:
            size = self.source.send(self.unsent[:65536])
            self.sent += self.unsent[:size]
            del self.unsent[:size]
            if self.ended and not self.unsent:
                self.source.shutdown(socket.SHUT_WR)
        while not self.over and select.select([self.target], [], [], 0)[0]:
            data = self.target.recv(1 << 20)
            self.got += data
            self.over = not data

    def end(self) -> None:
        self.ended = True
        if not self.unsent:
            self.source.shutdown(socket.SHUT_WR)


class Proxied(RuleBasedStateMachine):
    """One proxy, a few connections, toxics that keep data."""

    process: ProxyProcess

    def __init__(self) -> None:
        super().__init__()
        self.control = self.process.control
        self.control.clear()
        self.upstream = Upstream(silent)
        self.listen = self.control.create(self.upstream.address)
        self.pipes: list[Pipe] = []
        self.toxics: dict[str, dict[str, Any]] = {}
        self.dice = random.Random(0)

    def teardown(self) -> None:
        try:
            self.clean()
            deadline = time.monotonic() + ANSWER_S
            while not all(pipe.done for pipe in self.pipes):
                assert time.monotonic() < deadline, [(len(p.unsent), len(p.sent), len(p.got)) for p in self.pipes]
                self.move()
            for pipe in self.pipes:
                assert pipe.got == pipe.sent
        finally:
            for pipe in self.pipes:
                pipe.source.close()
            self.upstream.close()

    @precondition(lambda self: len(self.pipes) < 6)
    @rule()
    def open(self) -> None:
        client = connect(self.listen)
        server = self.upstream.taken(len(self.pipes) // 2 + 1)
        self.pipes += [Pipe(client, server), Pipe(server, client)]

    @precondition(lambda self: self.pipes)
    @rule(which=st.integers(0, 5), size=st.sampled_from([1, 100, 5_000, 40_000, 300_000, 2_000_000]))
    def send(self, which: int, size: int) -> None:
        pipe = self.pipes[which % len(self.pipes)]
        if not pipe.ended:
            pipe.unsent += self.dice.randbytes(min(size, 4096)) * (size // min(size, 4096))
        self.move()

    @precondition(lambda self: self.pipes)
    @rule(which=st.integers(0, 5))
    def half_close(self, which: int) -> None:
        pipe = self.pipes[which % len(self.pipes)]
        if not pipe.ended:
            pipe.end()
        self.move()

    @rule()
    def move(self) -> None:
        for pipe in self.pipes:
            pipe.move()

    @rule(
        kind=st.sampled_from(sorted(KEEPING)), stream=STREAMS, toxicity=st.sampled_from([0.0, 0.5, 1.0]), data=st.data()
    )
    def add(self, kind: str, stream: str, toxicity: float, data: st.DataObject) -> None:
        if kind == "delay_statement":
            stream = "upstream"
        if f"{kind}_{stream}" not in self.toxics:
            made = self.control.toxic(kind, stream=stream, toxicity=toxicity, **data.draw(KEEPING[kind]))
            self.toxics[made["name"]] = made

    @precondition(lambda self: self.toxics)
    @rule(data=st.data(), toxicity=TOXICITIES)
    def change(self, data: st.DataObject, toxicity: float) -> None:
        name = data.draw(st.sampled_from(sorted(self.toxics)))
        attributes = data.draw(KEEPING[self.toxics[name]["type"]])
        body = {"attributes": attributes, "toxicity": toxicity}
        self.toxics[name] = self.control.ask("POST", f"/proxies/p/toxics/{name}", body, 200)
        assert self.toxics[name]["toxicity"] == toxicity

    @precondition(lambda self: self.toxics)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.toxics)))
        self.control.remove(name)
        del self.toxics[name]

    @rule()
    def clean(self) -> None:
        self.control.ask("POST", "/reset", status=204)
        self.toxics = {}

    @invariant()
    def nothing_is_altered(self) -> None:
        for pipe in self.pipes:
            assert pipe.sent.startswith(pipe.got)

    @invariant()
    def the_proxy_says_what_was_asked(self) -> None:
        told = self.control.ask("GET", "/proxies/p/toxics", status=200)
        assert {toxic["name"]: toxic for toxic in told} == self.toxics


@pytest.mark.parametrize("arguments", [(), ("--seed", "5")], ids=["any seed", "one seed"])
def test_bytes_in_are_bytes_out(own: Callable[..., ProxyProcess], arguments: tuple[str, ...]) -> None:
    """Every byte arrives once, in order, unaltered, and every half-close; the calls do what they say."""

    class Machine(Proxied):
        process = own(*arguments)

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=12,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
