"""What all tests share: how examples are drawn, and which tests may run beside each other."""

from __future__ import annotations

import pytest
from hypothesis import settings

# No test asserts on time, so none that draws its examples does either.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where tests run in several processes, those of a file stay together, since they share warm services; and all
    that use the Docker engine do, since they compare what is on it before and after."""
    for item in items:
        group = "docker" if item.get_closest_marker("docker") else item.path.as_posix()
        item.add_marker(pytest.mark.xdist_group(group))
