"""The load client against a hostile server: outcome classes are true, nothing is sent twice, nothing grows or hangs."""

from __future__ import annotations

import itertools
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import gevent.ssl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.clock import NS_PER_S
from harness.live.load.answer import ANSWER_BYTES_MAX, Answer
from harness.live.load.client import IDLE_S_MAX, HttpClient
from harness.live.load.connection import Deadlines
from tests.live.load.hostile import Hostile, Peer, hostile

QUICK = Deadlines(connect_s=5, send_s=5, first_byte_s=10, whole_s=20)
HURRIED = Deadlines(connect_s=1, send_s=0.3, first_byte_s=0.3, whole_s=0.6)
FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def client(server: Hostile, deadlines: Deadlines = QUICK, tls: gevent.ssl.SSLContext | None = None) -> HttpClient:
    return HttpClient("127.0.0.1", server.port, now_ns=time.monotonic_ns, deadlines=deadlines, tls=tls)


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[begin:end] for begin, end in itertools.pairwise(places)]


def chunked(body: bytes, cuts: list[int]) -> bytes:
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in split(body, cuts) if piece)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


def plain(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def one_answer(*pieces: bytes, deadlines: Deadlines = QUICK, method: str = "GET") -> tuple[Answer, Hostile]:
    """The answer to one request where the server sends these pieces and closes."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(*pieces)

    with hostile(script) as server:
        one = client(server, deadlines)
        answer = one.request(method, "/")
        one.close()
    assert len(server.requests) == 1
    return answer, server


@FEW
@given(
    body=st.binary(max_size=300), chunks=st.lists(st.integers(0, 400), max_size=6), cuts=st.lists(st.integers(0, 900))
)
def test_an_answer_is_the_same_however_it_is_cut(body: bytes, chunks: list[int], cuts: list[int]) -> None:
    """Chunked in every way, arriving in every way: two answers on one connection, each with its own body."""
    answers = [chunked(body, chunks), plain(body)]

    def script(peer: Peer) -> None:
        peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for answer in answers:
            peer.request()
            peer.send(*split(answer, cuts))

    with hostile(script) as server:
        one = client(server)
        first, second = one.request("GET", "/"), one.request("POST", "/", body=b"{}")
        one.close()
    assert (first.error, first.status, first.body, first.reused) == ("", 200, body, False)
    assert (second.error, second.status, second.body, second.reused) == ("", 200, body, True)
    assert (server.connections, len(server.requests)) == (1, 2)


@FEW
@given(cut=st.integers(0, 200), reset=st.booleans())
def test_an_answer_that_is_cut_off_is_unknown_and_never_asked_for_again(cut: int, reset: bool) -> None:
    """Closed or reset at every point: the request has left, no whole answer came, and the server saw it once."""
    whole = chunked(b"x" * 60, [20])
    part = whole[: cut % len(whole)]

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(part)
        if reset:
            peer.reset()

    with hostile(script) as server:
        answer = client(server).request("GET", "/")
    assert answer.sent
    assert answer.error.partition(":")[0] in {"closed_before_answer", "closed_in_answer", "receive"}
    # A reset may overtake what was sent before it; a close never does.
    assert (answer.first_byte_ns is None) == (not part) or reset
    assert (server.connections, len(server.requests)) == (1, 1)


@FEW
@given(noise=st.binary(min_size=1, max_size=200))
def test_garbage_is_an_error_class(noise: bytes) -> None:
    """Whatever a server sends, the client comes back with an error class or a status that it really read."""
    answer, _ = one_answer(noise)
    assert answer.sent
    assert answer.error or noise.startswith(b"HTTP/")


@pytest.mark.parametrize(
    ("sent", "status", "body"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", 304, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + plain(b"ok"), 200, b"ok"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 2\r\n\r\nno", 302, b"no"),
        (b"HTTP/1.0 200 OK\r\n\r\nto the end", 200, b"to the end"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end", 200, b"to the end"),
        (chunked(b"abc", []).replace(b"0\r\n\r\n", b"0\r\nX-Trailer: 1\r\n\r\n"), 200, b"abc"),
    ],
    ids=["204", "304", "1xx", "redirect", "http-1.0", "until-close", "trailer"],
)
def test_answers_that_are_whole(sent: bytes, status: int, body: bytes) -> None:
    """No body where there is none, interim answers skipped, redirects not followed, a close that ends a body."""
    answer, _ = one_answer(sent)
    assert (answer.error, answer.status, answer.body) == ("", status, body)


def test_an_answer_to_head_has_no_body() -> None:
    """Its Content-Length tells of the body that GET would have had."""
    answer, _ = one_answer(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", method="HEAD")
    assert (answer.error, answer.status, answer.body) == ("", 200, b"")


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "unexpected_upgrade"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", "garbage"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "garbage"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-Big: " + b"y" * 100_000 + b"\r\n\r\n", "headers_too_large"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 30_000, "headers_too_large"),
        (b"HTTP/1.1 102 Processing\r\n\r\n" * 5_000, "headers_too_large"),
    ],
    ids=["101", "two-lengths", "bad-chunk", "huge-header", "endless-headers", "endless-1xx"],
)
def test_answers_that_are_none(sent: bytes, error: str) -> None:
    """Each is an error class of its own, and no status is made up."""
    answer, _ = one_answer(sent)
    assert answer.error.partition(":")[0] == error


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 1000000000", b"Transfer-Encoding: chunked", b"Connection: close"]
)
def test_a_body_without_end_ends_in_an_error_class_not_in_memory(framing: bytes) -> None:
    """A gigabyte, endless chunks, an endless stream: the client stops reading at its bound."""
    piece = b"10000\r\n" + b"z" * 65536 + b"\r\n" if framing.startswith(b"T") else b"z" * 65536

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
        for _ in range(20_000):
            peer.send(piece)

    with hostile(script) as server:
        answer = client(server).request("GET", "/")
    assert answer.error == "body_too_large"
    assert answer.bytes_received < 2 * ANSWER_BYTES_MAX
    assert answer.body == b""


def test_chunks_that_are_mostly_overhead_are_bounded_too() -> None:
    """Chunk extensions are no body, yet they can't go on without end."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(40_000):
            peer.send(b"1;" + b"e" * 8000 + b"\r\nx\r\n")

    with hostile(script) as server:
        answer = client(server).request("GET", "/")
    assert answer.error.partition(":")[0] in {"body_too_large", "garbage"}


def test_silence_and_trickle_have_deadlines() -> None:
    """No first byte, and bytes that come forever too slowly, end at their own deadlines."""

    def silent(peer: Peer) -> None:
        peer.request()
        peer.socket.recv(1)

    def trickle(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            peer.send(b"x")
            time.sleep(0.02)

    for script, error in ((silent, "first_byte_timeout"), (trickle, "timeout_whole")):
        with hostile(script) as server:
            answer = client(server, HURRIED).request("GET", "/")
        assert (answer.error, answer.sent) == (error, True)


def test_nothing_left_where_nobody_listens() -> None:
    """Refused, or never accepted: no byte of the request has left, so it has surely not been acted on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        answer = client(Hostile(bound.getsockname()[1], lambda peer: None)).request("POST", "/", body=b"{}")
        assert (answer.error, answer.sent) == ("connect_refused", False)
        bound.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(bound.getsockname())
        full = HttpClient(*bound.getsockname(), now_ns=time.monotonic_ns, deadlines=HURRIED)
        answer = full.request("POST", "/", body=b"{}")
        assert (answer.error, answer.sent) == ("connect_timeout", False)
        for one in waiting:
            one.close()


def test_an_answer_before_the_request_is_out_counts() -> None:
    """413 while the body is still being sent: the client stops sending and takes the answer."""

    def script(peer: Peer) -> None:
        peer.socket.recv(1000)
        peer.server.requests.append(b"")
        peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
        time.sleep(0.5)

    with hostile(script) as server:
        answer = client(server).request("POST", "/", body=b"x" * 30_000_000)
    assert (answer.error, answer.status, answer.body, answer.sent) == ("", 413, b"big", True)


def test_a_server_that_reads_nothing_is_a_send_timeout() -> None:
    """Some bytes have left, the rest can't: unknown, after the send's own deadline."""
    over = threading.Event()
    with hostile(lambda peer: over.wait(10) and None) as server:
        answer = client(server, HURRIED).request("POST", "/", body=b"x" * 30_000_000)
        over.set()
    assert (answer.error, answer.sent) == ("send_timeout", True)


def test_a_connection_that_the_server_has_ended_is_not_used_again() -> None:
    """An idle connection that was closed is replaced before anything is sent, so that no request is lost on it."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(plain(b"a"))

    with hostile(script) as server:
        one = client(server)
        for _ in range(5):
            answer = one.request("POST", "/", body=b"{}")
            assert (answer.error, answer.status, answer.reused) == ("", 200, False)
            time.sleep(0.05)
    assert (server.connections, len(server.requests)) == (5, 5)


def test_a_request_on_a_dying_connection_is_sent_once() -> None:
    """The server takes the second request and closes without a word: unknown, and nobody sends it again."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(plain(b"a"))
        peer.request()

    with hostile(script) as server:
        one = client(server)
        assert one.request("GET", "/").error == ""
        cut = one.request("GET", "/")
        assert (cut.error, cut.sent, cut.reused, cut.first_byte_ns) == ("closed_before_answer", True, True, None)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("promise", "idle_s", "reused"),
    [
        (b"", IDLE_S_MAX - 0.1, True),
        (b"", IDLE_S_MAX + 0.1, False),
        (b"Keep-Alive: timeout=2\r\n", 0.9, True),
        (b"Keep-Alive: timeout=2\r\n", 1.1, False),
        (b"Connection: keep-alive\r\nkeep-alive: max=7, Timeout = 60\r\n", 58.0, True),
        (b"Keep-Alive: timeout=0\r\n", 0.0, False),
        (b"Keep-Alive: soon\r\n", IDLE_S_MAX - 0.1, True),
    ],
)
def test_an_idle_connection_is_given_up_before_its_server_ends_it(promise: bytes, idle_s: float, reused: bool) -> None:
    """A server that ends an idle connection just as the next request arrives never gets one on it: nothing unknown."""
    clock_ns = [0]

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n" + promise + b"Content-Length: 1\r\n\r\na")
        if peer.request() and reused:
            peer.send(plain(b"b"))

    with hostile(script) as server:
        one = HttpClient("127.0.0.1", server.port, now_ns=lambda: clock_ns[0], deadlines=QUICK)
        assert one.request("POST", "/", body=b"{}").error == ""
        clock_ns[0] += round(idle_s * NS_PER_S)
        answer = one.request("POST", "/", body=b"{}")
        one.close()
    assert (answer.error, answer.status, answer.reused) == ("", 200, reused)
    assert (server.connections, len(server.requests)) == (1 if reused else 2, 2)


def test_what_nobody_asked_for_ends_the_connection() -> None:
    """Two answers to one request: the first counts, the second is never taken for the next request's."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(plain(b"mine") + plain(b"surplus"))
        peer.request()

    with hostile(script) as server:
        one = client(server)
        assert one.request("GET", "/").body == b"mine"
        server.script = lambda peer: (peer.request(), peer.send(plain(b"next")))[1]
        second = one.request("GET", "/")
        assert (second.body, second.reused) == (b"next", False)


def test_cookies_are_the_tenants() -> None:
    """A jar gets what answers set and sends it; another tenant's jar on the same connection knows nothing of it."""
    answers = [
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/; HttpOnly\r\nset-cookie: b=x=y\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=; Max-Age=0\r\nSet-Cookie: nonsense\r\nContent-Length: 0\r\n\r\n",
        plain(b""),
        plain(b""),
    ]

    def script(peer: Peer) -> None:
        for answer in answers:
            peer.request()
            peer.send(answer)

    jar: dict[str, str] = {}
    with hostile(script) as server:
        one = client(server)
        for _ in range(3):
            one.exchange("GET", "/", "", None, jar)
        one.exchange("GET", "/", "", None, {})
        one.close()
    sent = [[line for line in head.split(b"\r\n") if line.startswith(b"Cookie")] for head in server.requests]
    assert sent == [[], [b"Cookie: a=1; b=x=y"], [b"Cookie: b=x=y"], []]


def test_over_tls(tmp_path: Path) -> None:
    """The same client over TLS, keep-alive included; an unknown certificate is refused before anything is sent."""
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "1",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"], capture_output=True,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("openssl is not installed")
    trusted = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusted.load_verify_locations(certificate)
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(certificate, key)

    def script(peer: Peer) -> None:
        peer.socket = ours.wrap_socket(peer.socket, server_side=True)
        while peer.request():
            peer.send(*split(plain(b"secret" * 5000), [100, 20_000]))

    with hostile(script) as server:
        trusting = client(server, tls=trusted)
        first, second = trusting.request("GET", "/"), trusting.request("POST", "/", body=b"{}")
        trusting.close()
        assert (first.error, first.body, second.reused) == ("", b"secret" * 5000, True)
        refusing = client(server, tls=gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)).request("GET", "/")
        assert refusing.error.startswith("tls: ")
        assert not refusing.sent
    assert len(server.requests) == 2
