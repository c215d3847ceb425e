"""The faults that Toxiproxy lacks, on a real Postgres and a real Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio

from harness.live.children import ChildLedger
from harness.live.stack.edges import Edges
from harness.live.stack.model import Address, Edge, PostgresAccess
from harness.live.stack.redis_server import RedisServer
from harness.proxy.plane.listener import spelled
from tests.postgres import embedded_postgres
from tests.proxy.servers import ProxyProcess, Upstream, connect, receive, split, wait_for

CUT = (ConnectionError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError)


@pytest.fixture
async def postgres(tmp_path: Path) -> AsyncIterator[PostgresAccess]:
    async with embedded_postgres(tmp_path) as access:
        yield access


@pytest.fixture
def through(built_in: ProxyProcess, postgres: PostgresAccess) -> Address:
    """Where the proxy in front of that Postgres listens."""
    return Address(*built_in.control.create(str(postgres.address)))


async def opened(postgres: PostgresAccess, address: Address) -> asyncpg.Connection:
    return await asyncpg.connect(
        host=address.host,
        port=address.port,
        user=postgres.user,
        password=postgres.password,
        database="control",
        timeout=10,
        command_timeout=20,
    )


async def databases(postgres: PostgresAccess) -> set[str]:
    connection = await opened(postgres, postgres.address)
    rows = await connection.fetch("SELECT datname FROM pg_database")
    await connection.close()
    return {row["datname"] for row in rows}


def test_extensions_are_published_without_breaking_clients(built_in: ProxyProcess) -> None:
    """Beside the version, in a header."""
    answer = built_in.control.http.get("/version")
    assert answer.json() == {"version": "2.12.0"}
    assert {"refuse", "cut_statement", "delay_statement", "connections"} <= set(
        answer.headers["fault-proxy-extensions"].split(",")
    )


async def test_a_statement_is_cut_before_it_arrives(
    built_in: ProxyProcess, postgres: PostgresAccess, through: Address
) -> None:
    """The client loses its connection; the server never executes it; other statements pass."""
    connection = await opened(postgres, through)
    built_in.control.toxic("cut_statement", stream="upstream", statement="create database", when="before")
    assert await connection.fetchval("SELECT 1") == 1
    with pytest.raises(CUT):
        await connection.execute('CREATE  DATABASE "never"')
    assert "never" not in await databases(postgres)


async def test_a_statement_is_cut_after_it_was_sent(
    built_in: ProxyProcess, postgres: PostgresAccess, through: Address
) -> None:
    """The server executes it, the client never hears; the next one is left alone."""
    built_in.control.toxic("cut_statement", stream="upstream", statement="CREATE DATABASE")
    connection = await opened(postgres, through)
    with pytest.raises(CUT):
        await connection.execute('CREATE DATABASE "made"')
    wait_for(lambda: not built_in.control.connections(), "both ends to be cut")
    assert "made" in await databases(postgres)
    again = await opened(postgres, through)
    await again.execute('CREATE DATABASE "heard"')
    await again.close()
    wait_for(
        lambda: [row["toxics"] for row in built_in._rows("closed")][-2:] == [["cut_statement_upstream"], []], "rows"
    )


async def test_the_nth_statement_is_cut(built_in: ProxyProcess, postgres: PostgresAccess, through: Address) -> None:
    """Counted over all connections, prepared statements too."""
    built_in.control.toxic("cut_statement", stream="upstream", statement="INSERT", after=3, when="before")
    one, two = await opened(postgres, through), await opened(postgres, through)
    await one.execute("CREATE TABLE t (v int)")
    await one.execute("INSERT INTO t VALUES ($1)", 1)
    await two.execute("INSERT INTO t VALUES (2)")
    with pytest.raises(CUT):
        await one.execute("INSERT INTO t VALUES ($1)", 3)
    await two.execute("INSERT INTO t VALUES (4)")
    assert [row["v"] for row in await two.fetch("SELECT v FROM t ORDER BY v")] == [1, 2, 4]
    await two.close()


async def test_a_prepared_statement_is_executed_and_cut(
    built_in: ProxyProcess, postgres: PostgresAccess, through: Address
) -> None:
    """Cut after an execution of the extended protocol, its effect is there: the cut comes after its Sync."""
    connection = await opened(postgres, through)
    await connection.execute("CREATE TABLE t (v int)")
    built_in.control.toxic("cut_statement", stream="upstream", statement="insert into t")
    with pytest.raises(CUT):
        await connection.execute("INSERT INTO t VALUES ($1)", 1)
    wait_for(lambda: not built_in.control.connections(), "both ends to be cut")
    direct = await opened(postgres, postgres.address)
    assert await direct.fetchval("SELECT count(*) FROM t") == 1
    await direct.close()


async def test_only_commits_are_delayed(built_in: ProxyProcess, postgres: PostgresAccess, through: Address) -> None:
    """Other statements of the same transaction are not held, however long the toxic would."""
    connection = await opened(postgres, through)
    built_in.control.toxic("delay_statement", stream="upstream", statement="COMMIT", latency=60_000)
    transaction = connection.transaction()
    await transaction.start()
    assert await connection.fetchval("SELECT $1::int", 1) == 1
    built_in.control.change("delay_statement_upstream", latency=400)
    before_commit = time.monotonic()
    await transaction.commit()
    assert time.monotonic() - before_commit > 0.39
    await connection.close()


async def test_a_delay_lets_go_when_it_is_removed(
    built_in: ProxyProcess, postgres: PostgresAccess, through: Address
) -> None:
    """A held statement goes out at once, and the connection is as ever."""
    connection = await opened(postgres, through)
    built_in.control.toxic("delay_statement", stream="upstream", statement="SELECT 7", latency=60_000)
    asked = asyncio.create_task(connection.fetchval("SELECT 7"))
    await asyncio.sleep(0.2)
    assert not asked.done()
    await asyncio.to_thread(built_in.control.remove, "delay_statement_upstream")
    assert await asyncio.wait_for(asked, 10) == 7
    assert await connection.fetchval("SELECT 8") == 8
    await connection.close()


async def test_names_are_in_the_ledger(built_in: ProxyProcess, postgres: PostgresAccess, through: Address) -> None:
    """Database and user of a Postgres connection, and its port as Postgres tells it."""
    connection = await opened(postgres, through)
    port = await connection.fetchval("SELECT client_port FROM pg_stat_activity WHERE pid = pg_backend_pid()")
    found = built_in.control.connections()
    assert [(one["database"], one["user"], one["upstream_port"]) for one in found] == [("control", "postgres", port)]
    await connection.close()


async def test_redis_clients_are_named(built_in: ProxyProcess, tmp_path: Path) -> None:
    """By the name that they give themselves."""
    ledger = ChildLedger.create("proxy-tests", folder=tmp_path / "state")
    server = RedisServer(log=tmp_path / "redis.log", scratch=tmp_path, ledger=ledger)
    await server.start()
    host, port = built_in.control.create(str(server.address))
    async with redis.asyncio.Redis(host=host, port=port, client_name="worker-7", socket_timeout=10) as client:
        await client.ping()
        names = [one["client_name"] for one in built_in.control.connections()]
    await server.stop()
    ledger.close()
    assert names == ["worker-7"]


def fate(listen: tuple[str, int]) -> str:
    """What becomes of a new connection: the RST may come while it is still being made."""
    try:
        client = connect(listen)
        client.sendall(b"a")
        return "ok" if receive(client, 1) == b"a" else "fin"
    except ConnectionError:
        return "rst"


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"first": 2}, ["rst", "rst", "ok", "ok", "ok", "ok"]),
        ({"every": 3}, ["ok", "ok", "rst", "ok", "ok", "rst"]),
        ({"every": 1}, ["rst"] * 6),
    ],
)
def test_new_connections_are_refused_while_old_ones_live(
    built_in: ProxyProcess, echoing: Upstream, attributes: dict[str, int], expected: list[str]
) -> None:
    """The first, every k-th, or all; removed, all get in again."""
    control = built_in.control
    listen = control.create(echoing.address)
    old = connect(listen)
    echoing.taken()
    control.toxic("refuse", **attributes)
    assert [fate(listen) for _ in expected] == expected
    old.sendall(b"a")
    assert receive(old, 1) == b"a"
    control.remove("refuse_downstream")
    assert fate(listen) == "ok"


def test_a_refused_connection_is_in_the_ledger(built_in: ProxyProcess, echoing: Upstream) -> None:
    """With the toxic that refused it, and it never reached the upstream."""
    listen = built_in.control.create(echoing.address, "refusing")
    built_in.control.toxic("refuse", "refusing", every=1)
    assert fate(listen) == "rst"
    wait_for(lambda: any(row["proxy"] == "refusing" for row in built_in._rows("closed")), "the row")
    row = next(row for row in built_in._rows("closed") if row["proxy"] == "refusing")
    assert (row["by"], row["how"], row["toxics"]) == ("toxic", "rst", ["refuse_downstream"])
    assert echoing.sockets == []


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"type": "refuse"}, "first, every"),
        ({"type": "cut_statement", "stream": "upstream"}, "statement: empty"),
        ({"type": "cut_statement", "attributes": {"statement": "A", "when": "now"}}, "when: 'now'"),
        ({"type": "cut_statement", "attributes": {"statement": "A", "after": 0}}, "after: 0"),
        ({"type": "delay_statement", "attributes": {"statement": 5}}, "statement: a number"),
        ({"type": "cut_statement", "stream": "downstream", "attributes": {"statement": "A"}}, "upstream only"),
    ],
)
def test_a_fault_that_would_do_nothing_is_refused(built_in: ProxyProcess, body: dict[str, object], text: str) -> None:
    """Told at once, instead of a run without its fault."""
    built_in.control.create("127.0.0.1:9")
    assert text in built_in.control.ask("POST", "/proxies/p/toxics", body, 400)["error"]


async def test_the_edges_see_connections_and_extensions(built_in: ProxyProcess, echoing: Upstream) -> None:
    """The orchestrator's client reads both."""
    host, port = split(built_in.address)
    edges = Edges(Address(host, port))
    built_in.control.create(echoing.address, str(Edge.POSTGRES))
    listen = (await edges.state(Edge.POSTGRES)).listen
    client = connect((listen.host, listen.port))
    echoing.taken()
    assert "cut_statement" in await edges.extensions()
    connections = await edges.connections(Edge.POSTGRES)
    assert [one.client for one in connections] == [spelled(client.getsockname())]
