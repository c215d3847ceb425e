"""A service that is taken off the network of its containers."""

from __future__ import annotations

from dataclasses import dataclass

from harness.live.chaos.faults.option import option
from harness.live.chaos.faults.protocol import Ground
from harness.live.chaos.look import look
from harness.live.chaos.services import address_of, answers
from harness.live.stack import Capability, Service


@dataclass(kw_only=True)
class NetworkDisconnect:
    name = "network.disconnect"
    text = "The service's container is taken off the network: what was connected hangs, its name leads nowhere"
    seen_by = "a client of the service gets no answer"
    off: str = option("redis", "the service", choices=[Service.REDIS, Service.POSTGRES, Service.BACKEND])

    @property
    def service(self) -> Service:
        return Service(self.off)

    @property
    def needs(self) -> frozenset[tuple[Service, Capability]]:
        return frozenset({(self.service, Capability.DISCONNECT)})

    async def inject(self, ground: Ground) -> None:
        await ground.stack.disconnect(self.service)

    async def seen(self, ground: Ground) -> bool:
        return (await look(address_of(ground.stack, self.service), self.service)).what != "answered"

    async def heal(self, ground: Ground) -> None:
        if self.needs <= ground.stack.capabilities:
            await ground.stack.reconnect(self.service)

    async def healed(self, ground: Ground) -> bool:
        return await answers(ground.stack, self.service)


FAULT = NetworkDisconnect
