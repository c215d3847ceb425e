"""toxiproxy-python as the harness needs it: one server for each call, a 503 told, no HTTP proxy in between."""

from __future__ import annotations

import os
from contextvars import ContextVar
from http import HTTPStatus
from typing import TYPE_CHECKING

import toxiproxy.api
from toxiproxy.api import APIConsumer

from harness.live.stack.model import Address

if TYPE_CHECKING:
    from requests import Response


class Busy(Exception):
    """The proxy gave the call up before it had begun: 503, which the client would take for an answer."""


def talk_to(server: Address) -> None:
    """The server of the calls that follow in this context."""
    _server.set(server)


def bypass_http_proxies(host: str) -> None:
    """The client honours `HTTP_PROXY`, which must never get between us and loopback."""
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [known for known in os.environ.get(name, "").split(",") if known]
        if host not in hosts:
            os.environ[name] = ",".join([*hosts, host])


_server: ContextVar[Address] = ContextVar("toxiproxy server")


class _Asked:
    """The client keeps its server in a class attribute, one for the process; this makes it one for each call."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> object:
        return getattr(_server.get(), self._name)


_validated = toxiproxy.api.validate_response


def _told_when_busy(response: Response) -> Response:
    if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        raise Busy(response.text.strip())
    checked: Response = _validated(response)
    return checked


APIConsumer.host = _Asked("host")
APIConsumer.port = _Asked("port")
toxiproxy.api.validate_response = _told_when_busy
