"""Run folders: made once, found by `latest`, readable whatever happened."""

from pathlib import Path

import pytest

from harness.record import folder
from harness.record.folder import End, NotARun, RunFolder, write_whole


def test_runs_of_one_second_get_folders_of_their_own(tmp_path: Path) -> None:
    """Nothing is ever written over, and `latest` leads to the newest."""
    first, second = folder.create(tmp_path, "a"), folder.create(tmp_path, "a")
    assert first.path != second.path
    assert (tmp_path / "latest").resolve() == second.path.resolve()


def test_a_real_folder_named_latest_is_left_alone(tmp_path: Path) -> None:
    """The link never replaces somebody's own folder."""
    (tmp_path / "latest").mkdir()
    folder.create(tmp_path, "a")
    assert not (tmp_path / "latest").is_symlink()


def test_a_folder_without_a_plan_is_no_run(tmp_path: Path) -> None:
    """Judging something else says what is missing."""
    with pytest.raises(NotARun, match=r"no plan\.json"):
        RunFolder(tmp_path).plan()
    (tmp_path / "plan.json").write_text("{")
    with pytest.raises(NotARun, match="can't be read"):
        RunFolder(tmp_path).plan()


def test_the_end_reads_back_and_its_absence_is_null(tmp_path: Path) -> None:
    """A killed run has no end; a torn one counts as none."""
    run = RunFolder(tmp_path)
    assert run.end() is None
    end = End(
        reason="completed", detail="", ended_ns=5, stack="embedded", stack_why="asked for", versions={"redis": "7"}
    )
    run.write_end(end)
    assert run.end() == end
    run.end_file.write_text('{"reason"')
    assert run.end() is None


def test_a_document_is_replaced_whole(tmp_path: Path) -> None:
    """No half-written file and no leftover beside it."""
    path = tmp_path / "a.json"
    write_whole(path, "one")
    write_whole(path, "two")
    assert path.read_text() == "two"
    assert list(tmp_path.iterdir()) == [path]
