"""Other machines for load workers: network namespaces, each with a cable of its own to this one."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator

import pytest


@contextlib.contextmanager
def namespaces(count: int) -> Iterator[list[str]]:
    """Names of namespaces; machine `i` knows this one as 10.213.<i>.1 and is 10.213.<i>.2 itself."""
    made: list[str] = []
    if shutil.which("ip") is None:
        pytest.skip("no network namespaces can be made here (iproute2 is needed)")
    try:
        for index in range(count):
            name = f"harness-{os.getpid()}-{index}"
            if ip("netns", "add", name).returncode:
                pytest.skip("no network namespaces can be made here (root and iproute2 are needed)")
            made.append(name)
            if not _cabled(name, index):
                pytest.skip("no veth pairs can be made here")
        yield made
    finally:
        for name in made:
            ip("netns", "del", name)


def _cabled(name: str, index: int) -> bool:
    here, there = f"hv{os.getpid() % 100000}{index}", "cable"
    commands = [
        ("link", "add", here, "type", "veth", "peer", "name", there, "netns", name),
        ("addr", "add", f"10.213.{index}.1/24", "dev", here),
        ("link", "set", here, "up"),
        ("-n", name, "addr", "add", f"10.213.{index}.2/24", "dev", there),
        ("-n", name, "link", "set", there, "up"),
    ]
    return not any(ip(*command).returncode for command in commands)


def ip(*words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["ip", *words], capture_output=True)


def free_port() -> int:
    with socket.create_server(("0.0.0.0", 0)) as one:
        return int(one.getsockname()[1])
