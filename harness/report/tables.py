"""Every request as a table for other tools: CSV and Parquet, in nanoseconds as recorded and milliseconds as judged."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from harness.record.reader import Record
from harness.report.latency_series import MEASURES

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def write_csv(record: Record, path: Path) -> None:
    """UTF-8 with a header. A text that a spreadsheet would run as a formula gets an apostrophe before it."""
    frame = _table(record)
    for name in ("tenant", "error", "tenant_id", "step"):
        frame[name] = frame[name].astype(object).map(_harmless, na_action="ignore")
    frame.to_csv(path, index=False)


def write_parquet(record: Record, path: Path) -> None:
    """With the types of `record.reader.REQUEST_COLUMNS`."""
    _table(record).to_parquet(path, index=False, compression="zstd")


def _table(record: Record) -> pd.DataFrame:
    frame = record.requests
    return frame.assign(**{f"{name}_ms": (frame["end_ns"] - frame[start]) / 1e6 for name, start in MEASURES.items()})


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
