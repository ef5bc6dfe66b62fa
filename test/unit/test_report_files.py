"""The files of a report: the same bytes each time, valid, and loaded only where they agree."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from zeroproof_ros.bundle import Bundle, load_bundle
from zeroproof_ros.errors import BundlePathError, MetadataMalformedError, ReportError
from zeroproof_ros.reference_robotics_deployment import (
    load_reference_robotics_deployment_artifacts as load,
)
from zeroproof_ros.report import validation_report, write_report
from zeroproof_ros.report.__main__ import main

ROOT = Path(__file__).parents[2]
CONTRACT = "output_contract.json"
LATENCY = "VALIDATION_REPORT.latency.json"
JSON_FILES = (
    "VALIDATION_REPORT.summary.json",
    "inference_summary.json",
    "strict_inference_audit.json",
)
ARTIFACTS = ("VALIDATION_REPORT.md", "VALIDATION_REPORT.summary.svg", *JSON_FILES)
ROWS = 400

Edit = Callable[..., Path]
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def written(exact_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bundle in it and its report beside that, as a reference run leaves it."""
    root = tmp_path_factory.mktemp("reference")
    bundle = load_bundle(shutil.copytree(exact_folder, root / "bundle"))
    assert write_report(validation_report(bundle, rows=ROWS), root) == root
    return root


@pytest.fixture
def root(written: Path, tmp_path: Path) -> Path:
    """A copy of `written` that a test may spoil."""
    return Path(shutil.copytree(written, tmp_path / "root"))


def read(path: Path) -> Any:
    """A file of strict JSON."""
    return json.loads(
        path.read_text("utf-8"), parse_constant=lambda name: pytest.fail(f"{name} is not JSON")
    )


def rewrite(root: Path, file: str, change: Callable[[Any], None]) -> None:
    """Change a document and make the contract agree with its bytes."""
    document = read(root / file)
    change(document)
    content = json.dumps(document).encode()
    (root / file).write_bytes(content)
    if file != CONTRACT:
        contract = read(root / CONTRACT)
        for entry in contract["artifacts"].values():
            if entry["path"] == file:
                entry["bytes"] = len(content)
                entry["sha256"] = hashlib.sha256(content).hexdigest()
        (root / CONTRACT).write_text(json.dumps(contract), "utf-8")


def test_everything_is_written_and_loaded(written: Path) -> None:
    assert {path.name for path in written.iterdir()} == {*ARTIFACTS, CONTRACT, LATENCY, "bundle"}
    artifacts = load(str(written))
    assert artifacts.bundle_dir == written / "bundle"
    assert artifacts.bundle_model_path == written / "bundle" / "model.onnx"
    assert artifacts.bundle_metadata_path == written / "bundle" / "metadata.json"
    assert artifacts.bundle_metadata == read(written / "bundle" / "metadata.json")
    assert artifacts.bundle_digest == load_bundle(written / "bundle").digest
    assert artifacts.validation_report == (written / "VALIDATION_REPORT.md").read_text("utf-8")
    assert artifacts.validation_figure_path == written / "VALIDATION_REPORT.summary.svg"
    documents = (
        artifacts.validation_summary,
        artifacts.inference_summary,
        artifacts.strict_inference_audit,
    )
    for file, document in zip(JSON_FILES, documents, strict=True):
        assert document == read(written / file)
        assert document["schema_name"].startswith("zeroproof_ros_")
        assert document["schema_version"] == 1
    rates = artifacts.inference_summary["rates"]
    assert rates["coverage"] == artifacts.validation_summary["splits"]["report"]["coverage"]
    assert read(written / LATENCY)["median_seconds"].keys() == {"rows_1", "rows_1024"}


