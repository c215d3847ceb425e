"""Work in flight: all is done, as much at once as need be and no more, and what breaks takes nothing else down."""

from __future__ import annotations

import gevent
from gevent.event import Event

from harness.live.load.flights import Flights


def test_every_piece_is_done_and_greenlets_are_used_again() -> None:
    """One after the other, a hundred pieces of work take one greenlet; `join` returns when the last is done."""
    done: list[tuple[int, gevent.Greenlet]] = []

    def work(number: int) -> None:
        gevent.sleep(0)
        done.append((number, gevent.getcurrent()))

    flights = Flights(work, 10)
    for number in range(100):
        flights.start(number)
        gevent.sleep(0.001)
    flights.join()
    assert [number for number, _ in done] == list(range(100))
    assert len({greenlet for _, greenlet in done}) == 1


def test_as_many_at_once_as_are_started_up_to_the_bound() -> None:
    """Nobody waits for another below the bound; at the bound `start` itself waits until one is done."""
    go, begun, ended = Event(), [], []

    def work(number: int) -> None:
        begun.append(number)
        go.wait()
        ended.append(number)

    flights = Flights(work, 3)
    starting = gevent.spawn(lambda: [flights.start(number) for number in range(5)])
    gevent.sleep(0.05)
    assert (sorted(begun), starting.ready()) == ([0, 1, 2], False)
    go.set()
    starting.join(5)
    flights.join()
    assert sorted(ended) == [0, 1, 2, 3, 4]


def test_work_that_breaks_is_told_and_frees_its_place() -> None:
    """An error ends its own piece only; its place in the bound is free again."""
    done: list[int] = []

    def work(number: int) -> None:
        gevent.sleep(0)
        if number % 2:
            raise RuntimeError("broken on purpose")
        done.append(number)

    flights = Flights(work, 1)
    for number in range(6):
        flights.start(number)
    flights.join()
    assert done == [0, 2, 4]
