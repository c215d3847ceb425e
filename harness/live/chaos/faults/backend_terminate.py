"""The backend is drained, as a deployment does it."""

from __future__ import annotations

from dataclasses import dataclass

from harness.live.chaos.services import Stopped
from harness.live.stack import Service


@dataclass(kw_only=True)
class BackendTerminate(Stopped):
    name = "backend.terminate"
    text = "The backend is asked to end (SIGTERM) and may finish what it has begun; healed by a start"
    service = Service.BACKEND


FAULT = BackendTerminate