def test_two_processes_write_the_same_bytes(exact_folder: Path, tmp_path: Path) -> None:
    """Also where a person has settings of their own, another place and another order of sets."""
    own = tmp_path / "settings"
    own.mkdir()
    (own / "matplotlibrc").write_text("font.size: 30\nsvg.fonttype: none\naxes.grid: True\n")
    found = []
    for run, settings in enumerate(({}, {"MATPLOTLIBRC": str(own), "LC_ALL": "C"})):
        out = tmp_path / f"run {run}"
        bundle = shutil.copytree(exact_folder, tmp_path / f"bundle {run}")
        subprocess.run(
            [
                *(sys.executable, "-m", "zeroproof_ros.report", "bundle", bundle),
                *("--out", out, "--rows", str(ROWS)),
            ],
            cwd=tmp_path,
            env={
                **os.environ,
                **settings,
                "PYTHONHASHSEED": str(run),
                "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
            },
            check=True,
            capture_output=True,
        )
        found.append({p.name: p.read_bytes() for p in out.iterdir() if p.name != LATENCY})
    assert set(found[0]) == {*ARTIFACTS, CONTRACT}
    assert found[0] == found[1]


def test_writing_again_gives_the_same_files(root: Path) -> None:
    before = {p.name: p.read_bytes() for p in root.iterdir() if p.is_file() and p.name != LATENCY}
    write_report(validation_report(load_bundle(root / "bundle"), rows=ROWS), root)
    assert before == {name: (root / name).read_bytes() for name in before}


def test_a_report_beside_its_bundle_leaves_the_bundle_as_it_is(good: Path) -> None:
    bundle = load_bundle(good)
    assert write_report(validation_report(bundle, rows=50)) == good
    assert load_bundle(good).digest == bundle.digest
    artifacts = load(good)
    assert (artifacts.bundle_dir, artifacts.bundle_digest) == (good, bundle.digest)


def test_a_bundle_elsewhere_is_told_by_its_digest(exact_model: Bundle, tmp_path: Path) -> None:
    write_report(validation_report(exact_model, rows=50), tmp_path)
    artifacts = load(tmp_path)
    assert artifacts.bundle_digest == exact_model.digest
    assert (artifacts.bundle_dir, artifacts.bundle_model_path) == (None, None)
    assert (artifacts.bundle_metadata_path, artifacts.bundle_metadata) == (None, None)


def test_a_bundle_without_an_arm_has_no_picture(edit: Edit, tmp_path: Path) -> None:
    report = validation_report(load_bundle(edit(deployment=...)), rows=50)
    write_report(report, tmp_path / "out")
    artifacts = load(tmp_path / "out")
    assert artifacts.validation_figure_path is None
    assert not list((tmp_path / "out").glob("*.svg"))
    assert "svg" not in artifacts.validation_report
    assert "heat maps | the bundle has no deployment block" in artifacts.validation_report
    assert artifacts.inference_summary["passed"] is False


@pytest.mark.parametrize("file", ARTIFACTS)
def test_a_file_that_was_changed_is_refused(root: Path, file: str) -> None:
    path = root / file
    path.write_bytes(path.read_bytes().replace(b"0", b"1", 1))
    with pytest.raises(ReportError, match=f"{re.escape(file)} has .* it was changed after") as info:
        load(root)
    assert info.value.path == path


@pytest.mark.parametrize("file", [*ARTIFACTS, CONTRACT])
def test_a_file_that_is_missing_is_refused(root: Path, file: str) -> None:
    (root / file).unlink()
    with pytest.raises(BundlePathError, match=re.escape(f"'{file}' is not a regular file")):
        load(root)


def test_the_latency_may_be_missing(root: Path) -> None:
    (root / LATENCY).unlink()
    load(root)


@pytest.mark.parametrize("file", [*JSON_FILES, CONTRACT])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(more=1), "'more' was unexpected"),
        (lambda d: d.pop("bundle_digest"), "'bundle_digest' is a required property"),
        (lambda d: d.update(schema_version=2), "schema_version: 1 was expected"),
        (lambda d: d.update(schema_name="another"), "schema_name: .* was expected"),
    ],
)
def test_a_document_that_breaks_its_schema_is_refused(
    root: Path, file: str, change: Callable[[Any], None], message: str
) -> None:
    rewrite(root, file, change)
    with pytest.raises(ReportError, match=f"{re.escape(file)}: .*{message}"):
        load(root)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        (CONTRACT, b'{"a": NaN}', "not strict JSON: NaN"),
        (CONTRACT, b'{"a": 1, "a": 1}', "key 'a' is given twice"),
        (CONTRACT, b"[]", "holds a list, expected a JSON object"),
        (CONTRACT, b"\xff", "not strict JSON"),
    ],
)
def test_what_is_not_strict_json_is_refused(
    root: Path, file: str, text: bytes, message: str
) -> None:
    (root / file).write_bytes(text)
    with pytest.raises(ReportError, match=message):
        load(root)


