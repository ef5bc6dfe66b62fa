"""Writing bundles: all of it or nothing, and nothing that would not load."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from zeroproof_ros.bundle import load_bundle, write_bundle
from zeroproof_ros.errors import (
    BundlePathError,
    GraphMismatchError,
    MetadataMalformedError,
    ModelLoadError,
    ZeroProofError,
)


@pytest.fixture
def model(exact_folder: Path) -> bytes:
    return (exact_folder / "model.onnx").read_bytes()


@pytest.fixture
def metadata(exact_folder: Path) -> dict[str, Any]:
    """The exact metadata without what the writer adds."""
    document = json.loads((exact_folder / "metadata.json").read_text("utf-8"))
    return {key: value for key, value in document.items() if not key.startswith("model_")}


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_what_is_written_is_the_bundle_and_loads(
    tmp_path: Path, model: bytes, metadata: dict[str, Any], exact_folder: Path
) -> None:
    write_bundle(tmp_path / "deep" / "new", model, metadata)
    assert snapshot(tmp_path / "deep" / "new") == snapshot(exact_folder)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["new"]
    assert (tmp_path / "deep" / "new").stat().st_mode & 0o777 == 0o755
    load_bundle(tmp_path / "deep" / "new")


def test_size_and_digest_are_those_of_the_model_whatever_the_metadata_claims(
    tmp_path: Path, model: bytes, metadata: dict[str, Any]
) -> None:
    write_bundle(tmp_path / "new", model, {**metadata, "model_sha256": "0" * 64, "model_bytes": 1})
    written = json.loads((tmp_path / "new" / "metadata.json").read_text("utf-8"))
    assert written["model_sha256"] == hashlib.sha256(model).hexdigest()
    assert written["model_bytes"] == len(model)


@pytest.mark.parametrize(
    ("model_change", "metadata_change", "error", "message"),
    [
        (b"no model", {}, ModelLoadError, "does not load"),
        (None, {"tau_infer": -1.0}, MetadataMalformedError, "tau_infer"),
        (
            None,
            {"inputs": [{"name": "input_0", "dtype": "float64", "shape": ["batch", 4]}]},
            GraphMismatchError,
            "the dtype of input_0 in the graph is float32, the metadata says float64",
        ),
        (
            None,
            {"note": float("nan")},
            MetadataMalformedError,
            "can not be written as JSON: Out of",
        ),
        (None, {"note": {1, 2}}, MetadataMalformedError, "can not be written as JSON: Object of"),
        (None, {"note": "\ud800"}, MetadataMalformedError, "surrogates not allowed"),
    ],
)
@pytest.mark.parametrize("before", ["nothing", "bundle"])
def test_a_write_that_fails_leaves_everything_as_it_was(
    tmp_path: Path,
    model: bytes,
    metadata: dict[str, Any],
    before: str,
    model_change: bytes | None,
    metadata_change: dict[str, Any],
    error: type[ZeroProofError],
    message: str,
) -> None:
    if before == "bundle":
        write_bundle(tmp_path / "new", model, {**metadata, "note": "old"})
    state = snapshot(tmp_path)
    with pytest.raises(error, match=message):
        write_bundle(
            tmp_path / "new", model_change or model, metadata | metadata_change, overwrite=True
        )
    assert snapshot(tmp_path) == state
    assert len(list(tmp_path.iterdir())) == (before == "bundle")


def test_an_existing_bundle_is_not_replaced_unless_asked(
    tmp_path: Path, model: bytes, metadata: dict[str, Any]
) -> None:
    write_bundle(tmp_path / "new", model, {**metadata, "note": "old"})
    state = snapshot(tmp_path)
    with pytest.raises(BundlePathError, match=r"new exists; choose another or overwrite it"):
        write_bundle(tmp_path / "new", model, metadata)
    assert snapshot(tmp_path) == state


@pytest.mark.parametrize("name", ["new", "v1.2", ".hidden", "a.b.c"])
def test_a_replaced_bundle_leaves_nothing_of_itself(
    tmp_path: Path, model: bytes, metadata: dict[str, Any], name: str
) -> None:
    write_bundle(tmp_path / name, model, {**metadata, "note": "old"})
    (tmp_path / name / "report.md").write_text("old")
    write_bundle(tmp_path / name, model, metadata, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert sorted(snapshot(tmp_path / name)) == ["metadata.json", "model.onnx"]
    assert "note" not in load_bundle(tmp_path / name).metadata


def test_what_an_interrupted_write_left_behind_does_not_stop_the_next(
    tmp_path: Path, model: bytes, metadata: dict[str, Any]
) -> None:
    (tmp_path / ".v1.old").mkdir()
    (tmp_path / ".v1.old" / "file").write_text("from another bundle")
    for overwrite in (False, True):
        write_bundle(tmp_path / "v1.2", model, metadata, overwrite=overwrite)
    assert (tmp_path / ".v1.old" / "file").exists()
    load_bundle(tmp_path / "v1.2")


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_what_is_no_bundle_is_never_overwritten(
    tmp_path: Path, model: bytes, metadata: dict[str, Any], kind: str, good: Path
) -> None:
    target = tmp_path / "precious"
    if kind == "folder":
        target.mkdir()
        (target / "thesis.tex").write_text("years of work")
    elif kind == "file":
        target.write_text("years of work")
    else:
        target.symlink_to(good)
    state = snapshot(tmp_path)
    with pytest.raises(BundlePathError, match="precious exists and is not a bundle folder"):
        write_bundle(target, model, metadata, overwrite=True)
    assert snapshot(tmp_path) == state


def test_the_old_bundle_returns_when_the_new_one_can_not_be_put_in_place(
    tmp_path: Path, model: bytes, metadata: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bundle(tmp_path / "new", model, {**metadata, "note": "old"})
    state, rename = snapshot(tmp_path), Path.rename

    def fail_for_staging(self: Path, target: Path) -> Path:
        if target.name == "new" and not self.name.endswith(".old"):
            raise OSError("no space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_for_staging)
    with pytest.raises(OSError, match="no space left"):
        write_bundle(tmp_path / "new", model, metadata, overwrite=True)
    assert snapshot(tmp_path) == state
