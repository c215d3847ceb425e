"""The HTTP contract, row by row, on the built-in proxy and the original alike."""

from __future__ import annotations

import json
import re
import socket
from typing import Any

import pytest

from tests.proxy.servers import Control, ProxyProcess, Upstream, answers, refused, split

UPSTREAM = "127.0.0.1:9"


def test_version_is_told(control: Control) -> None:
    """Clients compare it as a semantic version; builds of the original from source say `git`."""
    version = control.ask("GET", "/version", status=200)["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+|git", version)


def test_no_proxies_is_an_empty_object(control: Control) -> None:
    """The list of proxies is an object by name."""
    assert control.ask("GET", "/proxies", status=200) == {}


def test_a_proxy_is_created_with_its_shape(control: Control) -> None:
    """Enabled by default, port 0 becomes the bound port, and the shape has all fields."""
    shape = control.ask("POST", "/proxies", {"name": "p", "listen": "127.0.0.1:0", "upstream": UPSTREAM}, 201)
    assert {"name": "p", "upstream": UPSTREAM, "enabled": True, "toxics": []}.items() <= shape.items()
    assert split(shape["listen"])[1] > 0
    assert answers(split(shape["listen"]))
    assert control.ask("GET", "/proxies/p", status=200)["listen"] == shape["listen"]
    assert set(control.ask("GET", "/proxies", status=200)) == {"p"}


def test_a_disabled_proxy_does_not_listen(control: Control) -> None:
    """`enabled` false creates it without a listener; enabling binds, and the port then sticks."""
    shape = control.ask("POST", "/proxies", {"name": "p", "upstream": UPSTREAM, "enabled": False, "listen": ""}, 201)
    assert not shape["enabled"]
    listen = control.ask("POST", "/proxies/p", {"enabled": True, "listen": "127.0.0.1:0"}, 200)["listen"]
    assert answers(split(listen))
    assert control.ask("PATCH", "/proxies/p", {"enabled": False}, 200)["listen"] == listen
    assert refused(split(listen))
    assert control.ask("PATCH", "/proxies/p", {"enabled": True}, 200)["listen"] == listen
    assert answers(split(listen))


def test_a_disabled_proxy_tells_its_address_as_it_was_given(control: Control) -> None:
    """A name is looked up when it is listened on."""
    body = {"name": "p", "upstream": UPSTREAM, "listen": "localhost:0", "enabled": False}
    assert control.ask("POST", "/proxies", body, 201)["listen"] == "localhost:0"
    assert control.ask("GET", "/proxies/p")["listen"] == "localhost:0"
    listen = control.ask("POST", "/proxies/p", {"enabled": True}, 200)["listen"]
    assert answers(split(listen))


def test_an_empty_listen_binds_loopback(control: Control) -> None:
    """Nobody else on the network can reach a proxy unless that was asked for."""
    shape = control.ask("POST", "/proxies", {"name": "p", "upstream": UPSTREAM}, 201)
    assert split(shape["listen"])[0] == "127.0.0.1"


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"upstream": UPSTREAM}, 400, "missing required field: name"),
        ({"name": "p"}, 400, "missing required field: upstream"),
        ({"name": 1, "upstream": UPSTREAM}, 400, "bad request body: "),
        ([], 400, "bad request body: "),
    ],
)
def test_a_bad_proxy_is_refused(control: Control, body: Any, status: int, text: str) -> None:
    """The status and the message say what is wrong, and nothing is created."""
    error = control.ask("POST", "/proxies", body, status)
    assert error["status"] == status
    assert error["error"].startswith(text)
    assert control.ask("GET", "/proxies") == {}


def test_an_error_has_its_shape(control: Control) -> None:
    """An object with `error` and `status` and a newline, sent as plain text."""
    answer = control.http.get("/proxies/none")
    assert answer.status_code == 404
    assert answer.text == '{"error":"proxy not found","status":404}\n'
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_a_name_is_taken_once(control: Control) -> None:
    """Creating a second proxy of the same name is a conflict."""
    control.create(UPSTREAM)
    assert control.ask("POST", "/proxies", {"name": "p", "upstream": UPSTREAM}, 409)["error"] == "proxy already exists"