def set_in(*keys: Any, to: Any) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = to

    return change


SUMMARY, INFERENCE, AUDIT = JSON_FILES


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        (SUMMARY, set_in("thresholds", "tau_infer", to=0.01), "tau_infer is told as 0.01 and as"),
        (INFERENCE, set_in("tau_train", to=None), "tau_train is told as 0.05 and as None, 0.05"),
        (AUDIT, set_in("tau_infer", to=0.01), "tau_infer is told as 0.02 and as 0.02, 0.01"),
        (INFERENCE, set_in("n_eval", to=7), "number of rows is told as 400 and as 7, 400"),
        (AUDIT, set_in("splits", 0, "sample_count", to=7), "number of rows is told as 400 and as"),
        (INFERENCE, set_in("split", to="test"), "judged split is told as report and as test"),
        (AUDIT, set_in("splits", 0, "split", to="test"), "judged split is told as report"),
        (INFERENCE, set_in("passed", to=False), "passed is told as True and as False, True"),
        (SUMMARY, set_in("gates", 0, "passed", to=False), "passed is told as True and as True, F"),
        (INFERENCE, set_in("rates", "coverage", to=1.0), "rates is told as "),
    ],
)
def test_documents_that_contradict_each_other_are_refused(
    root: Path, file: str, change: Callable[[Any], None], message: str
) -> None:
    rewrite(root, file, change)
    with pytest.raises(ReportError, match=f"{message}.*do not belong together"):
        load(root)


@pytest.mark.parametrize("file", JSON_FILES)
def test_a_document_of_another_bundle_is_refused(root: Path, file: str) -> None:
    rewrite(root, file, set_in("bundle_digest", to="0" * 64))
    with pytest.raises(ReportError, match=f"{file} is of the bundle 000.* do not belong together"):
        load(root)


def test_another_bundle_in_its_place_is_refused(root: Path) -> None:
    path = root / "bundle" / "metadata.json"
    path.write_text(json.dumps(read(path) | {"tau_infer": 0.03}), "utf-8")
    load_bundle(root / "bundle")
    with pytest.raises(ReportError, match="bundle is of the bundle .* do not belong together"):
        load(root)


def test_a_bundle_that_is_gone_is_refused(root: Path) -> None:
    shutil.rmtree(root / "bundle")
    with pytest.raises(BundlePathError, match="bundle is not a readable folder"):
        load(root)


@pytest.mark.parametrize("folder", ["../root/bundle", "/", "bundle/../bundle"])
def test_a_bundle_outside_the_folder_is_refused(root: Path, folder: str) -> None:
    rewrite(root, CONTRACT, set_in("bundle_dir", to=folder))
    with pytest.raises(ReportError, match="bundle_dir is .* expected a folder inside"):
        load(root)


@pytest.mark.parametrize("path", ["../root/VALIDATION_REPORT.md", CONTRACT, "bundle"])
def test_an_artifact_outside_the_folder_is_refused(root: Path, path: str) -> None:
    rewrite(root, CONTRACT, set_in("artifacts", "validation_report", "path", to=path))
    with pytest.raises(BundlePathError, match=re.escape(repr(path))):
        load(root)


def test_a_bundle_without_its_metadata_in_the_list_is_refused(root: Path) -> None:
    rewrite(root, CONTRACT, lambda d: d["bundle_files"].pop(0))
    with pytest.raises(ReportError, match="bundle_files"):
        load(root)


