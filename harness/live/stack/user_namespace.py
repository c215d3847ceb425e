"""Runs a program as an ordinary user from a root account: Postgres refuses root.

A user namespace maps user 1000 inside to root outside, so that no system user is added and no folder's permissions
change; the files belong to root. util-linux's `unshare` does it; where it is missing, `enter_user_namespace` does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from harness.live.stack import enter_user_namespace
from harness.live.stack.enter_user_namespace import INSIDE_ID
from harness.live.stack.model import EnvironmentTrouble

REMEDY = (
    "run the harness as an ordinary user, allow user namespaces (sysctl user.max_user_namespaces=10000 and, on "
    "Ubuntu, kernel.apparmor_restrict_unprivileged_userns=0), or use --stack docker"
)


def as_ordinary_user() -> tuple[str, ...]:
    """What to put before a command that must not run as root: nothing where this user isn't root.

    Raises `EnvironmentTrouble` with the remedy where no user namespace can be made.
    """
    if os.geteuid() != 0:
        return ()
    return _working_prefix()


@cache
def _working_prefix() -> tuple[str, ...]:
    failures = []
    for prefix in _prefixes():
        trial = subprocess.run(
            [*prefix, "/bin/sh", "-c", "id -u"], capture_output=True, text=True, timeout=20, check=False
        )
        if trial.returncode == 0 and trial.stdout.strip() == str(INSIDE_ID):
            return prefix
        failures.append(f"{prefix[0]}: {trial.stderr.strip() or trial.stdout.strip() or trial.returncode}")
    raise EnvironmentTrouble(
        f"Postgres refuses root, and no user namespace can be made ({'; '.join(failures)}); {REMEDY}"
    )


def _prefixes() -> list[tuple[str, ...]]:
    own = (sys.executable, "-I", "-S", str(Path(enter_user_namespace.__file__).absolute()))
    if program := shutil.which("unshare"):
        return [(program, "--user", f"--map-user={INSIDE_ID}", f"--map-group={INSIDE_ID}"), own]
    return [own]