def test_an_address_in_use_stores_nothing(control: Control) -> None:
    """The system's words are passed on, and no proxy is left."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        error = control.ask("POST", "/proxies", {"name": "p", "upstream": UPSTREAM, "listen": listen}, 500)
    assert error["error"] == f"listen tcp {listen}: bind: address already in use"
    assert control.ask("GET", "/proxies") == {}


def test_keys_are_read_as_go_reads_them(control: Control) -> None:
    """Any case, unknown ones ignored, null leaves the default, and the content type does not matter."""
    given = {"NAME": "p", "Upstream": UPSTREAM, "listen": "127.0.0.1:0", "enabled": None, "other": [1]}
    raw = json.dumps(given) + " trailing"
    answer = control.http.post("/proxies", content=raw, headers={"content-type": "text/html"})
    assert answer.status_code == 201
    assert answer.json()["enabled"]


@pytest.mark.parametrize("raw", ["", "{", '{"name": "p"', "nope"])
def test_a_body_that_is_no_json_is_refused(control: Control, raw: str) -> None:
    """It is the caller's mistake, told as such."""
    answer = control.http.post("/proxies", content=raw)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("bad request body: ")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/nothing", 404),
        ("GET", "/proxies/", 404),
        ("GET", "/proxies/p/", 404),
        ("GET", "/proxies/p/other", 404),
        ("DELETE", "/proxies", 405),
        ("PUT", "/proxies/p", 405),
        ("GET", "/reset", 405),
        ("GET", "/populate", 405),
        ("POST", "/version", 405),
    ],
)
def test_unknown_paths_and_methods(control: Control, method: str, path: str, status: int) -> None:
    """404 as plain text, 405 with nothing in it."""
    answer = control.http.request(method, path)
    assert answer.status_code == status
    if status == 404:
        assert answer.headers["content-type"].startswith("text/plain")
    else:
        assert answer.content == b""


def test_browsers_are_turned_away(control: Control) -> None:
    """A page on the web must not drive the proxy."""
    answer = control.http.get("/version", headers={"user-agent": "Mozilla/5.0 (X11)"})
    assert (answer.status_code, answer.text.strip()) == (403, "User agent not allowed")
    assert answer.headers["content-type"].startswith("text/plain")


def test_an_update_keeps_what_it_leaves_out(control: Control, echoing: Upstream) -> None:
    """Omitted fields stay, the name can't be changed, and POST and PATCH mean the same."""
    listen = control.create(UPSTREAM)
    shape = control.ask("POST", "/proxies/p", {"name": "q", "upstream": echoing.address}, 200)
    assert (shape["name"], shape["upstream"], split(shape["listen"])) == ("p", echoing.address, listen)
    assert control.ask("PATCH", "/proxies/p", {}, 200) == shape


def test_a_failing_move_changes_nothing(control: Control) -> None:
    """An address that can't be had leaves the proxy where it was, listening."""
    listen = control.create(UPSTREAM)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        control.ask("POST", "/proxies/p", {"listen": f"127.0.0.1:{taken.getsockname()[1]}"}, 500)
    shape = control.ask("GET", "/proxies/p", status=200)
    assert shape["enabled"] and split(shape["listen"]) == listen
    assert answers(listen)


def test_a_proxy_moves(control: Control) -> None:
    """A new address is listened on, the old one is given up."""
    old = control.create(UPSTREAM)
    new = split(control.ask("POST", "/proxies/p", {"listen": "127.0.0.1:0"}, 200)["listen"])
    assert new != old
    assert answers(new) and refused(old)


def test_a_deleted_proxy_is_gone(control: Control) -> None:
    """204 with nothing in it; the address is free again."""
    listen = control.create(UPSTREAM)
    answer = control.http.delete("/proxies/p")
    assert (answer.status_code, answer.content) == (204, b"")
    assert refused(listen)
    assert control.ask("DELETE", "/proxies/p", status=404)["error"] == "proxy not found"


def test_populate_creates_in_order(control: Control) -> None:
    """All of the list, in its order; one that is there and equal is left alone with its toxics, another replaced."""
    listen = control.create(UPSTREAM, "same")
    control.create(UPSTREAM, "other")
    for name in ("same", "other"):
        control.toxic("latency", name)
    wanted = [
        {"name": "other", "upstream": "127.0.0.1:10", "listen": "127.0.0.1:0"},
        {"name": "same", "upstream": UPSTREAM, "listen": f"{listen[0]}:{listen[1]}"},
        {"name": "new", "upstream": UPSTREAM, "listen": "127.0.0.1:0", "enabled": False},
    ]
    proxies = control.ask("POST", "/populate", wanted, 201)["proxies"]
    assert [proxy["name"] for proxy in proxies] == ["other", "same", "new"]
    assert [len(proxy["toxics"]) for proxy in proxies] == [0, 1, 0]
    assert [proxy["enabled"] for proxy in proxies] == [True, True, False]


