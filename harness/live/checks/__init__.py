"""Checks after the load: what a tenant can see of another, which tokens are let in, what answers tell.

They ask the target and write rows. What is a breach is for the judge to say.
"""

from harness.live.checks.rounds import run_checks

__all__ = ["run_checks"]
