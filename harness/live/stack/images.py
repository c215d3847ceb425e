"""Which images the Docker stack runs: pinned official ones, unless a file or the environment says otherwise."""

from __future__ import annotations

import os
import threading
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

import docker
from docker.errors import ImageNotFound
from docker.utils import parse_repository_tag

from harness.clock import NS_PER_S, monotonic_ns
from harness.live.stack.model import EnvironmentTrouble

FILE_VARIABLE = "HARNESS_IMAGES"
PULL_TIMEOUT_S = 600.0
STILL_TIMEOUT_S = 60.0
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
    still_timeout_s: float = STILL_TIMEOUT_S,
) -> None:
    """Pull what is missing, telling of the progress, until `ended` is set. Blocks.

    An image may take `timeout_s`, and the engine may be silent about it for `still_timeout_s`.
    Raises `EnvironmentTrouble` naming the image and the remedy.
    """
    for purpose, name in images.to_run().items():
        if not _is_there(client, name):
            tell(f"pulling {name}")
            pull = _Pull(client, name, tell)
            if trouble := pull.trouble(ended or threading.Event(), timeout_s, still_timeout_s):
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


class _Pull:
    """One pull. The engine's has no deadline: its thread is left behind when time is up."""

    def __init__(self, client: docker.DockerClient, name: str, tell: Callable[[str], None]) -> None:
        self._client = client
        self._name = name
        self._tell = tell
        self._trouble = ""
        self._over = threading.Event()
        self._heard_ns = monotonic_ns()
        self._told_ns = 0

    def trouble(self, ended: threading.Event, timeout_s: float, still_timeout_s: float) -> str:
        """Pull, and say what went wrong, or nothing."""
        begun_ns = monotonic_ns()
        threading.Thread(target=self._run, name=f"pull {self._name}", daemon=True).start()
        while not self._over.wait(LOOK_EVERY_S):
            now_ns = monotonic_ns()
            if ended.is_set():
                return "interrupted"
            if now_ns - begun_ns > timeout_s * NS_PER_S:
                return f"not done after {timeout_s:g} s"
            if now_ns - self._heard_ns > still_timeout_s * NS_PER_S:
                return f"no progress for {still_timeout_s:g} s"
        return self._trouble

    def _run(self) -> None:
        try:
            self._trouble = self._follow()
        except Exception as error:  # noqa: BLE001 - three libraries' exceptions come through here; each is told
            self._trouble = str(error)
        finally:
            self._over.set()

    def _follow(self) -> str:
        repository, tag = parse_repository_tag(self._name)
        layers: dict[str, tuple[int, int]] = {}
        for event in self._client.api.pull(repository, tag=tag or "latest", stream=True, decode=True):
            self._heard_ns = monotonic_ns()
            if "error" in event:
                return str(event["error"])
            detail = event.get("progressDetail") or {}
            if event.get("id") and detail.get("total"):
                layers[event["id"]] = (detail.get("current", 0), detail["total"])
                self._tell_of(layers)
        return ""

    def _tell_of(self, layers: Mapping[str, tuple[int, int]]) -> None:
        if self._heard_ns < self._told_ns + PROGRESS_EVERY_S * NS_PER_S:
            return
        done, total = (sum(column) for column in zip(*layers.values(), strict=True))
        self._tell(f"pulling {self._name}: {done / 1e6:.0f} of {total / 1e6:.0f} MB")
        self._told_ns = self._heard_ns
