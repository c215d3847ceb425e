"""What a page carries once: the Vega runtime and its data, both compressed, so that one file needs no network."""

from __future__ import annotations

import base64
import gzip
import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

import vl_convert

from harness.record.folder import write_whole


def vega_runtime() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, packed. Bundling takes a second, so the result is kept for the
    user; it is remade where it can't be kept."""
    kept = _cache() / f"vega-{version('vl-convert-python')}.b64"
    try:
        return kept.read_text(encoding="ascii")
    except OSError:
        made = packed(vl_convert.javascript_bundle())  # type: ignore[call-arg]  # the stub forgets its default
        _keep(kept, made)
        return made


def packed(text: str) -> str:
    """Compressed and in letters that no HTML parser stumbles over; the page unpacks it with `DecompressionStream`."""
    return base64.b64encode(gzip.compress(text.encode("utf-8"), 9, mtime=0)).decode("ascii")


def unpacked(text: str) -> str:
    """The opposite, for tests and tools."""
    return gzip.decompress(base64.b64decode(text)).decode("utf-8")


def packed_json(value: Any) -> str:
    return packed(json.dumps(value, separators=(",", ":"), allow_nan=False))


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tenant-harness"


def _keep(path: Path, text: str) -> None:
    """A page is worth as much without the copy, so a folder that can't be written costs only time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)
    except OSError:
        return
