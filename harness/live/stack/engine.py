"""The Docker engine: whether one answers, and what of it carries our label."""

from __future__ import annotations

import contextlib

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container

from harness.live.stack.model import EnvironmentTrouble

RUN_LABEL = "tenant-harness.run"
ANSWER_TIMEOUT_S = 5
CALL_TIMEOUT_S = 60
LOCAL_SCHEMES = ("http+docker://", "npipe://")
REMEDY = "start the engine, check DOCKER_HOST and that this user may use it, or use --stack embedded"


def connect(timeout_s: int = CALL_TIMEOUT_S) -> docker.DockerClient:
    """A client of an engine on this machine that answers. Raises `EnvironmentTrouble`.

    An engine elsewhere is refused: all ports are published on its loopback, which is not ours.
    """
    try:
        asked = docker.from_env(timeout=ANSWER_TIMEOUT_S)
        asked.ping()
    except (DockerException, OSError) as error:
        raise EnvironmentTrouble(f"no Docker engine answers ({_short(error)}); {REMEDY}") from error
    where = str(asked.api.base_url)
    asked.close()
    if not where.startswith(LOCAL_SCHEMES) and "127.0.0.1" not in where and "localhost" not in where:
        raise EnvironmentTrouble(f"the Docker engine at {where} is on another machine; unset DOCKER_HOST")
    return docker.from_env(timeout=timeout_s)


def labels(run: str) -> dict[str, str]:
    """The labels of everything that the run with this ledger makes."""
    return {RUN_LABEL: run}


def remove_labelled(client: docker.DockerClient, label: str) -> list[str]:
    """Remove containers (with their volumes), networks and volumes that carry `label` (`name=value`), nothing else.

    Returns what was removed. Raises `docker.errors.APIError` where the engine refuses.
    """
    wanted: dict[str, str | list[str] | bool] = {"label": label}
    removed = []
    for container in client.containers.list(all=True, filters=wanted, ignore_removed=True):
        with contextlib.suppress(NotFound):
            _remove_container(container)
            removed.append(f"container {container.name}")
    for network in client.networks.list(filters=wanted):
        with contextlib.suppress(NotFound):
            network.remove()
            removed.append(f"network {network.name}")
    for volume in client.volumes.list(filters=wanted):
        with contextlib.suppress(NotFound):
            volume.remove(force=True)
            removed.append(f"volume {volume.name}")
    return removed


def labelled_runs(client: docker.DockerClient) -> set[str]:
    """The names of all runs, whoever's, of which a container or network is there."""
    ours: dict[str, str | list[str] | bool] = {"label": RUN_LABEL}
    containers = client.containers.list(all=True, filters=ours, ignore_removed=True)
    networks = client.networks.list(filters=ours)
    return {item.labels[RUN_LABEL] for item in containers} | {item.attrs["Labels"][RUN_LABEL] for item in networks}


def _remove_container(container: Container) -> None:
    try:
        container.remove(force=True, v=True)
    except APIError as error:
        # Somebody else (Testcontainers' reaper, another cleaning) is removing it already.
        if error.status_code != 409 or "already in progress" not in str(error):
            raise


def _short(error: BaseException) -> str:
    return str(error).split("\n", maxsplit=1)[0][:200]
