"""Stands in for Testcontainers' reaper where no registry has it: the same protocol, as little of it as a test needs.

It takes filter lines (`label=name=value`), acknowledges each, and when its client has been gone for
`RYUK_RECONNECTION_TIMEOUT` removes the containers and networks that carry the labels.
"""

import contextlib
import http.client
import json
import os
import socket
import time
from urllib.parse import quote

PORT = 8080
ENGINE = "/var/run/docker.sock"


class Engine(http.client.HTTPConnection):
    def __init__(self) -> None:
        super().__init__("localhost", timeout=30)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(ENGINE)


def ask(method: str, path: str) -> bytes:
    engine = Engine()
    engine.request(method, path)
    body = engine.getresponse().read()
    engine.close()
    return body


def remove(label: str) -> None:
    wanted = quote(json.dumps({"label": [label]}))
    for container in json.loads(ask("GET", f"/containers/json?all=1&filters={wanted}")):
        ask("DELETE", f"/containers/{container['Id']}?force=1&v=1")
    for network in json.loads(ask("GET", f"/networks?filters={wanted}")):
        ask("DELETE", f"/networks/{network['Id']}")


if __name__ == "__main__":
    with socket.create_server(("0.0.0.0", PORT)) as server:
        print("the reaper has Started!", flush=True)
        client, _ = server.accept()
        labels = []
        # A killed client has not read its acknowledgements, so that its connection ends with a reset.
        with client, client.makefile("rw") as lines, contextlib.suppress(ConnectionError):
            for line in lines:
                labels.append(line.strip().removeprefix("label="))
                lines.write("ACK\n")
                lines.flush()
    time.sleep(float(os.environ["RYUK_RECONNECTION_TIMEOUT"].rstrip("s")))
    for label in labels:
        remove(label)
