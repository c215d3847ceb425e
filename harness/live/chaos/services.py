"""What can be done to a whole service, as faults: kill, stop, restart, freeze. The faults themselves only say which."""

from __future__ import annotations

from dataclasses import dataclass

from harness.live.chaos.admin import postgres_answers
from harness.live.chaos.faults.option import option
from harness.live.chaos.faults.protocol import Ground
from harness.live.chaos.look import look
from harness.live.observe import redis
from harness.live.stack import Address, Capability, Service, Stack

Needs = frozenset[tuple[Service, Capability]]


async def answers(stack: Stack, service: Service) -> bool:
    """Whether the service does its work for a client that comes now, within a second."""
    if service is Service.POSTGRES:
        return await postgres_answers(stack)
    if service is Service.REDIS:
        return await redis.answers(stack.redis)
    return (await look(stack.backend, service)).what == "answered"


def address_of(stack: Stack, service: Service) -> Address:
    """The service's own address, past the fault proxy."""
    addresses = {Service.POSTGRES: stack.postgres.address, Service.REDIS: stack.redis, Service.BACKEND: stack.backend}
    return addresses[service]


@dataclass(kw_only=True)
class Gone:
    """A service that does not run until it is healed; healing starts it on its old address."""

    seen_by = "a client finds nobody on its address"
    service = Service.REDIS

    async def seen(self, ground: Ground) -> bool:
        found = await look(address_of(ground.stack, self.service), self.service)
        return found.what not in ("answered", "silent")

    async def heal(self, ground: Ground) -> None:
        if not ground.stack.is_running(self.service):
            await ground.stack.start_service(self.service)

    async def healed(self, ground: Ground) -> bool:
        return await answers(ground.stack, self.service)


@dataclass(kw_only=True)
class Killed(Gone):
    """SIGKILL, no farewell."""

    @property
    def needs(self) -> Needs:
        return frozenset({(self.service, Capability.KILL)})

    async def inject(self, ground: Ground) -> None:
        await ground.stack.kill(self.service)


@dataclass(kw_only=True)
class Stopped(Gone):
    """Asked to end, and killed where it does not in time."""

    within_s: float = option(10.0, "how long it may take to end before it is killed", least=0.1, most=25)

    @property
    def needs(self) -> Needs:
        return frozenset({(self.service, Capability.STOP)})

    async def inject(self, ground: Ground) -> None:
        await ground.stack.stop_service(self.service, timeout_s=self.within_s)


@dataclass(kw_only=True)
class Frozen:
    """SIGSTOP to every process: connections are accepted by the kernel, and nobody answers."""

    seen_by = "a client is let in and gets no answer for a second"
    service = Service.REDIS

    @property
    def needs(self) -> Needs:
        return frozenset({(self.service, Capability.PAUSE)})

    async def inject(self, ground: Ground) -> None:
        await ground.stack.pause(self.service)

    async def seen(self, ground: Ground) -> bool:
        return (await look(address_of(ground.stack, self.service), self.service)).what == "silent"

    async def heal(self, ground: Ground) -> None:
        await ground.stack.resume(self.service)

    async def healed(self, ground: Ground) -> bool:
        return await answers(ground.stack, self.service)
