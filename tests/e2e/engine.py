"""What the Docker engine has, so that what stays behind can be told."""

from __future__ import annotations

import docker

from harness.live.stack.engine import connect


def engine_lists() -> dict[str, set[str]]:
    """Everything that the engine has, by kind; of images those that have a name."""
    client = connect()
    try:
        return {
            "containers": {str(item.name) for item in client.containers.list(all=True, ignore_removed=True)},
            "networks": {str(item.name) for item in client.networks.list()},
            "volumes": {str(item.name) for item in client.volumes.list()},
            "images": {tag for item in client.images.list() for tag in item.tags},
        }
    finally:
        client.close()


def labelled(client: docker.DockerClient, label: str) -> int:
    """How many containers carry it."""
    return len(client.containers.list(all=True, filters={"label": label}, ignore_removed=True))
