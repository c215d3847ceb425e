"""Which images the Docker stack runs: pinned official ones, unless a file or the environment says otherwise."""

from __future__ import annotations

import os
import threading
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

import docker
from docker.errors import DockerException, ImageNotFound

from harness.clock import NS_PER_S, monotonic_ns
from harness.live.stack.model import EnvironmentTrouble

FILE_VARIABLE = "HARNESS_IMAGES"
PULL_TIMEOUT_S = 600.0
PROGRESS_EVERY_S = 2.0
LOOK_EVERY_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """Image names. `backend` empty: built from the target's Dockerfile, on `python`. `ryuk` empty: no reaper.

    Testcontainers' reaper is off unless named: it listens on all interfaces, and our own ledger does its work.
    """

    postgres: str = "postgres:18.1"
    redis: str = "redis:8.2.2"
    toxiproxy: str = "ghcr.io/shopify/toxiproxy:2.12.0"
    backend: str = ""
    python: str = "python:3.13-slim"
    ryuk: str = ""

    def to_run(self) -> dict[str, str]:
        """Images that must be there before a run, by what they are for."""
        named = {"postgres": self.postgres, "redis": self.redis, "toxiproxy": self.toxiproxy, "ryuk": self.ryuk}
        named |= {"backend": self.backend} if self.backend else {"python": self.python}
        return {purpose: name for purpose, name in named.items() if name}


def load(environment: Mapping[str, str] | None = None) -> Images:
    """The defaults, over them the file that `HARNESS_IMAGES` names, over it `HARNESS_IMAGE_POSTGRES` and so on.

    Raises `EnvironmentTrouble` with every mistake of the file.
    """
    env = os.environ if environment is None else environment
    known = [field.name for field in fields(Images)]
    chosen = _from_file(Path(env[FILE_VARIABLE]), known) if env.get(FILE_VARIABLE) else {}
    chosen |= {name: env[_variable(name)] for name in known if _variable(name) in env}
    return replace(Images(), **chosen)


def _variable(name: str) -> str:
    return f"HARNESS_IMAGE_{name.upper()}"


def _from_file(path: Path, known: list[str]) -> dict[str, str]:
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise EnvironmentTrouble(f"{FILE_VARIABLE}={path}: {error}") from error
    wrong = [f"{key}: no such image; known: {', '.join(known)}" for key in told if key not in known]
    wrong += [f"{key}: {value!r} is no name" for key, value in told.items() if not isinstance(value, str)]
    if wrong:
        raise EnvironmentTrouble(f"{path}: " + "; ".join(wrong))
    return told


def missing(client: docker.DockerClient, images: Images) -> list[str]:
    """Images to run that the engine doesn't have."""
    return [name for name in images.to_run().values() if not _is_there(client, name)]


def ensure(
    client: docker.DockerClient,
    images: Images,
    *,
    tell: Callable[[str], None],
    ended: threading.Event | None = None,
    timeout_s: float = PULL_TIMEOUT_S,
) -> None:
    """Pull what is missing, telling of the progress, until `ended` is set. Blocks.

    Raises `EnvironmentTrouble` naming the image and the remedy.
    """
    for purpose, name in images.to_run().items():
        if not _is_there(client, name):
            tell(f"pulling {name}")
            if trouble := _pull(client, name, tell, ended or threading.Event(), timeout_s):
                raise EnvironmentTrouble(
                    f"image {name} is not on this machine and can't be pulled ({trouble}); `docker pull {name}`, or "
                    f"name a mirror of it in {_variable(purpose)} or in the file {FILE_VARIABLE}, or use "
                    "--stack embedded"
                )


def _is_there(client: docker.DockerClient, name: str) -> bool:
    try:
        client.images.get(name)
    except ImageNotFound:
        return False
    return True


def _pull(
    client: docker.DockerClient, name: str, tell: Callable[[str], None], ended: threading.Event, timeout_s: float
) -> str:
    """What went wrong, or nothing. The engine's pull has no deadline: its thread is left behind when time is up."""
    trouble: list[str] = []
    over = threading.Event()

    def run() -> None:
        try:
            trouble.extend(_follow(client, name, tell))
        except DockerException as error:
            trouble.append(str(error))
        over.set()

    threading.Thread(target=run, name=f"pull {name}", daemon=True).start()
    deadline_ns = monotonic_ns() + round(timeout_s * NS_PER_S)
    while not over.wait(LOOK_EVERY_S):
        if ended.is_set() or monotonic_ns() > deadline_ns:
            return "interrupted" if ended.is_set() else f"not done after {timeout_s:g} s"
    return trouble[0] if trouble else ""


def _follow(client: docker.DockerClient, name: str, tell: Callable[[str], None]) -> list[str]:
    """Tell of a pull every so often; returns what the engine says went wrong."""
    repository, _, tag = name.rpartition(":") if ":" in name.rpartition("/")[2] else (name, "", "latest")
    next_ns = 0
    layers: dict[str, tuple[int, int]] = {}
    for event in client.api.pull(repository, tag=tag, stream=True, decode=True):
        if "error" in event:
            return [str(event["error"])]
        detail = event.get("progressDetail") or {}
        if event.get("id") and detail.get("total"):
            layers[event["id"]] = (detail.get("current", 0), detail["total"])
        if layers and monotonic_ns() >= next_ns:
            done, total = (sum(column) for column in zip(*layers.values(), strict=True))
            tell(f"pulling {name}: {done / 1e6:.0f} of {total / 1e6:.0f} MB")
            next_ns = monotonic_ns() + round(PROGRESS_EVERY_S * NS_PER_S)
    return []
