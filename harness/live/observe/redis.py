"""Redis: who is connected (`CLIENT LIST`), keys (`INFO keyspace`) and memory; and whether it answers at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from redis.asyncio import Redis as RedisSession
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from harness.live.stack import Address, Stack
from harness.record.schema import Redis, RedisClient, Row

APPLICATION = "tenant-harness"
TIMEOUT_S = 1.0


def session(address: Address) -> RedisSession:
    """A client that tries once and says so: retries would hide what is to be seen."""
    return RedisSession(
        host=address.host,
        port=address.port,
        client_name=APPLICATION,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )


async def answers(address: Address) -> bool:
    """Whether Redis answers a PING within `TIMEOUT_S`."""
    client = session(address)
    try:
        return bool(await client.ping())
    except (RedisError, OSError):
        return False
    finally:
        await client.aclose()


class RedisSource:
    """A Redis that does not answer is a sample too (`up` false), not a gap."""

    name = "redis"

    def __init__(self, stack: Stack) -> None:
        self._client = session(stack.redis)

    async def sample(self, at_ns: Callable[[], int], registrations_done: int) -> list[Row]:
        """One `Redis` row."""
        try:
            clients = await self._client.client_list()
            databases = (await self._client.info("keyspace")).values()
            memory = await self._client.info("memory")
        except (RedisError, OSError):
            return [Redis(at_ns=at_ns(), up=False)]
        others = [_client(line) for line in clients if line.get("name") != APPLICATION]
        return [
            Redis(
                at_ns=at_ns(),
                up=True,
                clients=others,
                keys=sum(each["keys"] for each in databases),
                keys_lasting=sum(each["keys"] - each["expires"] for each in databases),
                memory_bytes=memory["used_memory"],
            )
        ]

    async def close(self) -> None:
        await self._client.aclose()


def _client(line: Mapping[str, str]) -> RedisClient:
    return RedisClient(
        id=int(line["id"]),
        name=line.get("name", ""),
        address=line["addr"],
        age_s=int(line["age"]),
        idle_s=int(line["idle"]),
        command=line.get("cmd", ""),
    )
