"""Bundles of zeroproofml that were damaged or moved."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from answers import FIELDS, differences, our_answer
from cases import THEIRS
from models import NETWORK
from readings import Folders
from rows import batches

from zeroproof_ros.bundle import load_bundle
from zeroproof_ros.errors import BundlePathError, DigestMismatchError, GraphMismatchError

with_weights_beside = pytest.mark.parametrize(
    "name", ["0.5.1-external_data-network", "0.6.1-external_data-network"]
)


every_form = pytest.mark.parametrize(
    "name", [case.name for case in THEIRS if case.model is NETWORK]
)


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@with_weights_beside
def test_damaged_weights_without_a_digest_change_that_of_the_bundle(
    name: str, folders: Folders, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(folders[name], tmp_path / "bundle"))
    assert load_bundle(copy).digest == load_bundle(folders[name]).digest
    flip_a_bit(copy / "model.onnx.data")
    assert load_bundle(copy).digest != load_bundle(folders[name]).digest


@pytest.mark.parametrize("form", ["single_file", "external_data"])
def test_a_damaged_model_of_0_6_1_is_refused(form: str, folders: Folders, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folders[f"0.6.1-{form}-network"], tmp_path / "bundle"))
    digest = json.loads((copy / "metadata.json").read_text("utf-8"))["model_sha256"]
    flip_a_bit(copy / "model.onnx")
    with pytest.raises(DigestMismatchError, match=r"model_sha256 is \w+, the metadata says") as e:
        load_bundle(copy)
    assert e.value.expected == digest


@with_weights_beside
def test_missing_weights_are_refused(name: str, folders: Folders, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folders[name], tmp_path / "bundle"))
    (copy / "model.onnx.data").unlink()
    with pytest.raises(BundlePathError, match="'model.onnx.data' is not a regular file"):
        load_bundle(copy)


@with_weights_beside
def test_a_moved_bundle_answers_the_same_from_any_folder(
    name: str, folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(folders[name], tmp_path / "moved" / "bundle")
    (tmp_path / "elsewhere").mkdir()
    original = load_bundle(folders[name])
    monkeypatch.chdir(tmp_path / "elsewhere")
    moved = load_bundle(Path("../moved/bundle"))
    rows = batches(NETWORK)["random"]
    assert differences(rows, our_answer(original, rows), our_answer(moved, rows), FIELDS) == []


@every_form
@pytest.mark.parametrize(("key", "value"), [("tau_infer", 1e-6), ("tau_train", 0.06)])
def test_a_threshold_edited_in_the_metadata_is_refused(
    name: str, key: str, value: float, folders: Folders, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(folders[name], tmp_path / "bundle"))
    metadata = json.loads((copy / "metadata.json").read_text("utf-8")) | {key: value}
    (copy / "metadata.json").write_text(json.dumps(metadata), encoding="utf-8")
    with pytest.raises(GraphMismatchError, match=rf"the graph compares .*{key} {value}"):
        load_bundle(copy)
