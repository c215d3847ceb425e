"""One container of a run: started through Testcontainers; killed, stopped, paused, watched through the docker SDK."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container as EngineContainer
from testcontainers.core.container import DockerContainer, Reaper
from testcontainers.core.network import Network

from harness.live import figures
from harness.live.stack.container_statistics import EngineStatistics
from harness.live.stack.engine import CALL_TIMEOUT_S
from harness.live.stack.model import EnvironmentTrouble, Limits, ProcessFigures
from harness.live.stack.ports import Reservation
from harness.live.stack.toxiproxy_log import WireLog

GONE_TIMEOUT_S = 15
KILLED_EXIT_CODE = 137
CPU_PERIOD_US = 100_000
UNLIMITED = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerPlan:
    """What to run. `alias` is its name on the network; `ports` are published, container port to reserved host port.

    `wire` reads what a Toxiproxy logs, beside the log.
    """

    name: str
    image: str
    alias: str
    ports: Mapping[int, Reservation]
    labels: Mapping[str, str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    wire: WireLog | None = None


class Container:
    """Every method blocks on the engine, for at most its call timeout; callers run them in threads."""

    def __init__(self, plan: ContainerPlan, network: Network) -> None:
        self.plan = plan
        self._network = network
        self._wrapped: DockerContainer | None = None
        self._statistics: EngineStatistics | None = None
        self._followers: list[threading.Thread] = []

    @property
    def engine(self) -> EngineContainer:
        """The container as the engine knows it. Raises `EnvironmentTrouble` before the first start."""
        if self._wrapped is None:
            raise EnvironmentTrouble(f"{self.plan.alias} was never started")
        return self._wrapped.get_wrapped_container()

    @property
    def _api(self) -> docker.APIClient:
        assert self._wrapped is not None
        return self._wrapped.get_docker_client().client.api

    @property
    def was_started(self) -> bool:
        return self._wrapped is not None

    def start(self) -> None:
        """Create it, or start the stopped one again: on its old ports, under its old alias, with its old data."""
        try:
            if self._wrapped is None:
                self._wrapped = self._create()
                self._follow(self.engine.logs(stream=True, follow=True))
            else:
                # Attached before it starts, so that no line of the new life is missed and none of the old repeated.
                self._follow(self.engine.attach(stream=True, logs=False))
                self.engine.start()
        except (DockerException, OSError) as error:
            raise EnvironmentTrouble(f"{self.plan.alias} ({self.plan.image}) does not start: {error}") from error

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone; nothing happens where it is gone already."""
        with contextlib.suppress(NotFound):
            try:
                self.engine.kill()
            except APIError as error:
                if error.status_code != 409:  # 409: it is not running
                    raise
            self.engine.wait(timeout=GONE_TIMEOUT_S)

    def stop(self, timeout_s: float) -> bool:
        """The image's stop signal, and SIGKILL after `timeout_s`; whether it ended by being asked."""
        self.engine.stop(timeout=max(1, round(timeout_s)))
        return int(self.engine.wait(timeout=GONE_TIMEOUT_S)["StatusCode"]) != KILLED_EXIT_CODE

    def pause(self) -> None:
        if not self._state()["Paused"]:
            self.engine.pause()

    def resume(self) -> None:
        if self._state()["Paused"]:
            self.engine.unpause()

    def disconnect(self) -> None:
        if self._network.name in self._networks():
            self._network._unwrap_network.disconnect(self.engine)

    def reconnect(self) -> None:
        if self._network.name not in self._networks():
            self._network.connect(str(self.engine.id), [self.plan.alias])

    def limit(self, limits: Limits) -> None:
        """Memory is limited with no swap on top. The engine knows no way back to no limit: it becomes all there is."""
        memory = limits.memory_bytes if limits.memory_bytes is not None else int(self._api.info()["MemTotal"])
        quota = round(limits.cpus * CPU_PERIOD_US) if limits.cpus is not None else UNLIMITED
        self.engine.update(cpu_period=CPU_PERIOD_US, cpu_quota=quota, mem_limit=memory, memswap_limit=memory)

    def is_running(self) -> bool:
        if self._wrapped is None:
            return False
        try:
            return bool(self._state()["Running"])
        except NotFound:
            return False

    def signal_process(self, pid: int, number: int) -> None:
        """Signal a process by the pid that it has inside."""
        # By the shell's own `kill`: slim images have no program of that name.
        done = self.engine.exec_run(["sh", "-c", f"kill -{int(number)} {int(pid)}"], user="root")
        if done.exit_code != 0:
            raise EnvironmentTrouble(f"{self.plan.alias}: kill {pid}: {done.output!r}")

    def figures(self) -> ProcessFigures:
        """By `/proc` where the engine's processes are this machine's, which costs milliseconds; else by the engine's
        statistics, which it takes once a second."""
        if self._wrapped is None or not self.is_running():
            return figures.NONE
        if self._statistics is None:
            seen = figures.of_pid(int(self.engine.attrs["State"]["Pid"]))
            if seen is not None:
                return seen
            self._statistics = EngineStatistics(self._api, str(self.engine.id))
        return self._statistics.latest

    def log_tail(self) -> str:
        return self.engine.logs(tail=15).decode(errors="replace")

    def join_followers(self, timeout_s: float) -> None:
        """Wait until the output of an ended container is in its log."""
        for follower in self._followers:
            follower.join(timeout_s)

    def close(self) -> None:
        if self._wrapped is not None:
            self._wrapped.get_docker_client().client.close()

    def _create(self) -> DockerContainer:
        container = DockerContainer(self.plan.image, docker_client_kw={"timeout": CALL_TIMEOUT_S}, name=self.plan.name)
        container.with_envs(**self.plan.environment)
        if self.plan.command:
            container.with_command(list(self.plan.command))
        container.with_network(self._network).with_network_aliases(self.plan.alias)
        container.with_kwargs(labels=dict(self.plan.labels))
        # Testcontainers' own method publishes on all interfaces; the engine takes a pair of host address and port.
        published = cast(dict[str, object], container.ports)
        for inside, reserved in self.plan.ports.items():
            published[f"{inside}/tcp"] = (reserved.address.host, reserved.address.port)
        return container.start()

    def _follow(self, output: Any) -> None:
        """Append the container's output to the run's log until it ends."""
        self.plan.log.parent.mkdir(parents=True, exist_ok=True)

        def copy() -> None:
            with (
                self.plan.log.open("ab", buffering=0) as log,
                contextlib.suppress(DockerException, OSError, ValueError),
            ):
                for chunk in output:
                    log.write(chunk)
                    if self.plan.wire:
                        self.plan.wire.feed(chunk)
            if self.plan.wire:
                self.plan.wire.ended()

        follower = threading.Thread(target=copy, daemon=True, name=f"log of {self.plan.alias}")
        follower.start()
        self._followers.append(follower)

    def _state(self) -> dict[str, Any]:
        self.engine.reload()
        return cast(dict[str, Any], self.engine.attrs["State"])

    def _networks(self) -> dict[str, Any]:
        self.engine.reload()
        return cast(dict[str, Any], self.engine.attrs["NetworkSettings"]["Networks"])


def make_network(name: str, labels: Mapping[str, str]) -> Network:
    """A bridge network of the run's own. Blocks; raises `EnvironmentTrouble`."""
    network = Network(docker_client_kw={"timeout": CALL_TIMEOUT_S}, docker_network_kw={"labels": dict(labels)})
    network.name = name
    try:
        return network.create()
    except (docker.errors.DockerException, OSError) as error:
        raise EnvironmentTrouble(f"no network can be made: {error}") from error


def end_reaper() -> None:
    """End Testcontainers' reaper at once; left alone, it goes by itself some seconds after this process."""
    try:
        Reaper.delete_instance()
    except APIError as error:
        if error.status_code != 409:  # 409: it is going already
            raise
