"""One TCP connection of a load client, plain or TLS, over gevent: every wait has an end, every failure a class.

The fast way is what nearly every exchange takes: the request goes out in one `send` on the raw socket, and the answer
is waited for before it is read, because it is never there yet. Both save a system call and gevent's own loop.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass

from gevent import Timeout, get_hub, monkey, select, socket
from gevent.hub import Waiter

from harness.clock import NS_PER_S

# In a worker gevent has put its own in place of the system's, to wait; this one only ever looks.
_poll = monkey.get_original("select", "poll")
_POLLIN = monkey.get_original("select", "POLLIN")

RECEIVE_BYTES = 64 * 1024
CONNECT_S = 5.0
SEND_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """Seconds. `whole_s` bounds the exchange from the connect to the last byte."""

    connect_s: float
    send_s: float
    first_byte_s: float
    whole_s: float

    @staticmethod
    def within(whole_s: float) -> Deadlines:
        """For an exchange that may take so long: a connection that isn't there after 5 s won't come."""
        return Deadlines(
            connect_s=min(CONNECT_S, whole_s), send_s=min(SEND_S, whole_s), first_byte_s=whole_s, whole_s=whole_s
        )


class Broken(Exception):
    """The exchange ended without a whole answer; the text is the error class."""


class Connection:
    """An open connection. `sent` says whether any byte of the message being sent may have left."""

    def __init__(self, opened: socket.socket, *, now_ns: Callable[[], int]) -> None:
        self.sent = False
        self._socket = opened
        self._raw = opened._sock
        self._now_ns = now_ns
        self._hub = get_hub()
        self._poll = _poll()
        self._poll.register(opened.fileno(), _POLLIN)

    def send(self, message: bytes, until_ns: int) -> None:
        """Send the whole message. Returns early where an answer or the end is there already: it may be read then.

        Raises `Broken`: `send_timeout`, or `send: ...` where the connection is gone and nothing can be read.
        """
        self.sent = False
        try:
            left = message[self._raw.send(message) :]
            self.sent = True
        except BlockingIOError:
            left = message
        except OSError as error:
            self._unless_answered(error)
            return
        if left:
            self._send_rest(memoryview(left), until_ns)

    def _send_rest(self, left: memoryview, until_ns: int) -> None:
        while left:
            wait_s = (until_ns - self._now_ns()) / NS_PER_S
            readable, writable, _ = select.select([self._raw], [self._raw], [], max(wait_s, 0.0))
            if readable:
                return  # Answered, or ended, before the request was out: there is no use in sending the rest.
            if not writable:
                raise Broken("send_timeout")
            try:
                left = left[self._raw.send(left) :]
                self.sent = True
            except BlockingIOError:
                continue
            except OSError as error:
                self._unless_answered(error)
                return

    def _unless_answered(self, error: OSError) -> None:
        if not self.is_readable():
            raise Broken(f"send: {error.strerror or error}") from None

    def receive(self, until_ns: int, timeout: str) -> bytes:
        """The next bytes; empty at the end. Raises `Broken`: `timeout`'s class, or `receive: ...`."""
        wait_s = (until_ns - self._now_ns()) / NS_PER_S
        if wait_s <= 0:
            raise Broken(timeout)
        if not self._became_readable(wait_s):
            raise Broken(timeout)
        try:
            received: bytes = self._raw.recv(RECEIVE_BYTES)
        except OSError as error:
            raise Broken(f"receive: {error.strerror or error}") from None
        return received

    def _became_readable(self, wait_s: float) -> bool:
        """What gevent's `wait` does with a `Timeout`, without making an exception for each answer."""
        waiter, timer = Waiter(self._hub), self._hub.loop.timer(wait_s)
        readable = self._socket._read_event
        readable.start(waiter.switch, True)
        timer.start(waiter.switch, False, update=True)
        try:
            return bool(waiter.get())
        finally:
            readable.stop()
            timer.close()

    def is_readable(self) -> bool:
        """Whether a read would return at once, be it bytes, the end or an error; nothing is taken out."""
        return bool(self._poll.poll(0))

    def close(self) -> None:
        self._socket.close()


class TlsConnection(Connection):
    """The same over TLS, where bytes pass through the library: no raw sends, no peeking past its buffer."""

    def send(self, message: bytes, until_ns: int) -> None:
        # From here on bytes may be on their way, whatever happens next.
        self.sent = True
        self._socket.settimeout(max((until_ns - self._now_ns()) / NS_PER_S, 0.001))
        try:
            self._socket.sendall(message)
        except TimeoutError:
            raise Broken("send_timeout") from None
        except OSError as error:
            self._unless_answered(error)

    def receive(self, until_ns: int, timeout: str) -> bytes:
        wait_s = (until_ns - self._now_ns()) / NS_PER_S
        if wait_s <= 0:
            raise Broken(timeout)
        self._socket.settimeout(wait_s)
        try:
            received: bytes = self._socket.recv(RECEIVE_BYTES)
        except TimeoutError:
            raise Broken(timeout) from None
        except OSError as error:
            raise Broken(f"receive: {error.strerror or error}") from None
        return received

    def is_readable(self) -> bool:
        """What the library has read already counts; so does anything on the wire, be it only the end."""
        if self._socket.pending():
            return True
        return super().is_readable()


def connected(
    address: tuple[str, int], deadlines: Deadlines, tls: ssl.SSLContext | None, now_ns: Callable[[], int]
) -> Connection:
    """Open a connection, the TLS handshake included. Raises `Broken`; nothing of a request has left then."""
    try:
        with Timeout(deadlines.connect_s, Broken("connect_timeout")):
            opened = socket.create_connection(address)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls is None:
                return Connection(opened, now_ns=now_ns)
            return TlsConnection(secured(opened, tls, address[0]), now_ns=now_ns)
    except ConnectionRefusedError:
        raise Broken("connect_refused") from None
    except ssl.SSLError as error:
        raise Broken(f"tls: {error.reason or error}") from None
    except OSError as error:
        raise Broken(f"connect: {error.strerror or error}") from None


def secured(opened: socket.socket, tls: ssl.SSLContext, name: str) -> socket.socket:
    try:
        return tls.wrap_socket(opened, server_hostname=name)
    except BaseException:
        opened.close()
        raise
