"""Every way out of a run: what the exit code says, that the folder can be judged, and that nothing stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.product import Product

pytestmark = pytest.mark.e2e

SHORT = """
name = "short"
proves = "a short healthy run passes"
[load]
registrations = 4
users = 2
flow = ["register", "login", "create_branch", "list_branches"]
[observe]
settle_s = 0.3
"""
LONG = """
name = "long"
proves = "a run that is still going when something happens to it"
[load]
registrations = 400
model = "open"
rate_per_s = 8
[[faults]]
fault = "redis.kill"
at_registration = 1
until_load_ends = true
[observe]
settle_s = 0.3
"""


@pytest.fixture
def product(tmp_path: Path) -> Product:
    return Product(tmp_path)


@pytest.fixture
def short(tmp_path: Path) -> Path:
    return _written(tmp_path / "short.toml", SHORT)


@pytest.fixture
def long(tmp_path: Path) -> Path:
    return _written(tmp_path / "long.toml", LONG)


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_success_is_exit_0_with_a_report_and_nothing_behind(product: Product, short: Path) -> None:
    """A healthy backend passes; the folder holds verdict and report; no process, folder or ledger stays."""
    code, output = product.run(short)
    assert code == 0, output
    assert product.json("verdict.json")["ruling"] == "pass"
    assert (product.latest / "report.html").stat().st_size > 0
    assert product.json("end.json")["reason"] == "completed"
    assert product.left_behind() == []


def test_a_failed_gate_is_exit_1(product: Product, tmp_path: Path) -> None:
    """A gate that does not hold is a failure, and says by how much."""
    scenario = _written(tmp_path / "strict.toml", SHORT + '[gates]\nregistrations_ok = ">= 5"\n')
    code, output = product.run(scenario)
    assert code == 1, output
    assert product.json("verdict.json")["ruling"] == "fail"
    assert product.left_behind() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_an_interrupted_load_is_exit_130_and_can_be_judged(
    product: Product, long: Path, number: signal.Signals
) -> None:
    """Ctrl-C and SIGTERM amid load and a fault: healed, ended, recorded as interrupted, never a pass."""
    process = product.start_run(long)
    await product.until_registered(3)
    process.send_signal(number)
    code, output = product.ended(process)
    assert code == 130, output
    assert product.json("end.json")["reason"] == "interrupted"
    assert product.json("verdict.json")["ruling"] != "pass"
    assert any(row.get("state") == "healed" for row in product.rows("conductor"))
    assert product.left_behind() == []
    judged, output = product.call("judge", str(product.latest))
    assert judged in (1, 3), output


@pytest.mark.parametrize("phase", ["setup", "settle", "final_read"])
async def test_an_interruption_in_any_phase_leaves_nothing(product: Product, short: Path, phase: str) -> None:
    """Ctrl-C while services start, while it settles, while it reads."""
    process = product.start_run(short, "--setting", "observe.settle_s=2")
    await product.until_phase(phase)
    process.send_signal(signal.SIGINT)
    code, output = product.ended(process)
    assert code == 130, output
    assert product.left_behind() == []


async def test_ctrl_c_pressed_again_and_again_still_ends_in_order(product: Product, long: Path) -> None:
    """An impatient person does not keep the faults from being healed nor the services from being ended."""
    process = product.start_run(long)
    await product.until_registered(2)
    for _ in range(5):
        process.send_signal(signal.SIGINT)
    code, output = product.ended(process)
    assert code == 130, output
    assert product.left_behind() == []


async def test_a_backend_that_crashes_fails_the_run(product: Product, long: Path) -> None:
    """The backend killed from outside, with no fault on it, is a crash: exit 1, and named."""
    process = product.start_run(long, "--registrations", "40")
    await product.until_registered(3)
    _kill(product, "tenant_backend")
    code, output = product.ended(process)
    assert code == 1, output
    crashes = next(item for item in product.json("verdict.json")["findings"] if item["name"] == "crashes")
    assert crashes["value"] == 1
    assert product.left_behind() == []


async def test_a_load_worker_that_is_killed_makes_the_run_unknown(product: Product, long: Path) -> None:
    """Without the worker's last word nobody knows what was sent: never a pass."""
    process = product.start_run(long, "--registrations", "40")
    await product.until_registered(3)
    _kill(product, "harness.live.load.worker")
    code, output = product.ended(process)
    assert code == 3, output
    assert product.left_behind() == []


async def test_after_kill_9_clean_ends_what_is_left(product: Product, long: Path) -> None:
    """Killed without a chance, its services live on; `harness clean` ends them, and the folder can be judged."""
    process = product.start_run(long)
    await product.until_registered(3)
    process.kill()
    process.communicate()
    assert product.processes(), "nothing outlived the harness: the test shows nothing"
    code, output = product.call("clean")
    assert code == 0, output
    assert product.left_behind() == []
    judged, output = product.call("judge", str(product.latest))
    assert judged in (1, 3), output


async def test_after_kill_9_the_next_run_ends_what_is_left(product: Product, long: Path, short: Path) -> None:
    """A person who just runs again gets a clean run and a clean machine."""
    process = product.start_run(long)
    await product.until_registered(1)
    process.kill()
    process.communicate()
    code, output = product.run(short)
    assert code == 0, output
    assert "left by a killed run" in output
    assert product.left_behind() == []


def test_bad_files_are_exit_2_and_start_nothing(product: Product, tmp_path: Path) -> None:
    """Every mistake is told at once, with file, line, key and remedy; there is not even a run folder."""
    bad = _written(
        tmp_path / "bad.toml", SHORT + 'usres = 3\n[gates]\nleaks = "none"\n[[faults]]\nfault = "redis.kil"\n'
    )
    code, output = product.run(bad)
    assert code == 2
    assert all(text in output for text in ("bad.toml", "line ", "usres", "gates.leaks", "needs one beginning"))
    assert "did you mean 'redis.kill'" in output
    assert not product.runs.exists()


def test_a_backend_that_cannot_start_is_exit_4(product: Product, short: Path, tmp_path: Path) -> None:
    """The environment's fault is not the backend's verdict: its last output is told, and nothing stays."""
    code, output = product.run(short, BACKEND_PROVISIONING="no-such-mode")
    assert code == 4, output
    assert product.json("end.json")["reason"] == "environment"
    assert product.left_behind() == []


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that fills up amid a run."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small file system can only be mounted by root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_exit_4_and_leaves_nothing(product: Product, short: Path, full_disk: Path) -> None:
    """A record that can't be written ends the run with one message, never with a pass, and nothing stays."""
    where = ("--stack", "embedded", "--out", str(full_disk / "runs"), "--registrations", "40")
    code, output = product.call("run", str(short), *where)
    assert code == 4, output
    assert "No space left" in output
    assert "Traceback" not in output
    assert product.left_behind() == []


def _kill(product: Product, module: str) -> None:
    """SIGKILL the one process of this place that runs the module."""
    found = [int(line.split()[0]) for line in product.processes() if module in line]
    found = [pid for pid in found if module in " ".join(psutil.Process(pid).cmdline())]
    os.kill(found[0], signal.SIGKILL)
