"""The backend hangs: its clients wait, and its dependencies keep its connections."""

from __future__ import annotations

from dataclasses import dataclass

from harness.live.chaos.services import Frozen
from harness.live.stack import Service


@dataclass(kw_only=True)
class BackendHang(Frozen):
    name = "backend.hang"
    text = "The backend is frozen (SIGSTOP): clients wait, its connections stay open"
    service = Service.BACKEND


FAULT = BackendHang