def test_populate_of_nothing_is_an_empty_list(control: Control) -> None:
    """A list stays a list."""
    assert control.ask("POST", "/populate", [], 201) == {"proxies": []}


def test_populate_is_checked_as_a_whole(control: Control) -> None:
    """A mistake anywhere creates nothing; the position counts from 1, and the error is JSON."""
    wanted = [{"name": "a", "upstream": UPSTREAM, "listen": "127.0.0.1:0"}, {"name": "b"}]
    answer = control.http.post("/populate", json=wanted)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["error"] == "missing required field: upstream at proxy 2"
    assert control.ask("GET", "/proxies") == {}


def test_populate_stops_at_a_failure_and_tells_what_is_there(control: Control) -> None:
    """Those before it are created and told of."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        wanted = [
            {"name": "a", "upstream": UPSTREAM, "listen": "127.0.0.1:0"},
            {"name": "b", "upstream": UPSTREAM, "listen": address},
            {"name": "c", "upstream": UPSTREAM, "listen": "127.0.0.1:0"},
        ]
        answer = control.ask("POST", "/populate", wanted, 500)
    assert [proxy["name"] for proxy in answer["proxies"]] == ["a"]
    assert set(control.ask("GET", "/proxies")) == {"a"}


def test_populate_stops_at_an_impossible_address(control: Control) -> None:
    """Like at any other failure: what comes before it is there."""
    wanted = [
        {"name": "a", "upstream": UPSTREAM, "listen": "127.0.0.1:0"},
        {"name": "b", "upstream": UPSTREAM, "listen": "127.0.0.1:many"},
    ]
    assert [proxy["name"] for proxy in control.ask("POST", "/populate", wanted, 500)["proxies"]] == ["a"]


def test_every_answer_has_a_number(control: Control) -> None:
    """Clients quote it when they tell of trouble."""
    first, second = (control.http.get("/version").headers["x-toxiproxy-request-id"] for _ in range(2))
    assert first != second


def test_reset_enables_and_cleans(control: Control) -> None:
    """Every proxy listens again, and no toxic is left."""
    listen = control.create(UPSTREAM)
    control.toxic("latency")
    control.ask("POST", "/proxies/p", {"enabled": False}, 200)
    answer = control.http.post("/reset")
    assert (answer.status_code, answer.content) == (204, b"")
    assert answers(listen)
    assert control.ask("GET", "/proxies/p/toxics") == []


def test_reset_goes_on_after_a_failure(server: ProxyProcess, control: Control) -> None:
    """One proxy that can't be enabled does not keep the others disabled or toxic."""
    addresses = {name: control.create(UPSTREAM, name) for name in ("a", "b", "c", "d")}
    for name in addresses:
        control.toxic("latency", name)
        control.ask("POST", f"/proxies/{name}", {"enabled": False}, 200)
    with socket.create_server(addresses["a"]):
        assert control.http.post("/reset").status_code == 500
        states = control.ask("GET", "/proxies")
    assert [state["enabled"] for state in states.values()] == [False, True, True, True]
    assert all(not state["toxics"] for state in states.values())


def test_metrics_are_told(control: Control, echoing: Upstream) -> None:
    """In Prometheus' text format."""
    answer = control.http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")


