"""Which images run, and how one comes that isn't there: by configuration, with progress, within a deadline."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.errors import ImageNotFound

from harness.live.stack.engine import connect
from harness.live.stack.images import Images, ensure, load
from harness.live.stack.model import EnvironmentTrouble
from tests.e2e.making import lacking
from tests.live.stack.registry import Image, digest, registry


def only(name: str) -> Images:
    return Images(postgres="", redis=name, toxiproxy="", python="", ryuk="")


@pytest.fixture
def client() -> Iterator[docker.DockerClient]:
    try:
        connected = connect(timeout_s=3)
    except EnvironmentTrouble as trouble:
        lacking("docker", str(trouble))
        raise
    yield connected
    connected.close()


def test_the_environment_is_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    """A mirror for one image does not mean naming them all."""
    file = tmp_path / "images.toml"
    file.write_text('postgres = "mirror/postgres:18"\nredis = "mirror/redis:8"\n')
    chosen = load({"HARNESS_IMAGES": str(file), "HARNESS_IMAGE_REDIS": "other/redis:8"})
    assert (chosen.postgres, chosen.redis) == ("mirror/postgres:18", "other/redis:8")
    assert chosen.toxiproxy == Images().toxiproxy


def test_every_mistake_of_the_file_is_told_at_once(tmp_path: Path) -> None:
    """With the file's name, and the names that there are."""
    file = tmp_path / "images.toml"
    file.write_text('postgress = "a"\nredis = 8\n')
    with pytest.raises(EnvironmentTrouble) as told:
        load({"HARNESS_IMAGES": str(file)})
    assert all(text in str(told.value) for text in (str(file), "postgress", "known: postgres", "redis: 8"))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """Rather than running the defaults that nobody asked for."""
    with pytest.raises(EnvironmentTrouble, match=r"HARNESS_IMAGES=.*nowhere"):
        load({"HARNESS_IMAGES": str(tmp_path / "nowhere.toml")})


@pytest.mark.docker
@pytest.mark.parametrize("by", ["tag", "digest"])
def test_a_missing_image_is_pulled_and_its_progress_told(client: docker.DockerClient, by: str) -> None:
    """From whichever registry its name says, by tag or by digest."""
    image, told = Image(size_bytes=3_000_000), list[str]()
    with registry(image, pause_s=0.1) as address:
        name = f"{address}/tenant-harness-test/pulled" + (":1" if by == "tag" else f"@{digest(image.manifest)}")
        try:
            ensure(client, only(name), tell=told.append)
            assert client.images.get(name)
        finally:
            with contextlib.suppress(ImageNotFound):
                client.images.remove(name, force=True)
    assert told[0] == f"pulling {name}"
    assert any(" of 3 MB" in line for line in told)


@pytest.mark.docker
def test_a_pull_that_is_too_slow_is_given_up(client: docker.DockerClient) -> None:
    """The deadline is for the whole; the message says what to do."""
    with registry(Image(size_bytes=3_000_000), pause_s=1) as address:
        name = f"{address}/tenant-harness-test/slow:1"
        with pytest.raises(EnvironmentTrouble, match=r"not done after 0\.5 s.*docker pull.*HARNESS_IMAGE_REDIS"):
            ensure(client, only(name), tell=lambda _: None, timeout_s=0.5)


@pytest.mark.docker
def test_a_pull_that_stands_still_is_given_up(client: docker.DockerClient) -> None:
    """When the engine has nothing more to tell, nobody waits out the whole deadline."""
    with registry(Image(size_bytes=3_000_000), pause_s=600) as address:
        name = f"{address}/tenant-harness-test/still:1"
        with pytest.raises(EnvironmentTrouble, match=r"no progress for 1 s"):
            ensure(client, only(name), tell=lambda _: None, still_timeout_s=1)


@pytest.mark.docker
def test_a_pull_can_be_interrupted(client: docker.DockerClient) -> None:
    """Ctrl-C does not wait for a download."""
    ended = threading.Event()
    with (
        registry(Image(size_bytes=3_000_000), pause_s=600) as address,
        pytest.raises(EnvironmentTrouble, match="interrupted"),
    ):
        ensure(client, only(f"{address}/tenant-harness-test/long:1"), tell=lambda _: ended.set(), ended=ended)


@pytest.mark.docker
def test_an_image_that_no_registry_has_is_told(client: docker.DockerClient) -> None:
    """With what the engine said."""
    with pytest.raises(EnvironmentTrouble, match=r"127\.0\.0\.1:1/no:1 is not on this machine.*refused"):
        ensure(client, only("127.0.0.1:1/no:1"), tell=lambda _: None)
