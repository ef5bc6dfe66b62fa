"""The files of a bundle: from the folder that was opened, once, and no others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zeroproof_ros.bundle.files import MAX_BYTES, BundleFolder, digest_of, sha256
from zeroproof_ros.errors import BundlePathError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two files."""
    path = tmp_path / "bundle"
    path.mkdir()
    (path / "a.json").write_bytes(b"first")
    (path / "b.onnx").write_bytes(b"second")
    return path


def test_names_are_looked_up_in_the_folder_that_was_opened(folder: Path) -> None:
    with BundleFolder(folder) as files:
        assert files.read("a.json") == b"first"
        folder.rename(folder.with_name("away"))
        folder.mkdir()
        (folder / "b.onnx").write_bytes(b"exchanged")
        assert files.read("b.onnx") == b"second"
    with BundleFolder(folder) as files:
        assert files.read("b.onnx") == b"exchanged"


def test_the_working_directory_does_not_matter(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.json").write_bytes(b"of the working directory")
    (tmp_path / "c.onnx").write_bytes(b"of the working directory")
    monkeypatch.chdir(tmp_path)
    with BundleFolder(Path("bundle")) as files:
        assert files.read("a.json") == b"first"
        with pytest.raises(BundlePathError, match="'c.onnx' is not a regular file inside bundle"):
            files.read("c.onnx")


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../b.onnx", "/etc/hostname", "a/b", "a\\b", ".b", "b.onnx\n", "b.onnx\0", "é"],
)
def test_a_name_that_is_not_plain_is_refused(folder: Path, name: str) -> None:
    with (
        BundleFolder(folder) as files,
        pytest.raises(BundlePathError, match="expected a plain file name") as caught,
    ):
        files.read(name)
    assert caught.value.found == name


def test_a_file_is_read_for_one_purpose(folder: Path) -> None:
    with BundleFolder(folder) as files:
        files.read("a.json")
        with pytest.raises(BundlePathError, match="'a.json' can not be read .* for one purpose"):
            files.read("a.json")


@pytest.mark.parametrize("kind", ["link", "folder", "pipe", "missing", "long name"])
def test_what_is_no_regular_file_is_refused(folder: Path, kind: str) -> None:
    path = folder / "c"
    if kind == "link":
        path.symlink_to("a.json")
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    name = "c" * (300 if kind == "long name" else 1)
    with (
        BundleFolder(folder) as files,
        pytest.raises(BundlePathError, match="is not a regular file inside"),
    ):
        files.read(name)


def test_a_limit_is_the_largest_size(folder: Path) -> None:
    with BundleFolder(folder) as files:
        assert files.read("a.json", 5) == b"first"
        with pytest.raises(BundlePathError, match="b.onnx has more than 5 bytes") as caught:
            files.read("b.onnx", 5)
    assert caught.value.expected == 5
    assert caught.value.path == folder / "b.onnx"


def test_all_files_together_have_a_limit(folder: Path) -> None:
    with (folder / "large").open("wb") as file:
        file.truncate(MAX_BYTES - 5)
    with BundleFolder(folder) as files:
        assert len(files.read("large")) == MAX_BYTES - 5
        assert files.read("a.json") == b"first"
        with pytest.raises(BundlePathError, match=f"more than 0 bytes, .* up to {MAX_BYTES}"):
            files.read("b.onnx")


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_what_is_no_folder_is_refused(folder: Path, kind: str) -> None:
    path = folder / ("a.json" if kind == "file" else "nowhere")
    with pytest.raises(BundlePathError, match="is not a readable folder: .*; a bundle is a folder"):
        BundleFolder(path)


def test_the_digest_is_of_what_was_read(folder: Path) -> None:
    with BundleFolder(folder) as files:
        nothing = digest_of(files.files())
        files.read("b.onnx")
        one = digest_of(files.files())
        (folder / "b.onnx").write_bytes(b"written later")
        assert digest_of(files.files()) == one
        files.read("a.json")
        lines = f"{sha256(b'first')}  a.json\n{sha256(b'second')}  b.onnx\n"
        assert digest_of(files.files()) == sha256(lines.encode())
    assert len({nothing, one}) == 2
