"""A program: runs its arguments as user 1000 inside a user namespace of its own. For where `unshare` is missing.

It stands alone, so that it starts quickly without the harness or any package on its path.
"""

import ctypes
import os
import sys
from pathlib import Path

INSIDE_ID = 1000
CLONE_NEWUSER = 0x10000000


def enter() -> None:
    """Move this process into the namespace. Raises `OSError`."""
    user, group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "unshare")
    # The kernel lets a group be mapped only once it knows that no group will be dropped by setgroups.
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{INSIDE_ID} {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{INSIDE_ID} {group} 1", encoding="ascii")


if __name__ == "__main__":
    enter()
    os.execvp(sys.argv[1], sys.argv[1:])
