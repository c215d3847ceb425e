"""What all tests share: none asserts on time, so none that draws examples does either; temporary files in memory."""

import os

from hypothesis import settings

from harness.live.stack.scratch import scratch_parent

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

TENANTS = 300  # more than all tests keep at the same time

# Most of the tests' time would be spent on what Postgres writes.
os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(scratch_parent(TENANTS)))
