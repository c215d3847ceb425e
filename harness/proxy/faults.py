"""What a caller of the control interface can be told to have done wrong."""

from __future__ import annotations


class Fault(Exception):
    """An answer other than success: its text and its HTTP status are part of the contract."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


def bad_body(text: str) -> Fault:
    return Fault(f"bad request body: {text}", 400)


def missing(field: str) -> Fault:
    return Fault(f"missing required field: {field}", 400)


def proxy_not_found() -> Fault:
    return Fault("proxy not found", 404)


def toxic_not_found() -> Fault:
    return Fault("toxic not found", 404)


def proxy_exists() -> Fault:
    return Fault("proxy already exists", 409)


def toxic_exists() -> Fault:
    return Fault("toxic already exists", 409)


def invalid_type() -> Fault:
    return Fault("invalid toxic type", 400)


def invalid_stream(text: str = "stream was invalid, can be either upstream or downstream") -> Fault:
    return Fault(text, 400)


def system(text: str) -> Fault:
    return Fault(text, 500)
