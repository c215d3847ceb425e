"""The product in containers: the verdicts of the embedded stack, and on every way out an engine as it was before."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.clock import wait_until
from harness.live.stack.engine import RUN_LABEL, connect
from harness.live.stack.images import load
from tests.e2e.engine import engine_lists, labelled
from tests.e2e.making import see_docker
from tests.e2e.product import Product

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

NOWHERE = "127.0.0.1:1/nothing-listens-here:1"
HEALTHY = """
name = "contained"
proves = "a healthy run passes while Redis is killed and comes back"
[load]
registrations = 6
users = 2
flow = ["register", "login", "create_branch", "list_branches"]
[[faults]]
fault = "redis.kill"
at_registration = 2
until_load_ends = true
[observe]
settle_s = 0.3
"""
LEAKING = """
name = "leaking"
proves = "clients that are evicted and stay open are found"
[load]
registrations = 6
users = 1
flow = ["register", "login"]
[settings]
cache_limit = 2
[observe]
settle_s = 0.3
[gates]
leaks = "<= 0"
"""
LONG = """
name = "long"
proves = "a run that is still going when something happens to it"
[load]
registrations = 400
model = "open"
rate_per_s = 4
[[faults]]
fault = "redis.kill"
at_registration = 1
until_load_ends = true
"""
CRASH = """
name = "crash"
proves = "a backend killed amid registrations leaves no half tenant that nobody knows of"
[load]
registrations = 12
users = 4
[[faults]]
fault = "backend.kill"
at_registration = 4
for_s = 0.5
[observe]
settle_s = 0.3
[gates]
lost = "<= 0"
registrations_unaccounted = "<= 0"
"""


@pytest.fixture(scope="module", autouse=True)
def images() -> None:
    """Everything pulled and built before lists are compared: an image that is kept for the next run is no leftover."""
    see_docker()
    from harness.live.stack.backend_image import backend_image
    from harness.live.stack.model import BackendCommand

    client = connect()
    dockerfile = Path(__file__).parents[2] / "fixtures/backend/Dockerfile"
    backend_image(client, BackendCommand(argv=(), dockerfile=str(dockerfile)), load(), lambda _: None)
    client.close()


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    """Whatever the test does with it, the engine has afterwards what it had before."""
    before = engine_lists()
    made = Product(tmp_path)
    yield made
    after = engine_lists()
    for line in made.processes():  # of a test that failed
        os.kill(int(line.split()[0]), signal.SIGKILL)
    made.call("clean")
    assert after == before


@pytest.fixture
def scenario(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "scenario.toml"
    path.write_text(request.param)
    return path


def run(product: Product, scenario: Path, *arguments: str, stack: str = "docker", **env: str) -> tuple[int, str]:
    return product.ended(product.start("run", str(scenario), *where(product, stack), *arguments, **env))


def label(product: Product) -> str:
    """The label of the one run whose ledger is there."""
    return f"{RUN_LABEL}={next((product.folder / 'state').glob('*.jsonl')).stem}"


def where(product: Product, stack: str = "docker") -> tuple[str, ...]:
    return ("--stack", stack, "--out", str(product.runs))


@pytest.mark.parametrize("scenario", [HEALTHY], indirect=True)
def test_a_healthy_run_passes_with_the_real_toxiproxy_in_the_path(product: Product, scenario: Path) -> None:
    """The same scenario file; the record names the engine, every image, and the version that Toxiproxy told."""
    code, output = run(product, scenario)
    assert code == 0, output
    end = product.json("end.json")
    assert (end["stack"], end["stack_why"]) == ("docker", "asked for")
    assert end["versions"]["proxy"].startswith("toxiproxy 2.")
    assert {"docker", "postgres", "redis", "proxy", "backend"} <= set(end["versions"])
    wire = product.rows("proxy")
    assert {row["proxy"] for row in wire if row["kind"] == "opened"} == {
        "client-backend",
        "backend-postgres",
        "backend-redis",
    }
    assert sum(row["kind"] == "opened" for row in wire) == sum(row["kind"] == "closed" for row in wire)
    assert product.left_behind() == []


@pytest.mark.parametrize("scenario", [LEAKING], indirect=True)
@pytest.mark.parametrize("stack", ["embedded", "docker"])
def test_a_leaking_backend_fails_alike_on_both_stacks(product: Product, scenario: Path, stack: str) -> None:
    """A variable of the harness's own environment that the target file names reaches the contained backend too."""
    code, output = run(product, scenario, stack=stack, BACKEND_DEFECTS="evicted_client_never_disconnected")
    assert code == 1, output
    leaks = [item["value"] for item in product.json("verdict.json")["findings"] if item["name"] == "leaks"]
    assert leaks[0] >= 4


@pytest.mark.parametrize("scenario", [CRASH], indirect=True)
@pytest.mark.parametrize("stack", ["embedded", "docker"])
def test_a_backend_killed_amid_registrations_loses_nothing(product: Product, scenario: Path, stack: str) -> None:
    """SIGKILL while tenants are being made: it comes back on its address, and every registration is accounted for."""
    code, output = run(product, scenario, stack=stack)
    assert code == 0, output
    states = {row["state"] for row in product.rows("conductor") if row.get("name") == "backend.kill"}
    assert {"injected", "seen", "healed", "seen_healed"} <= states
    assert product.left_behind() == []


