"""Loading bundles: the exact one as it is, then every refusal by spoiling a copy of it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zeroproof_ros.bundle import Bundle, GraphKind, OutputKind, load_bundle, read_deployment
from zeroproof_ros.contract import InferenceConfig
from zeroproof_ros.errors import (
    BundleError,
    BundlePathError,
    DigestMismatchError,
    GraphMismatchError,
    MetadataMalformedError,
    ModelLoadError,
    UnknownVersionError,
    ZeroProofError,
)
from zeroproof_ros.runtimes.onnx import CPU

Edit = Callable[..., Path]


def test_the_exact_bundle_says_what_it_is(exact_model: Bundle, exact_folder: Path) -> None:
    assert exact_model.path == exact_folder
    assert exact_model.kind is GraphKind.PROJECTIVE
    assert exact_model.config == InferenceConfig(0.02, 0.05, provenance="experimental")
    assert exact_model.runtime.providers == (CPU,)
    assert exact_model.id == f"planar_2r@{exact_model.digest[:12]}"
    deployment = exact_model.deployment
    assert deployment is not None
    assert deployment.features == ("theta1", "theta2", "dx", "dy")
    assert deployment.output_kind is OutputKind.JOINT_DELTA
    assert (deployment.joint_columns, deployment.task_columns) == ((0, 1), (2, 3))


def test_the_exact_bundle_decodes(exact_model: Bundle) -> None:
    rows = np.array([[0.0, np.pi / 2, 0.01, 0.0], [0.0, 0.0, 0.01, 0.0], [0.0, 0.05, 0.01, 0.0]])
    result = exact_model.run(rows)
    assert result.bottom_mask.tolist() == [False, True, False]
    assert result.gap_mask.tolist() == [False, False, True]
    q_abs = result.q_abs
    assert q_abs is not None
    assert q_abs.dtype == np.float64
    np.testing.assert_allclose(q_abs, 0.8 * np.sin(rows[:, 1]), atol=1e-7)


def test_a_bundle_loads_by_a_relative_path_or_a_string(
    good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(good.parent)
    assert load_bundle("good").path == good


def test_the_digest_is_what_sha256sum_prints(good: Path, edit: Edit) -> None:
    digest = load_bundle(good).digest
    command = "sha256sum metadata.json model.onnx | sha256sum"
    printed = subprocess.run(command, shell=True, cwd=good, capture_output=True, check=True)  # noqa: S602 -- the command of the documentation
    assert printed.stdout.decode() == f"{digest}  -\n"
    assert load_bundle(edit(tau_infer=0.021)).digest != digest


def test_a_pinned_digest_accepts_that_bundle_and_no_other(good: Path, edit: Edit) -> None:
    digest = load_bundle(good).digest
    assert load_bundle(good, expected_digest=digest).digest == digest
    edit(note="changed")
    with pytest.raises(DigestMismatchError, match=f"expected_digest is '{digest}'") as caught:
        load_bundle(good, expected_digest=digest)
    assert caught.value.expected == digest


@pytest.mark.parametrize("pin", ["", "0", "a" * 64])
def test_a_pin_that_is_no_digest_accepts_nothing(good: Path, pin: str) -> None:
    with pytest.raises(DigestMismatchError, match="this is not the bundle that was asked for"):
        load_bundle(good, expected_digest=pin)
    with pytest.raises(DigestMismatchError, match="this is not the bundle that was asked for"):
        load_bundle(good, expected_digest=load_bundle(good).digest.upper())


def test_keys_that_nobody_knows_are_ignored(edit: Edit) -> None:
    assert (
        load_bundle(edit(git={"commit_sha": None}, note="\u00e9\u4e2d")).kind
        is GraphKind.PROJECTIVE
    )


@pytest.mark.parametrize(
    "keys", [("model_sha256",), ("model_bytes",), ("tau_train", "use_gap"), ("deployment",)]
)
def test_a_key_that_may_be_missing_may_be_missing(edit: Edit, keys: tuple[str, ...]) -> None:
    load_bundle(edit(**dict.fromkeys(keys, ...)))


def test_a_bundle_without_an_arm_takes_the_one_it_is_given(edit: Edit, robot_file: Path) -> None:
    folder = edit(deployment=...)
    assert load_bundle(folder).deployment is None
    given = read_deployment(robot_file)
    assert load_bundle(folder, deployment=given).deployment is given


def test_tau_train_of_null_leaves_no_gap(edit: Edit) -> None:
    assert load_bundle(edit(tau_train=None, use_gap=False)).config.tau_train is None


@pytest.mark.parametrize("missing", ["folder", "metadata.json"])
def test_no_metadata_is_no_bundle(good: Path, missing: str) -> None:
    (good / "metadata.json").unlink()
    folder = good if missing == "metadata.json" else good / "nowhere"
    with pytest.raises(BundlePathError, match="No such file or directory"):
        load_bundle(folder)


def test_metadata_that_is_a_folder_or_a_link_is_no_metadata(good: Path, tmp_path: Path) -> None:
    path = good / "metadata.json"
    path.rename(tmp_path / "elsewhere.json")
    path.symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(BundlePathError, match="'metadata.json' is not a regular file inside"):
        load_bundle(good)
    path.unlink()
    path.mkdir()
    with pytest.raises(BundlePathError, match="'metadata.json' is not a regular file inside"):
        load_bundle(good)


def test_metadata_without_end_is_not_read_to_its_end(good: Path) -> None:
    with (good / "metadata.json").open("r+b") as file:
        file.truncate(1 << 40)
    with pytest.raises(BundlePathError, match="has more than 131072 bytes"):
        load_bundle(good)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not strict JSON: Expecting value"),
        (b"{", "is not strict JSON"),
        (b'{"a": 1,}', "is not strict JSON"),
        (b"\xff\xfe", "is not strict JSON: 'utf-8' codec"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": [Infinity]}', "Infinity is not a JSON number"),
        (b'{"a": {"b": -Infinity}}', "-Infinity is not a JSON number"),
        (b'{"a": 1, "a": 1}', "key 'a' is given twice"),
        (b'{"a": {"b": 1, "b": 2}}', "key 'b' is given twice"),
        (b'{"a": "\\ud800"}', "is not strict JSON: .*surrogates not allowed"),
        (b"[" * 100_000, "is not strict JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is not strict JSON"),
        (b"[]", "holds a list, expected a JSON object"),
        (b"null", "holds a NoneType, expected a JSON object"),
        (b"{}", "'format' is a required property"),
        (b'{"a": 1e999}', "1e999 is beyond every float"),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else "",
)
def test_metadata_that_is_not_a_strict_json_object_is_refused(
    good: Path, content: bytes, message: str
) -> None:
    path = good / "metadata.json"
    path.write_bytes(content)
    with pytest.raises(MetadataMalformedError, match=message) as caught:
        load_bundle(good)
    assert caught.value.path == path


@pytest.mark.parametrize(
    "key",
    [
        "format",
        "format_version",
        "model_file",
        "input_names",
        "output_names",
        "scm_decoding_mode",
        "tau_infer",
    ],
)
def test_a_required_key_is_named_when_it_is_missing(edit: Edit, key: str) -> None:
    with pytest.raises(MetadataMalformedError, match=f"'{key}' is a required property"):
        load_bundle(edit(**{key: ...}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", "other"),
        ("format_version", "1"),
        ("format_version", True),
        ("format_version", 1.5),
        ("schema_name", "other"),
        ("scm_decoding_mode", "lenient"),
        ("input_names", ["a", "b"]),
        ("input_names", []),
        ("input_names", [""]),
        ("input_names", "input_0"),
        ("output_names", ["denominator", "numerator"]),
        ("output_names", ["numerator"]),
        ("output_names", ["decoded", "gap_mask", "bottom_mask"]),
        ("output_names", ["decoded", "bottom_mask", "gap_mask", "extra"]),
        ("tau_infer", 0),
        ("tau_infer", -1.0),
        ("tau_infer", None),
        ("tau_infer", True),
        ("tau_infer", "1e-3"),
        ("tau_infer", [0.02]),
        ("tau_train", 0),
        ("tau_train", "0.05"),
        ("tau_train", True),
        ("model_bytes", -1),
        ("model_sha256", "0" * 63),
        ("model_sha256", "A" * 64),
        ("use_gap", 1),
        ("inputs", [{"name": "input_0", "dtype": "float32"}]),
        ("outputs", [{"name": "", "dtype": "float32", "shape": []}]),
        ("outputs", [{"name": "a", "dtype": "float32", "shape": [-1]}]),
        ("deployment", None),
    ],
)
def test_a_value_against_the_schema_is_refused_by_its_key(edit: Edit, key: str, value: Any) -> None:
    with pytest.raises(MetadataMalformedError, match=f"metadata.json: {key}"):
        load_bundle(edit(**{key: value}))


@pytest.mark.parametrize("key", ["schema_name", "schema_version"])
def test_half_a_schema_declaration_is_refused(edit: Edit, key: str) -> None:
    with pytest.raises(MetadataMalformedError, match=f"'{key}' is a dependency of"):
        load_bundle(edit(**{key: ...}))


@pytest.mark.parametrize(("key", "version"), [("format_version", 2), ("format_version", 0)])
def test_a_version_nobody_knows_is_refused_as_such(edit: Edit, key: str, version: int) -> None:
    message = f"{key} is {version}, this package reads 1"
    with pytest.raises(UnknownVersionError, match=message) as caught:
        load_bundle(edit(**{key: version}))
    assert caught.value.found == version


@pytest.mark.parametrize(
    ("infer", "train", "message"),
    [
        ("0.02", "0.01", "tau_train is 0.01, below tau_infer 0.02"),
        ("1e999", "0.05", "1e999 is beyond every float"),
        ("0.02", "1" + "0" * 400, "tau_train is inf, expected a finite number > 0"),
        ("1e-999", "0.05", "tau_infer: 0.0 is less than or equal to the minimum of 0"),
        ("1" + "0" * 400, "null", "tau_infer is inf, expected a finite number > 0"),
    ],
)
def test_thresholds_in_the_wrong_order_or_beyond_floats_are_refused(
    good: Path, infer: str, train: str, message: str
) -> None:
    path = good / "metadata.json"
    text = path.read_text("utf-8").replace('"tau_infer": 0.02', f'"tau_infer": {infer}')
    path.write_text(text.replace('"tau_train": 0.05', f'"tau_train": {train}'), encoding="utf-8")
    with pytest.raises(MetadataMalformedError, match=message):
        load_bundle(good)


@pytest.mark.parametrize(
    "name",
    [
        "../good/model.onnx",
        "/etc/hostname",
        ".",
        "..",
        "",
        "a/b",
        "a\\b",
        ".hidden",
        "\u00e9.onnx",
        7,
    ],
)
def test_a_model_file_that_is_no_plain_name_is_refused(edit: Edit, name: Any) -> None:
    with pytest.raises(MetadataMalformedError, match="metadata.json: model_file"):
        load_bundle(edit(model_file=name))


def test_a_model_file_that_is_missing_is_refused(edit: Edit) -> None:
    with pytest.raises(BundlePathError, match="'missing.onnx' is not a regular file inside"):
        load_bundle(edit(model_file="missing.onnx"))


@pytest.mark.parametrize("name", ["model.onnx\n", "metadata.json"])
def test_a_model_file_that_can_not_be_one_is_refused(edit: Edit, name: str) -> None:
    with pytest.raises(BundlePathError, match="expected a plain file name, each file for one"):
        load_bundle(edit(model_file=name))


def test_a_model_file_that_is_a_folder_is_refused(edit: Edit, good: Path) -> None:
    (good / "folder").mkdir()
    with pytest.raises(BundlePathError, match="'folder' is not a regular file inside"):
        load_bundle(edit(model_file="folder"))


@pytest.mark.parametrize("target", ["inside", "outside", "nowhere"])
def test_a_model_file_that_is_a_symbolic_link_is_refused(
    good: Path, tmp_path: Path, target: str
) -> None:
    link = good / "model.onnx"
    to = {"inside": good, "outside": tmp_path, "nowhere": tmp_path / "no"}[target] / "real.onnx"
    if to.parent.is_dir():
        to.write_bytes(link.read_bytes())
    link.unlink()
    link.symlink_to(to)
    with pytest.raises(
        BundlePathError, match="'model.onnx' is not a regular file inside .*: it is a symbolic link"
    ):
        load_bundle(good)


def test_a_model_file_that_is_a_pipe_is_refused_without_waiting_for_it(good: Path) -> None:
    (good / "model.onnx").unlink()
    os.mkfifo(good / "model.onnx")
    with pytest.raises(BundlePathError, match="is not a regular file inside"):
        load_bundle(good)


def test_a_folder_that_is_itself_reached_by_a_link_loads(good: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(good)
    assert load_bundle(tmp_path / "link").id.startswith("link@")


def test_one_flipped_bit_in_the_model_is_found(good: Path) -> None:
    path = good / "model.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    declared = json.loads((good / "metadata.json").read_text())["model_sha256"]
    with pytest.raises(DigestMismatchError, match=f"sha256 is .*, the metadata says {declared}"):
        load_bundle(good)


def test_a_model_of_another_size_is_found(good: Path) -> None:
    path = good / "model.onnx"
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() + b"\0")
    message = f"model_bytes is {size + 1}, the metadata says {size}"
    with pytest.raises(DigestMismatchError, match=message):
        load_bundle(good)


def test_a_model_that_is_none_is_refused_though_no_digest_is_given(good: Path, edit: Edit) -> None:
    (good / "model.onnx").write_bytes(b"no model")
    with pytest.raises(ModelLoadError, match="does not load"):
        load_bundle(edit(model_bytes=..., model_sha256=...))


# The metadata as it may be: with names, but nothing else said of the tensors.
NAMES_ONLY = dict.fromkeys(("inputs", "outputs", "batch_axis_semantics"), ...)


def test_another_name_of_the_input_is_refused(edit: Edit) -> None:
    with pytest.raises(GraphMismatchError, match=r"input_names of the graph are \['input_0'\]"):
        load_bundle(edit(input_names=["rows"], **NAMES_ONLY))


def test_another_kind_of_graph_than_declared_is_refused(edit: Edit) -> None:
    message = r"output_names of the graph are \['numerator', 'denominator'\], the metadata says"
    with pytest.raises(GraphMismatchError, match=message) as caught:
        load_bundle(edit(output_names=["decoded", "bottom_mask", "gap_mask"], **NAMES_ONLY))
    assert caught.value.expected == ["decoded", "bottom_mask", "gap_mask"]


def test_a_threshold_that_is_zero_in_the_graphs_dtype_is_refused(edit: Edit) -> None:
    with pytest.raises(GraphMismatchError, match="tau_infer 1e-60 is 0 in float32"):
        load_bundle(edit(tau_infer=1e-60))


def test_every_refusal_has_one_root() -> None:
    assert issubclass(BundleError, ZeroProofError)
    for error in (
        MetadataMalformedError,
        UnknownVersionError,
        BundlePathError,
    ):
        assert issubclass(error, BundleError)
