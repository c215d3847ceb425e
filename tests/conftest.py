"""What all tests share: none asserts on time, so none that draws examples does either; temporary files in memory."""

import os
from typing import Any

import pytest
from hypothesis import settings

from harness.live.stack.scratch import scratch_parent

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

TENANTS = 300  # more than all tests keep at the same time

# Most of the tests' time would be spent on what Postgres writes.
os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(scratch_parent(TENANTS)))


# Some compare what the one Docker engine has before and after, so they never run beside one another.
ON_THE_ENGINE = (
    "tests/e2e/test_docker_exits.py",
    "tests/e2e/test_stacks.py",
    "tests/live/chaos/test_faults.py",
    "tests/live/stack/test_images.py",
    "tests/live/test_doctor.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever writes a test on the engine is told to name its file."""
    unknown = {item.nodeid.split("::")[0] for item in items if item.get_closest_marker("docker")} - {*ON_THE_ENGINE}
    if unknown:
        raise pytest.UsageError(f"tests/conftest.py: ON_THE_ENGINE lacks {', '.join(sorted(unknown))}")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests that run in several processes stay together by what they share: the Docker engine, else their file."""
    from xdist.scheduler import LoadFileScheduling

    class ByWhatTheyShare(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = str(super()._split_scope(nodeid))
            return "the engine" if file in ON_THE_ENGINE else file

    return ByWhatTheyShare(config, log)
