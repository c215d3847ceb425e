"""What master and remote workers say to each other over Locust's own connection; each is one custom message.

| message | from | says |
|---|---|---|
| `harness_clock` | both | a question for the time, and its answer |
| `harness_hello` | worker | it is up; its host and its clock's offset |
| `harness_share` | master | the plan, which share of it, and where the target is |
| `harness_rows` | worker | a piece of its file of rows |
| `harness_more` | master | how much of that file is here |
| `harness_go` | master | the moment to begin, on the orchestrator's clock |
| `harness_stop` | master | start nothing more |
| `harness_done` | worker | its file is whole: length and digest |
| `harness_bye` | master | everything is here, the worker may end; or why it isn't wanted |
"""

from __future__ import annotations

CLOCK = "harness_clock"
HELLO = "harness_hello"
SHARE = "harness_share"
ROWS = "harness_rows"
MORE = "harness_more"
GO = "harness_go"
STOP = "harness_stop"
DONE = "harness_done"
BYE = "harness_bye"

DEFAULT_PORT = 5557


def address(text: str, default_port: int = DEFAULT_PORT) -> tuple[str, int]:
    """`host` or `host:port`. Raises `ValueError`."""
    host, colon, port = text.rpartition(":")
    return (host, int(port)) if colon else (text, default_port)
