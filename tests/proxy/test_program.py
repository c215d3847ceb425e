"""The program: its flags, its configuration, its limits."""

from __future__ import annotations

import json
import re
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.proxy.servers import ProxyProcess, Upstream, answers, connect, receive, silent, split, upstream, wait_for

MB = 1024 * 1024
CONNECTIONS = 2000


def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "harness.proxy", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.parametrize("flag", ["--version", "-version"])
def test_the_version_is_printed(flag: str) -> None:
    """With one dash, as the original's flags are written, or two."""
    done = ran(flag)
    assert done.returncode == 0
    assert done.stdout.startswith("toxiproxy-server version 2.")


def test_bad_usage_is_exit_2() -> None:
    """And nothing is started."""
    assert ran("--port", "many").returncode == 2


def test_a_control_address_in_use_is_exit_4() -> None:
    """With one line that says where."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = ran("--host", "127.0.0.1", "--port", port)
    assert done.returncode == 4
    assert port in done.stderr and "Traceback" not in done.stderr


def test_a_configuration_is_created(own: Callable[..., ProxyProcess], echoing: Upstream, tmp_path: Path) -> None:
    """A JSON list as `populate` takes it."""
    config = tmp_path / "proxies.json"
    config.write_text(json.dumps([{"name": "p", "upstream": echoing.address, "listen": "127.0.0.1:0"}]))
    process = own("--config", str(config))
    client = connect(split(process.control.ask("GET", "/proxies/p")["listen"]))
    client.sendall(b"a")
    assert receive(client, 1) == b"a"


@pytest.mark.parametrize("text", [None, "[", '[{"name": "p"}]', '[{"name": "p", "upstream": "a:1", "listen": "x"}]'])
def test_a_bad_configuration_starts_nothing(tmp_path: Path, text: str | None) -> None:
    """One message with the file and what is wrong, and exit 2."""
    config = tmp_path / "proxies.json"
    if text is not None:
        config.write_text(text)
    done = ran("--host", "127.0.0.1", "--port", "0", "--config", str(config))
    assert done.returncode == 2
    assert str(config) in done.stderr and "Traceback" not in done.stderr


def test_compat_goes_on_without_a_bad_configuration(own: Callable[..., ProxyProcess], tmp_path: Path) -> None:
    """As the original does."""
    assert own("--compat", "--config", str(tmp_path / "none.json")).control.ask("GET", "/proxies") == {}


def test_metrics_are_off_unless_asked_for(tmp_path: Path) -> None:
    """As in the contract: 404."""
    port_file = tmp_path / "port"
    argv = [sys.executable, "-m", "harness.proxy", "--port", "0", "--port-file", str(port_file)]
    process = subprocess.Popen(argv)
    try:
        wait_for(lambda: port_file.exists() and port_file.read_text(), "the port", process)
        with socket.create_connection(split(port_file.read_text()), timeout=10) as control:
            control.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            assert control.recv(100).startswith(b"HTTP/1.1 404")
    finally:
        process.kill()
        process.wait()


def test_runtime_metrics(own: Callable[..., ProxyProcess]) -> None:
    """Of the process itself."""
    assert "process_open_fds" in own("--runtime-metrics").control.http.get("/metrics").text


@pytest.fixture
def many_descriptors() -> None:
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2 * CONNECTIONS + 500:
        pytest.skip(f"at most {hard} descriptors here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@pytest.mark.usefixtures("many_descriptors")
def test_two_thousand_connections(own: Callable[..., ProxyProcess]) -> None:
    """All at once, each alive, at a few KB each, and control answers."""
    process = own()
    before = psutil.Process(process.process.pid).memory_info().rss

    with upstream(silent) as server:
        listen = process.control.create(server.address)
        clients = [connect(listen) for _ in range(CONNECTIONS)]
        server.taken(CONNECTIONS)
        wait_for(lambda: len(process.control.connections()) == CONNECTIONS, "all of them")
        grown = psutil.Process(process.process.pid).memory_info().rss - before
        for number, client in enumerate(clients):
            client.sendall(b"%04d" % number)
        seen = {receive(sock, 4) for sock in server.sockets}
        assert len(seen) == CONNECTIONS
        assert grown < CONNECTIONS * 16 * 1024
        process.control.ask("POST", "/proxies/p", {"enabled": False}, 200)
        assert process.control.connections() == []
        for client in clients:
            client.close()


@pytest.mark.parametrize("toxic", [None, "noop", "latency"])
def test_slow_readers_cost_bounded_memory(own: Callable[..., ProxyProcess], toxic: str | None) -> None:
    """Whoever does not read stops the sender, not the proxy."""

    def flood(sock: socket.socket) -> None:
        while True:
            sock.sendall(b"x" * MB)

    process = own()
    memory = psutil.Process(process.process.pid).memory_info
    before = memory().rss
    with upstream(flood) as server:
        listen = process.control.create(server.address)
        if toxic:
            process.control.toxic(toxic, **({"latency": 10} if toxic == "latency" else {}))
        clients = [connect(listen) for _ in range(8)]
        time.sleep(1.5)
        assert memory().rss - before < 8 * 6 * MB
        assert len(clients) == 8


def test_control_outlives_a_bad_request(built_in: ProxyProcess) -> None:
    """What is no HTTP is told so, and the next caller is served."""
    with socket.create_connection(split(built_in.address), timeout=10) as control:
        control.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        assert control.recv(100).startswith(b"HTTP/1.1 400")
    assert answers(split(built_in.address))
    assert built_in.control.ask("GET", "/proxies") == {}


def test_pipelined_requests_are_answered_in_order(built_in: ProxyProcess) -> None:
    """And a chunked body is a body."""
    body = b'{"name":"p","upstream":"127.0.0.1:9"}'
    chunked = b"POST /proxies HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
    with socket.create_connection(split(built_in.address), timeout=10) as control:
        control.sendall(chunked % (len(body), body) + b"GET /proxies/p HTTP/1.1\r\nConnection: close\r\n\r\n")
        got = b""
        while data := control.recv(4096):
            got += data
    assert re.findall(rb"HTTP/1.1 (\d+)", got) == [b"201", b"200"]
