"""A crash is told once, however short it was seen, and a fault's doing is none."""

from __future__ import annotations

import asyncio

from harness.live.crashes import CrashWatch
from harness.live.stack import Service


class Scene:
    """A backend and the faults in force."""

    def __init__(self) -> None:
        self.running = True
        self.broken: frozenset[Service] = frozenset()
        self.crashes = 0
        self.watch = CrashWatch(is_running=lambda _: self.running, broken=lambda: self.broken, tell=self._tell)

    def _tell(self) -> None:
        self.crashes += 1


async def test_a_crash_is_told_once() -> None:
    scene = Scene()
    looking = asyncio.create_task(scene.watch.keep_looking())
    await asyncio.sleep(0)
    scene.running = False
    for _ in range(3):
        scene.watch.look()
    looking.cancel()
    assert scene.crashes == 1


def test_a_crash_between_two_looks_of_the_watch_is_seen_by_whoever_starts_it_anew() -> None:
    """The load can end within a tenth of a second after it: all that is left is refused at once."""
    scene = Scene()
    scene.watch.look()
    scene.running = False
    scene.watch.look()
    scene.running = True
    scene.watch.look()
    scene.running = False
    scene.watch.look()
    assert scene.crashes == 2


def test_what_a_fault_does_is_no_crash() -> None:
    """Killed on purpose, and away until it is healed."""
    scene = Scene()
    scene.running, scene.broken = False, frozenset({Service.BACKEND})
    scene.watch.look()
    scene.broken = frozenset()
    scene.watch.look()
    assert scene.crashes == 0
