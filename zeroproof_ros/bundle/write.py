"""Writing a bundle folder, all or nothing."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zeroproof_ros.bundle.files import BundleFolder, digest_of
from zeroproof_ros.bundle.graph import OnnxGraph
from zeroproof_ros.bundle.load import Bundle, load_bundle
from zeroproof_ros.bundle.metadata import METADATA_FILE, GraphKind
from zeroproof_ros.contract import InferenceConfig
from zeroproof_ros.errors import (
    BundlePathError,
    DeploymentError,
    DigestMismatchError,
    GraphMismatchError,
    MetadataMalformedError,
)

MODEL_FILE = "model.onnx"


def write_bundle(
    folder: Path, model: bytes, metadata: Mapping[str, Any], *, overwrite: bool = False
) -> None:
    """Write a bundle that has been loaded once before anybody sees it.

    The bundle is made in a sibling folder, loaded, and then renamed. Size and SHA-256 of the
    model are added to the metadata.

    Args:
        folder: where the bundle shall be.
        model: the serialised ONNX graph, with its weights inside.
        metadata: without the keys about the model file.
        overwrite: whether an existing bundle is replaced. Nothing else ever is.

    Raises:
        BundlePathError: the folder exists and `overwrite` is False, or it is no bundle.
        MetadataMalformedError: the metadata can not be written as JSON.
        BundleError, ModelLoadError, ModelRunError: what was to be written would not load.
    """
    folder = folder.absolute()
    _check_target(folder, overwrite)
    document = {
        **metadata,
        "model_file": MODEL_FILE,
        "model_bytes": len(model),
        "model_sha256": hashlib.sha256(model).hexdigest(),
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        (staging / MODEL_FILE).write_bytes(model)
        text = _to_json(document, folder)
        (staging / METADATA_FILE).write_text(text + "\n", encoding="utf-8")
        load_bundle(staging)
        staging.chmod(0o755)
        _put_in_place(staging, folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def write_with_thresholds(
    folder: Path, bundle: Bundle, config: InferenceConfig, *, validation: Mapping[str, Any]
) -> None:
    """Write a projective bundle with a deployment block again, with other thresholds.

    Args:
        folder: where the new bundle shall be; there is nothing yet.
        bundle: as it was loaded; its own folder stays as it is.
        config: the new thresholds.
        validation: becomes the `validation` of the deployment block.

    Raises:
        GraphMismatchError: a graph that decodes by itself, whose thresholds are its own.
        DeploymentError: there is no deployment block.
        DigestMismatchError: the folder is no longer what was loaded.
        ZeroProofError: see `write_bundle`.
    """
    path, metadata = bundle.path, bundle.metadata
    if bundle.kind is not GraphKind.PROJECTIVE:
        raise GraphMismatchError(
            f"{path} has a {bundle.kind.name.lower()} graph with thresholds of its own, expected a "
            "projective one; export it anew",
            found=bundle.kind.name.lower(),
            path=path,
        )
    if "deployment" not in metadata:
        raise DeploymentError(
            f"{path} has no deployment block, which keeps what its thresholds were chosen by",
            path=path,
        )
    with BundleFolder(path) as files:
        files.read(METADATA_FILE)
        model = files.read(metadata["model_file"])
        graph = OnnxGraph(model, path / metadata["model_file"], files.read)
        found = digest_of(files.files())
    if found != bundle.digest:
        raise DigestMismatchError(
            f"{path} has the digest {found}, it was loaded with {bundle.digest}; somebody changed "
            "it meanwhile",
            found=found,
            expected=bundle.digest,
            path=path,
        )
    has_gap = config.tau_train is not None and config.tau_train > config.tau_infer
    thresholds = {
        "tau_infer": config.tau_infer,
        "tau_train": config.tau_train,
        "use_gap": has_gap,
        "deployment": {**metadata["deployment"], "validation": dict(validation)},
    }
    # A model with its weights inside keeps its bytes, so that anybody can see it is the same.
    content = model if len(bundle.files) == 2 else graph.content
    write_bundle(folder, content, {**metadata, **thresholds})


def _check_target(folder: Path, overwrite: bool) -> None:
    exists = folder.exists() or folder.is_symlink()
    if exists and not overwrite:
        raise BundlePathError(f"{folder} exists; choose another or overwrite it", path=folder)
    if exists and (folder.is_symlink() or not (folder / METADATA_FILE).is_file()):
        raise BundlePathError(
            f"{folder} exists and is not a bundle folder, so it is not overwritten", path=folder
        )


def _to_json(document: Mapping[str, Any], folder: Path) -> str:
    try:
        return json.dumps(document, indent=2, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise MetadataMalformedError(
            f"the metadata for {folder} can not be written as JSON: {error}", path=folder
        ) from error


def _put_in_place(staging: Path, folder: Path) -> None:
    if not folder.exists():
        staging.rename(folder)
        return
    # No folder is renamed over another, so for a moment there is none.
    retired = staging.with_name(f"{staging.name}.old")
    folder.rename(retired)
    try:
        staging.rename(folder)
    except OSError:
        retired.rename(folder)
        raise
    shutil.rmtree(retired)
