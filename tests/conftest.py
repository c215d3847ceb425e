"""What all tests share: none asserts on time, so none that draws examples does either; temporary files in memory."""

import os
from collections.abc import Generator

import pytest
from hypothesis import settings

from harness.live.stack.scratch import scratch_parent

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

TENANTS = 300  # more than all tests keep at the same time

# Most of the tests' time would be spent on what Postgres writes.
os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(scratch_parent(TENANTS)))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None, object, object]:
    """Tests that run in several processes stay together by what they share: one Docker engine, else their file."""
    for item in items:
        group = "docker" if item.get_closest_marker("docker") else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
    # A wrapper, since pytest-xdist reads the groups in the same hook, whoever comes first.
    return (yield)
