"""A small multi-tenant backend that is nobody's reference: another API, no statistics, no Redis, sessions in memory.

A team that tries the harness on its own backend has something like it. `SHOP_LEAK` leaves a connection to the registry
open at every sign-up; `SHOP_FORGET` acknowledges every fourth sign-up without keeping it.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

URL = os.environ["SHOP_POSTGRES"]
LEAK = bool(os.environ.get("SHOP_LEAK"))
FORGET = bool(os.environ.get("SHOP_FORGET"))


class Shop:
    """What the process holds: a pool to the registry, one to each shop, and who is signed in."""

    def __init__(self) -> None:
        self.registry: Any = None
        self.pools: dict[str, Any] = {}
        self.sessions: dict[str, str] = {}
        self.opening = asyncio.Lock()
        self.leaked: list[Any] = []
        self.signups = 0

    async def pool(self, shop: str) -> Any:
        async with self.opening:
            if shop not in self.pools:
                self.pools[shop] = await asyncpg.create_pool(_url(shop), min_size=1, max_size=2)
            return self.pools[shop]


shop = Shop()


def _url(database: str) -> str:
    return URL.rpartition("/")[0] + f"/{database}"


@asynccontextmanager
async def lifespan(_: Starlette) -> Any:
    shop.registry = await asyncpg.create_pool(URL, min_size=1, max_size=4)
    await shop.registry.execute("CREATE TABLE IF NOT EXISTS shops (name text PRIMARY KEY, mail text UNIQUE, word text)")
    yield
    for pool in [*shop.pools.values(), shop.registry]:
        await asyncio.wait_for(pool.close(), 5)


async def sign_up(request: Request) -> JSONResponse:
    told = await request.json()
    name = f"shop_{secrets.token_hex(6)}"
    shop.signups += 1
    if FORGET and shop.signups % 4 == 0:
        return JSONResponse({"shop": {"name": name}}, 200)
    async with shop.registry.acquire() as session:
        await session.execute(f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY file_copy")
        await session.execute("INSERT INTO shops VALUES ($1, $2, $3)", name, told["mail"], told["word"])
    pool = await shop.pool(name)
    await pool.execute("CREATE TABLE notes (text text)")
    if LEAK:
        shop.leaked.append(await asyncpg.connect(URL))
    return JSONResponse({"shop": {"name": name}}, 200)


async def sign_in(request: Request) -> JSONResponse:
    told = await request.json()
    name = await shop.registry.fetchval(
        "SELECT name FROM shops WHERE mail = $1 AND word = $2", told["mail"], told["word"]
    )
    if name is None:
        return JSONResponse({"error": "who are you?"}, 401)
    session = secrets.token_hex(16)
    shop.sessions[session] = name
    return JSONResponse({"session": session})


async def notes(request: Request) -> JSONResponse:
    name = shop.sessions.get(request.headers.get("x-session", ""))
    if name is None:
        return JSONResponse({"error": "sign in"}, 401)
    pool = await shop.pool(name)
    if request.method == "POST":
        await pool.execute("INSERT INTO notes VALUES ($1)", (await request.json())["text"])
        return JSONResponse({}, 201)
    return JSONResponse({"notes": [row["text"] for row in await pool.fetch("SELECT text FROM notes")]})


async def up(_: Request) -> JSONResponse:
    await shop.registry.fetchval("SELECT 1")
    return JSONResponse({"up": True})


app = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/signup", sign_up, methods=["POST"]),
        Route("/signin", sign_in, methods=["POST"]),
        Route("/notes", notes, methods=["GET", "POST"]),
        Route("/up", up),
    ],
)

if __name__ == "__main__":
    uvicorn.run(app, host=os.environ["SHOP_HOST"], port=int(os.environ["SHOP_PORT"]), log_level="warning")
