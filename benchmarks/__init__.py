"""`make bench`: one small file per benchmark, each with `run() -> Iterator[Row]`."""