def test_a_folder_that_can_not_be_written_is_refused(exact_model: Bundle, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    report = validation_report(exact_model, rows=50)
    with pytest.raises(ReportError, match="file can not be written: .* choose another folder"):
        write_report(report, tmp_path / "file")


def test_the_picture_is_a_picture_without_a_date(written: Path) -> None:
    text = (written / "VALIDATION_REPORT.summary.svg").read_text("utf-8")
    assert ET.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    assert "dc:date" not in text


def test_names_of_others_stay_text_in_markdown(good: Path, tmp_path: Path) -> None:
    path = good / "metadata.json"
    metadata = read(path)
    hostile = "a|b\n# title <script>x</script> `c` [d](e) \x1b[31m\u202e"
    metadata["deployment"]["features"][0] = metadata["deployment"]["joint_features"][0] = hostile
    path.write_text(json.dumps(metadata), "utf-8")
    write_report(validation_report(load_bundle(good), rows=50), tmp_path / "out")
    text = load(tmp_path / "out").validation_report
    assert all(line.isprintable() for line in text.splitlines())
    (line,) = (line for line in text.splitlines() if "script" in line)
    assert re.search(r"(?<!\\)[<`\[]", line) is None
    assert len(re.findall(r"(?<!\\)\|", line)) == 3


def test_the_markdown_tells_verdict_gates_and_figures(written: Path) -> None:
    text = (written / "VALIDATION_REPORT.md").read_text("utf-8")
    summary = read(written / SUMMARY)
    assert "\n**PASSED: all gates**\n" in text
    for gate in summary["gates"]:
        assert f"| {gate['name']} | {gate['expected']} | {gate['found']:g} | passed |" in text
    assert summary["bundle_digest"] in text
    for level in ("p50", "p95", "max"):
        assert f"{summary['residuals']['model'][level]:.6g}" in text
    assert "| 0.02 | 0 | 0 | " in text


def test_exit_code_of_a_good_bundle(exact_folder: Path, tmp_path: Path, capsys: Capture) -> None:
    assert main(["bundle", str(exact_folder), "--out", str(tmp_path), "--rows", "400"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.count("passed  ") == 6
    assert "PASSED: all gates" in out
    assert str(tmp_path / "VALIDATION_REPORT.md") in out


def test_exit_code_of_a_bundle_that_serves_nothing(
    edit: Edit, tmp_path: Path, capsys: Capture
) -> None:
    """All of the rows are bottom, so the solver serves them, and the arm would move."""
    bundle, out = str(edit(tau_infer=0.9, tau_train=0.9, use_gap=False)), str(tmp_path / "out")
    assert main(["bundle", bundle, "--out", out, "--rows", "400"]) == 1
    said = capsys.readouterr().out
    assert "the model serves none of 400 rows" in said
    assert "FAILED: this bundle is not fit to deploy" in said
    artifacts = load(out)
    assert artifacts.validation_summary["passed"] is False
    failed = "**FAILED: coverage, bottom, served_by_model, smoke_test**"
    assert failed in artifacts.validation_report


def test_exit_code_of_a_bundle_that_is_refused(edit: Edit, tmp_path: Path, capsys: Capture) -> None:
    assert main(["bundle", str(tmp_path / "nothing\x1b[31m")]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), "\x1b" in err) == ("", 1, False)
    assert err.startswith("error: ")
    assert main(["bundle", str(edit(tau_infer=-1.0)), "--out", str(tmp_path / "out")]) == 2
    assert not (tmp_path / "out").exists()
    with pytest.raises(MetadataMalformedError, match="tau_infer"):
        load_bundle(edit(tau_infer=-1.0))


@pytest.mark.parametrize(
    "words", [[], ["bundle"], ["bundle", "x", "--rows", "0"], ["bundle", "x", "--seed", "-1"]]
)
def test_exit_code_of_a_wrong_command_line(words: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as info:
        main(words)
    assert info.value.code == 2
    assert "usage: python3 -m zeroproof_ros.report" in capsys.readouterr().err


@pytest.mark.parametrize("rows", [[[0.0, 1.0, 0.1, 0.1]], [[0.0, 0.0, 0.1, 0.1]], [[np.nan] * 4]])
def test_one_row_of_any_kind_makes_a_report(
    exact_model: Bundle, tmp_path: Path, rows: list[list[float]]
) -> None:
    report = validation_report(exact_model, {"one": np.array(rows)}, judged="one")
    write_report(report, tmp_path)
    artifacts = load(tmp_path)
    assert artifacts.inference_summary["n_eval"] == 1
    assert "NaN" not in artifacts.validation_report
    assert "nan" not in json.dumps(artifacts.validation_summary["splits"])
