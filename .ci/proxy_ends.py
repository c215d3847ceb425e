"""`harness proxy` ends when asked to, whether a client keeps its connection or not (on Python 3.12 it did not)."""

import http.client
import subprocess
import sys
import tempfile
import time
from pathlib import Path

with tempfile.TemporaryDirectory() as folder:
    port_file = Path(folder) / "port"
    proxy = subprocess.Popen([sys.executable, "-m", "harness.proxy", "--port", "0", "--port-file", str(port_file)])
    try:
        until = time.monotonic() + 30
        while not (port_file.exists() and port_file.read_text()):
            if proxy.poll() is not None or time.monotonic() > until:
                sys.exit("the proxy did not start")
            time.sleep(0.05)
        client = http.client.HTTPConnection(port_file.read_text(), timeout=10)
        client.request("GET", "/version")
        client.getresponse().read()
        proxy.terminate()
        if code := proxy.wait(10):
            sys.exit(f"the proxy ended with {code}")
    finally:
        proxy.kill()
