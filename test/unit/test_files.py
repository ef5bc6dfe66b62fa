"""Files that appear as a whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from zeroproof_ros.files import replacing, write_files


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "state"
    file.write_text("old")
    with replacing(file) as staging:
        staging.write_text("new")
        assert file.read_text() == "old"
    assert (file.read_text(), names(tmp_path)) == ("new", ["state"])


def test_a_file_that_could_not_be_written_is_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "state"
    file.write_text("old")

    def fail() -> None:
        with replacing(file) as staging:
            staging.write_text("ne")
            raise ValueError("half")

    with pytest.raises(ValueError, match="half"):
        fail()
    assert (file.read_text(), names(tmp_path)) == ("old", ["state"])


def test_files_are_all_there_or_none_is(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    write_files(folder, {"one": b"1", "two": b"2"})
    assert names(folder) == ["one", "two"]
    with pytest.raises(OSError, match="not/there"):
        write_files(folder, {"one": b"new", "not/there": b""})
    assert (names(folder), (folder / "one").read_bytes()) == (["one", "two"], b"1")
