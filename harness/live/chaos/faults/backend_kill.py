"""The backend dies in the middle of its work; with `on_statement` in the middle of provisioning."""

from __future__ import annotations

from dataclasses import dataclass

from harness.live.chaos.services import Killed
from harness.live.stack import Service


@dataclass(kw_only=True)
class BackendKill(Killed):
    name = "backend.kill"
    text = "The backend is killed (SIGKILL), whatever it is doing; healed by a start"
    service = Service.BACKEND


FAULT = BackendKill
