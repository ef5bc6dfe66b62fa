"""The files of a report: written all or none, and loaded only where they belong together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from zeroproof_ros.bundle.files import BundleFile, BundleFolder, digest_of, sha256
from zeroproof_ros.bundle.metadata import METADATA_FILE, parse_metadata
from zeroproof_ros.bundle.strict_json import check_by, parse_object, schema_validator
from zeroproof_ros.errors import ReportError
from zeroproof_ros.files import write_files
from zeroproof_ros.report.documents import inference_summary, strict_inference_audit
from zeroproof_ros.report.markdown import markdown
from zeroproof_ros.report.picture import picture
from zeroproof_ros.report.validation import ValidationReport, files_of

CONTRACT = "output_contract.json"
# Names of the artifacts, and their files. Only JSON has a schema, by the same name.
FILES = {
    "validation_report": "VALIDATION_REPORT.md",
    "validation_summary": "VALIDATION_REPORT.summary.json",
    "validation_figure": "VALIDATION_REPORT.summary.svg",
    "inference_summary": "inference_summary.json",
    "strict_inference_audit": "strict_inference_audit.json",
}
# Of this machine and this moment, so it is no part of the contract.
LATENCY = "VALIDATION_REPORT.latency.json"


@dataclass(frozen=True)
class DeploymentArtifacts:
    """The files of a report, checked against each other.

    Attributes:
        out_root: their folder.
        bundle_digest: of the bundle they are about.
        bundle_dir, bundle_model_path, bundle_metadata_path, bundle_metadata: the bundle, whose
            files have this digest; None where it lies elsewhere.
        validation_report_path, validation_report: the Markdown file and its text.
        validation_summary_path, validation_summary: the same as data.
        validation_figure_path: the picture, None for a bundle without an arm.
        inference_summary_path, inference_summary: the judged split in few figures.
        strict_inference_audit_path, strict_inference_audit: what became of every row.
    """

    out_root: Path
    bundle_digest: str
    bundle_dir: Path | None
    bundle_model_path: Path | None
    bundle_metadata_path: Path | None
    bundle_metadata: Mapping[str, Any] | None
    validation_report_path: Path
    validation_report: str
    validation_summary_path: Path
    validation_summary: Mapping[str, Any]
    validation_figure_path: Path | None
    inference_summary_path: Path
    inference_summary: Mapping[str, Any]
    strict_inference_audit_path: Path
    strict_inference_audit: Mapping[str, Any]


def write_report(report: ValidationReport, out: Path | str | None = None) -> Path:
    """Write the files of a report, and the contract that says which belong together.

    All but the latency are the same bytes for the same bundle and the same rows.

    Args:
        report: what was measured.
        out: the folder, which is made; that of the bundle if None.

    Returns:
        The folder.

    Raises:
        ReportError: the folder can not be written.
    """
    folder = report.bundle.path if out is None else Path(out).absolute()
    documents = {
        "validation_summary": dict(report.summary),
        "inference_summary": inference_summary(report),
        "strict_inference_audit": strict_inference_audit(report),
    }
    for name, document in documents.items():
        _check(name, document, folder / FILES[name])
    contents = {FILES[name]: _to_json(document) for name, document in documents.items()}
    figure = FILES["validation_figure"]
    text = markdown(report.summary, figure=figure, latency=LATENCY)
    contents[FILES["validation_report"]] = text.encode("utf-8")
    if report.det_bound is not None:
        contents[figure] = picture(report)
    contract = _contract(report, folder, contents)
    _check("output_contract", contract, folder / CONTRACT)
    latency = {"bundle_digest": report.bundle.digest, "median_seconds": dict(report.median_seconds)}
    contents[LATENCY] = _to_json(latency)
    # Last, so that files of two reports are never taken for one.
    contents[CONTRACT] = _to_json(contract)
    try:
        write_files(folder, contents)
    except OSError as error:
        raise ReportError(
            f"{folder} can not be written: {error}; choose another folder", path=folder
        ) from error
    return folder


def load_reference_robotics_deployment_artifacts(out_root: Path | str) -> DeploymentArtifacts:
    """Read the files that `write_report` wrote, and hold them against their contract.

    Every file must have its digest, every document must keep its schema, and all of them, and the
    bundle where it lies in the folder, must be about the bundle of the same digest.

    Args:
        out_root: the folder of the files.

    Raises:
        ReportError: a file that was changed, breaks its schema or contradicts another.
        BundlePathError: a file or folder that is missing, a link, or too large.
        MetadataMalformedError, UnknownVersionError: the metadata of the bundle breaks a rule.
    """
    root = Path(out_root).absolute()
    with BundleFolder(root) as folder:
        contract = parse_object(folder.read(CONTRACT), root / CONTRACT, ReportError)
        _check("output_contract", contract, root / CONTRACT)
        told = contract["artifacts"]
        contents = {name: _read(folder, entry) for name, entry in told.items()}
    documents = {}
    for name in (name for name in FILES if name in told and FILES[name].endswith(".json")):
        path = root / told[name]["path"]
        documents[name] = parse_object(contents[name], path, ReportError)
        _check(name, documents[name], path)
        _check_digest(documents[name]["bundle_digest"], contract["bundle_digest"], path)
    _check_agreement(documents, root)
    bundle_dir, metadata = _bundle(root, contract)
    return DeploymentArtifacts(
        out_root=root,
        bundle_digest=contract["bundle_digest"],
        bundle_dir=bundle_dir,
        bundle_model_path=bundle_dir and bundle_dir / metadata["model_file"],
        bundle_metadata_path=bundle_dir and bundle_dir / METADATA_FILE,
        bundle_metadata=metadata or None,
        validation_report_path=root / told["validation_report"]["path"],
        validation_report=contents["validation_report"].decode("utf-8"),
        validation_summary_path=root / told["validation_summary"]["path"],
        validation_summary=documents["validation_summary"],
        validation_figure_path=(
            root / told["validation_figure"]["path"] if "validation_figure" in told else None
        ),
        inference_summary_path=root / told["inference_summary"]["path"],
        inference_summary=documents["inference_summary"],
        strict_inference_audit_path=root / told["strict_inference_audit"]["path"],
        strict_inference_audit=documents["strict_inference_audit"],
    )


def _contract(
    report: ValidationReport, folder: Path, contents: Mapping[str, bytes]
) -> dict[str, Any]:
    bundle_path, root = report.bundle.path.resolve(), folder.resolve()
    inside = bundle_path.is_relative_to(root)
    return {
        "schema_name": "zeroproof_ros_output_contract",
        "schema_version": 1,
        "bundle_digest": report.bundle.digest,
        "bundle_dir": bundle_path.relative_to(root).as_posix() if inside else None,
        "bundle_files": files_of(report.bundle),
        "artifacts": {
            name: {
                "path": file,
                "bytes": len(contents[file]),
                "sha256": sha256(contents[file]),
            }
            for name, file in FILES.items()
            if file in contents
        },
    }


def _bundle(root: Path, contract: Mapping[str, Any]) -> tuple[Path | None, Mapping[str, Any]]:
    """The folder of the bundle and its metadata, where it lies in the root."""
    if contract["bundle_dir"] is None:
        return None, {}
    relative = PurePosixPath(contract["bundle_dir"])
    if relative.is_absolute() or ".." in relative.parts:
        raise ReportError(
            f"{root / CONTRACT}: bundle_dir is {contract['bundle_dir']!r}, expected a folder "
            "inside that of the contract",
            found=contract["bundle_dir"],
            path=root / CONTRACT,
        )
    path = root / relative
    with BundleFolder(path) as folder:
        for entry in contract["bundle_files"]:
            folder.read(entry["name"])
        _check_digest(digest_of(folder.files()), contract["bundle_digest"], path)
        return path, parse_metadata(folder.contents[METADATA_FILE], path / METADATA_FILE)


def _read(folder: BundleFolder, entry: Mapping[str, Any]) -> bytes:
    content = folder.read(entry["path"])
    found = BundleFile(entry["path"], len(content), sha256(content))
    expected = BundleFile(entry["path"], entry["bytes"], entry["sha256"])
    if found != expected:
        path = folder.path / entry["path"]
        raise ReportError(
            f"{path} has {found.size} bytes and the SHA-256 {found.sha256}, {CONTRACT} says "
            f"{expected.size} and {expected.sha256}; it was changed after the report was written",
            found=found,
            expected=expected,
            path=path,
        )
    return content


def _check_digest(found: str, expected: str, path: Path) -> None:
    if found != expected:
        raise ReportError(
            f"{path} is of the bundle {found}, {CONTRACT} is about {expected}; these files do not "
            "belong together",
            found=found,
            expected=expected,
            path=path,
        )


def _check_agreement(documents: Mapping[str, Mapping[str, Any]], root: Path) -> None:
    """Refuse documents of one bundle that tell different things of it."""
    summary, inference, audit = (
        documents[name]
        for name in ("validation_summary", "inference_summary", "strict_inference_audit")
    )
    judged, rows = summary["judged"], {s["split"]: s["sample_count"] for s in audit["splits"]}
    thresholds = summary["thresholds"]
    told = {
        "tau_infer": (thresholds["tau_infer"], inference["tau_infer"], audit["tau_infer"]),
        "tau_train": (thresholds["tau_train"], inference["tau_train"], audit["tau_train"]),
        "judged split": (judged, inference["split"], judged if judged in rows else None),
        "number of rows": (
            summary["splits"].get(judged, {}).get("rows"),
            inference["n_eval"],
            rows.get(judged),
        ),
        "passed": (
            summary["passed"],
            inference["passed"],
            all(gate["passed"] for gate in summary["gates"]),
        ),
        "rates": (summary["splits"].get(judged), inference["rates"], inference["rates"]),
    }
    for name, (first, *others) in told.items():
        if any(other != first for other in others):
            raise ReportError(
                f"{root}: {name} is told as {first} and as {', '.join(map(str, others))}; these "
                "files do not belong together",
                found=others,
                expected=first,
                path=root,
            )


def _check(name: str, document: Mapping[str, Any], path: Path) -> None:
    check_by(
        schema_validator(__package__, "artifacts.schema.json", name), document, path, ReportError
    )


def _to_json(document: Mapping[str, Any]) -> bytes:
    text = json.dumps(document, indent=2, sort_keys=True, allow_nan=False)
    return (text + "\n").encode("utf-8")