def test_toxics_have_their_shape(control: Control) -> None:
    """The default is downstream, toxicity 1, named after type and stream, attributes zero; upstream ones come first."""
    control.create(UPSTREAM)
    assert control.ask("GET", "/proxies/p/toxics", status=200) == []
    plain = control.ask("POST", "/proxies/p/toxics", {"type": "latency"}, 200)
    assert plain == {
        "attributes": {"latency": 0, "jitter": 0},
        "name": "latency_downstream",
        "type": "latency",
        "stream": "downstream",
        "toxicity": 1,
    }
    full = {"type": "bandwidth", "name": "slow", "stream": "upstream", "toxicity": 0.5, "attributes": {"rate": 7}}
    assert control.ask("POST", "/proxies/p/toxics", full, 200) == full
    noop = control.ask("POST", "/proxies/p/toxics", {"type": "noop"}, 200)
    assert noop["attributes"] == {}
    assert control.ask("GET", "/proxies/p/toxics") == [full, plain, noop]
    assert control.ask("GET", "/proxies/p")["toxics"] == [full, plain, noop]
    assert control.ask("GET", "/proxies/p/toxics/slow", status=200) == full


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "invalid toxic type"),
        ({"type": "none"}, "invalid toxic type"),
        ({"type": "latency", "stream": "sideways"}, "stream was invalid, can be either upstream or downstream"),
        ({"type": "latency", "attributes": {"latency": "fast"}}, "bad request body: "),
        ({"type": "latency", "attributes": {"latency": 1.5}}, "bad request body: "),
        ({"type": "latency", "toxicity": "often"}, "bad request body: "),
    ],
)
def test_a_bad_toxic_is_refused(control: Control, body: dict[str, Any], text: str) -> None:
    """The message says what is wrong, and nothing is added."""
    control.create(UPSTREAM)
    assert control.ask("POST", "/proxies/p/toxics", body, 400)["error"].startswith(text)
    assert control.ask("GET", "/proxies/p/toxics") == []


def test_a_toxic_name_is_unique_across_streams(control: Control) -> None:
    """Calls name a toxic without its stream."""
    control.create(UPSTREAM)
    body = {"type": "latency", "name": "t"}
    control.ask("POST", "/proxies/p/toxics", body, 200)
    error = control.ask("POST", "/proxies/p/toxics", {**body, "stream": "upstream"}, 409)
    assert error["error"] == "toxic already exists"


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_an_update_merges_attributes(control: Control, method: str) -> None:
    """Fields that are left out stay; type, stream and name can't change."""
    control.create(UPSTREAM)
    control.toxic("latency", latency=100, jitter=5)
    body = {"name": "x", "type": "noop", "stream": "upstream", "attributes": {"jitter": 7}}
    changed = control.ask(method, "/proxies/p/toxics/latency_downstream", body, 200)
    assert changed["attributes"] == {"latency": 100, "jitter": 7}
    assert (changed["name"], changed["type"], changed["stream"]) == ("latency_downstream", "latency", "downstream")
    changed = control.ask(method, "/proxies/p/toxics/latency_downstream", {"toxicity": 0.25}, 200)
    assert (changed["toxicity"], changed["attributes"]) == (0.25, {"latency": 100, "jitter": 7})


def test_a_failing_update_changes_nothing(control: Control) -> None:
    """All of an update, or none of it."""
    control.create(UPSTREAM)
    before = control.toxic("latency", latency=100, jitter=5)
    bad = {"attributes": {"latency": 200, "jitter": "much"}}
    control.ask("POST", "/proxies/p/toxics/latency_downstream", bad, 400)
    assert control.ask("GET", "/proxies/p/toxics/latency_downstream") == before


def test_a_removed_toxic_is_gone(control: Control) -> None:
    """204 once, 404 after."""
    control.create(UPSTREAM)
    control.toxic("latency")
    answer = control.http.delete("/proxies/p/toxics/latency_downstream")
    assert (answer.status_code, answer.content) == (204, b"")
    for method in ("GET", "DELETE", "POST"):
        error = control.ask(method, "/proxies/p/toxics/latency_downstream", {} if method == "POST" else None, 404)
        assert error["error"] == "toxic not found"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/proxies/none"),
        ("POST", "/proxies/none"),
        ("GET", "/proxies/none/toxics"),
        ("POST", "/proxies/none/toxics"),
        ("GET", "/proxies/none/toxics/t"),
        ("DELETE", "/proxies/none/toxics/t"),
    ],
)
def test_an_unknown_proxy_is_told(control: Control, method: str, path: str) -> None:
    """Whatever is asked of it."""
    body = {"type": "latency"} if method == "POST" else None
    assert control.ask(method, path, body, 404)["error"] == "proxy not found"


def test_names_may_need_escaping(control: Control) -> None:
    """A name with a space is found under its escaped path."""
    control.create(UPSTREAM, "a b")
    assert control.ask("GET", "/proxies/a%20b", status=200)["name"] == "a b"
    control.ask("DELETE", "/proxies/a%20b", status=204)
