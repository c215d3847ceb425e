"""The flow load as Locust users: the registrations and the background mix of one worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from locust import User, task
from locust.exception import StopUser
from locust.runners import Runner

from harness.live.load.counts import Counts
from harness.live.load.flow import Flow, Tenant
from harness.live.load.generator import Generator
from harness.live.load.operations import Background
from harness.live.load.registrations import Registrations


class LongUser(User):
    """A Locust user with one long piece of work; it ends when that does."""

    abstract = True
    work: ClassVar[Callable[[], None]]

    @task
    def whole(self) -> None:
        type(self).work()
        raise StopUser


class FlowLoad:
    """This worker's share of registrations and operations. `users` says how many of which Locust user it takes."""

    def __init__(self, generator: Generator, begun_ns: int) -> None:
        load = generator.load
        flow = Flow(
            generator.plan.target,
            generator.recorder,
            generator.name,
            load=load,
            now_ns=generator.now_ns,
            going=lambda: not generator.stopped,
        )
        self.registrations = Registrations(generator, flow, self._registered, begun_ns)
        self.background: Background | None = None
        self.users: dict[str, int] = {}
        self.user_classes: list[type[User]] = []
        if load.model == "open":
            self._add("ArrivalSchedule", self.registrations.at_their_moments, 1)
        else:
            self._add("RegisteringUser", self.registrations.one_after_another, self.registrations.users)
        if load.operations is not None:
            self.background = Background(load.operations, generator, flow, self.registrations.over)
            self._add("OperatingUser", self.background.run, self.background.users)

    def run(self, runner: Runner) -> None:
        """Returns when every registration has an outcome or was not started, and the operations are over."""
        runner.environment.user_classes = self.user_classes
        runner.environment.events.test_start.fire(environment=runner.environment)  # type: ignore[no-untyped-call]
        runner.spawn_users(self.users)
        runner.user_greenlets.join()

    def counts(self) -> Counts:
        registrations, background = self.registrations, self.background
        return Counts(
            planned=registrations.planned,
            begun=registrations.begun,
            **registrations.counts,
            operations_planned=background.planned if background else 0,
            operations=background.done if background else 0,
        )

    def _add(self, name: str, work: Callable[[], None], count: int) -> None:
        self.user_classes.append(type(name, (LongUser,), {"abstract": False, "work": staticmethod(work)}))
        self.users[name] = count

    def _registered(self, tenant: Tenant) -> None:
        if self.background is not None:
            self.background.add(tenant)