@pytest.mark.parametrize("scenario", [LONG], indirect=True)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_an_interrupted_load_leaves_nothing(product: Product, scenario: Path, number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM amid load and a fault."""
    process = product.start("run", str(scenario), *where(product))
    await product.until_registered(2)
    process.send_signal(number)
    code, output = product.ended(process)
    assert code == 130, output
    assert product.json("end.json")["reason"] == "interrupted"
    assert product.left_behind() == []


@pytest.mark.parametrize("scenario", [LONG], indirect=True)
async def test_an_interrupted_start_leaves_nothing(product: Product, scenario: Path) -> None:
    """Ctrl-C while the first containers are there and others are not."""
    process = product.start("run", str(scenario), *where(product))
    client = connect()
    await wait_until(lambda: labelled(client, label(product)) > 0, what="the first container", timeout_s=60)
    client.close()
    process.send_signal(signal.SIGINT)
    code, output = product.ended(process)
    assert code == 130, output
    assert product.left_behind() == []


@pytest.mark.parametrize("scenario", [LONG], indirect=True)
async def test_after_kill_9_clean_removes_ours_and_only_ours(product: Product, scenario: Path) -> None:
    """Somebody else's container, volume and network stay, though they are of the same image."""
    client = connect()
    others = client.containers.create(load().redis, labels={"somebody": "else"})
    network = client.networks.create("somebody-else")
    try:
        process = product.start("run", str(scenario), *where(product))
        await product.until_registered(2)
        process.kill()
        process.communicate()
        killed = label(product)
        assert labelled(client, killed) == 4, "nothing outlived the harness: the test shows nothing"
        code, output = product.call("clean")
        assert code == 0, output
        assert labelled(client, killed) == 0
        assert product.left_behind() == []
        others.reload()
        network.reload()
    finally:
        others.remove(force=True, v=True)
        network.remove()
        client.close()


@pytest.mark.parametrize("scenario", [HEALTHY], indirect=True)
def test_auto_takes_docker_and_says_why(product: Product, scenario: Path) -> None:
    """Where an engine answers and has the images."""
    code, output = run(product, scenario, stack="auto")
    assert code == 0, output
    end = product.json("end.json")
    assert (end["stack"], end["stack_why"]) == ("docker", "auto: a Docker engine answers and has the images")


@pytest.mark.parametrize("scenario", [HEALTHY], indirect=True)
def test_auto_falls_back_loudly(product: Product, scenario: Path) -> None:
    """An image that can't be had is no reason not to run, but one to say so: at once, in the record and the report."""
    code, output = run(product, scenario, stack="auto", HARNESS_IMAGE_REDIS=NOWHERE)
    assert code == 0, output
    end = product.json("end.json")
    assert end["stack"] == "embedded"
    for told in (output, end["stack_why"]):
        assert "fell back to embedded" in told
        assert NOWHERE in told
    assert "fell back to embedded" in (product.latest / "report.html").read_text()


@pytest.mark.parametrize("scenario", [HEALTHY], indirect=True)
def test_an_image_that_cannot_be_had_is_exit_4(product: Product, scenario: Path) -> None:
    """Asked for by name, Docker is not replaced by something else: the message names the image and the remedy."""
    code, output = run(product, scenario, HARNESS_IMAGE_REDIS=NOWHERE)
    assert code == 4, output
    assert all(text in output for text in (NOWHERE, "docker pull", "HARNESS_IMAGE_REDIS", "--stack embedded"))
    assert product.left_behind() == []


@pytest.fixture(scope="module")
def reaper() -> str:
    """A reaper that can be had without a registry."""
    client = connect()
    folder = Path(__file__).parent / "reaper"
    built, _ = client.images.build(
        path=str(folder), tag="tenant-harness-test/reaper:1", buildargs={"PYTHON_IMAGE": load().python}, forcerm=True
    )
    client.close()
    return built.tags[0]


@pytest.mark.parametrize("scenario", [HEALTHY], indirect=True)
def test_with_ryuk_nothing_stays_either(reaper: str, product: Product, scenario: Path) -> None:
    """The reaper, where it is asked for, goes with the run."""
    code, output = run(product, scenario, HARNESS_IMAGE_RYUK=reaper)
    assert code == 0, output
    assert product.left_behind() == []


@pytest.mark.parametrize("scenario", [LONG], indirect=True)
@pytest.mark.parametrize("who", ["clean", "ryuk"])
async def test_after_kill_9_ryuk_and_clean_get_along(reaper: str, product: Product, scenario: Path, who: str) -> None:
    """Whoever comes first, everything is gone, and cleaning is no error."""
    process = product.start("run", str(scenario), *where(product), HARNESS_IMAGE_RYUK=reaper)
    await product.until_registered(1)
    process.kill()
    process.communicate()
    client, killed = connect(), label(product)
    if who == "ryuk":
        await wait_until(lambda: labelled(client, killed) == 0, what="the reaper's work", timeout_s=60)
    code, output = product.call("clean")
    assert code == 0, output
    assert labelled(client, killed) == 0
    assert product.left_behind() == []
    reapers = {"name": "testcontainers-ryuk"}
    await wait_until(
        lambda: not client.containers.list(all=True, filters=reapers, ignore_removed=True),
        what="the reaper's own end",
        timeout_s=60,
    )
    client.close()
