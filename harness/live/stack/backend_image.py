"""Builds the backend's image from the target's Dockerfile, once for each content of its folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import docker
from docker.errors import APIError, BuildError, ImageNotFound

from harness.live.stack.images import Images
from harness.live.stack.model import BackendCommand, EnvironmentTrouble

REPOSITORY = "tenant-harness/backend"
IGNORED = frozenset({"__pycache__", ".venv", ".git", ".pytest_cache", ".mypy_cache"})
BUILD_TIMEOUT_S = 900


def backend_image(
    client: docker.DockerClient, command: BackendCommand, images: Images, tell: Callable[[str], None]
) -> str:
    """The name of the image that runs the backend: the configured one, or one built now or before. Blocks.

    The build gets `PYTHON_IMAGE` as an argument. Raises `EnvironmentTrouble`.
    """
    if images.backend:
        return images.backend
    if command.dockerfile is None:
        raise EnvironmentTrouble(
            "the target has no container image; set start.dockerfile in the target file or HARNESS_IMAGE_BACKEND"
        )
    dockerfile = Path(command.dockerfile)
    base = client.images.get(images.python)
    name = f"{REPOSITORY}:{_key(dockerfile.parent, str(base.id))}"
    try:
        client.images.get(name)
    except ImageNotFound:
        tell(f"building {name} from {dockerfile}")
        _build(client, dockerfile, name, images.python)
    return name


def _build(client: docker.DockerClient, dockerfile: Path, name: str, python: str) -> None:
    try:
        client.images.build(
            path=str(dockerfile.parent),
            dockerfile=dockerfile.name,
            tag=name,
            buildargs={"PYTHON_IMAGE": python},
            labels={"tenant-harness.image": "backend"},
            rm=True,
            forcerm=True,
            timeout=BUILD_TIMEOUT_S,
        )
    except BuildError as error:
        tail = "".join(str(line.get("stream", "")) for line in list(error.build_log)[-15:])
        raise EnvironmentTrouble(f"{dockerfile} can't be built: {error.msg}; it ends:\n{tail}") from error
    except (APIError, OSError) as error:
        raise EnvironmentTrouble(f"{dockerfile} can't be built: {error}") from error


def _key(context: Path, base: str) -> str:
    """A hash of the base and of every file of the context, names included."""
    digest = hashlib.sha256(base.encode())
    for path in sorted(context.rglob("*")):
        if path.is_file() and not IGNORED & set(path.relative_to(context).parts):
            digest.update(f"{path.relative_to(context)}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
