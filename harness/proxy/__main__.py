"""`python -m harness.proxy`: the fault proxy."""

import sys

from harness.proxy.cli import main

sys.exit(main(sys.argv[1:]))
