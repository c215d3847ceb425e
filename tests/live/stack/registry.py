"""The least of an image registry: serves one image of one layer, as slowly as a test wants it."""

from __future__ import annotations

import hashlib
import io
import json
import random
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar"
CHUNK_BYTES = 256 * 1024


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Image:
    """One that never was before, so that no engine has its layer."""

    def __init__(self, *, size_bytes: int) -> None:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            member = tarfile.TarInfo("content")
            member.size = size_bytes
            tar.addfile(member, io.BytesIO(random.randbytes(size_bytes)))
        self.layer = packed.getvalue()
        rootfs = {"type": "layers", "diff_ids": [digest(self.layer)]}
        self.config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs}).encode()
        self.manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": CONFIG, "size": len(self.config), "digest": digest(self.config)},
                "layers": [{"mediaType": LAYER, "size": len(self.layer), "digest": digest(self.layer)}],
            }
        ).encode()

    def content(self, path: str) -> tuple[str, bytes] | None:
        """What a path asks for: its media type and bytes."""
        if path == "/v2/":
            return "application/json", b"{}"
        if "/manifests/" in path:
            return MANIFEST, self.manifest
        blobs = {digest(self.config): (CONFIG, self.config), digest(self.layer): (LAYER, self.layer)}
        return blobs.get(path.rpartition("/")[2])


@contextmanager
def registry(image: Image, *, pause_s: float = 0.0) -> Iterator[str]:
    """Its address. `pause_s` comes before every chunk of the layer."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found = image.content(self.path)
            kind, body = found or ("text/plain", b"")
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Docker-Content-Digest", digest(body))
            self.end_headers()
            if self.command == "GET":
                self.send_slowly(body)

        do_HEAD = do_GET

        def send_slowly(self, body: bytes) -> None:
            for begin in range(0, len(body), CHUNK_BYTES):
                if body is image.layer and over.wait(pause_s):
                    return
                self.wfile.write(body[begin : begin + CHUNK_BYTES])

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        serving.join()
