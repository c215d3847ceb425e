"""A proxy process for each kind of server, shared by the tests; every test starts without proxies."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.proxy import servers
from tests.proxy.differences import DIFFERENCES
from tests.proxy.servers import TOXIPROXY, Control, ProxyProcess, Upstream, echo, upstream

KINDS = ["built-in", "toxiproxy"]
LACKING_S = 5.0
"""How long to wait for what the original is known not to do."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What carries data is tested on the loop of other systems too."""
    if "server" in metafunc.fixturenames:
        kinds = [*KINDS, "fallback"] if metafunc.module.__name__.endswith("test_toxics") else KINDS
        metafunc.parametrize("server", kinds, indirect=True)


@pytest.fixture(scope="session")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], ProxyProcess]]:
    """One process a kind, started when first asked for, and again should a test have wrecked it."""
    started: dict[str, ProxyProcess] = {}

    def get(kind: str) -> ProxyProcess:
        if kind in started and started[kind].process.poll() is not None:
            del started[kind]
        if kind not in started:
            started[kind] = ProxyProcess(kind, tmp_path_factory.mktemp(kind), "-seed", "1")
        return started[kind]

    yield get
    for process in started.values():
        process.process.kill()
        process.process.wait()


@pytest.fixture
def server(
    request: pytest.FixtureRequest, processes: Callable[[str], ProxyProcess], monkeypatch: pytest.MonkeyPatch
) -> Iterator[ProxyProcess]:
    """For the suite that both have to pass, but for the known differences."""
    kind = request.param
    if kind == "toxiproxy":
        if shutil.which(TOXIPROXY) is None:
            pytest.skip(f"no {TOXIPROXY} on the PATH")
        if reason := DIFFERENCES.get(request.function.__name__):
            request.applymarker(pytest.mark.xfail(reason=f"Toxiproxy {reason}", strict=True))
            monkeypatch.setattr(servers, "ANSWER_S", LACKING_S)
    process = processes(kind)
    yield process
    if request.function.__name__ in DIFFERENCES and process.is_original:
        process.process.kill()  # it may be wedged for good
        process.process.wait()
    else:
        process.control.clear()


@pytest.fixture
def control(server: ProxyProcess) -> Control:
    return server.control


@pytest.fixture
def built_in(processes: Callable[[str], ProxyProcess]) -> Iterator[ProxyProcess]:
    """For what only the built-in proxy has."""
    process = processes("built-in")
    yield process
    process.control.clear()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Callable[..., ProxyProcess]]:
    """Starts built-in proxies of a test's own."""
    made: list[ProxyProcess] = []

    def make(*arguments: str) -> ProxyProcess:
        folder = tmp_path / f"proxy-{len(made)}"
        folder.mkdir()
        made.append(ProxyProcess("built-in", folder, *arguments))
        return made[-1]

    yield make
    for process in made:
        process.process.kill()
        process.process.wait()


@pytest.fixture
def echoing() -> Iterator[Upstream]:
    with upstream(echo) as made:
        yield made
