"""Writing a bundle folder, all or nothing."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zeroproof_ros.bundle.load import load_bundle
from zeroproof_ros.bundle.metadata import METADATA_FILE
from zeroproof_ros.errors import BundlePathError

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
        overwrite: whether an existing folder is replaced.

    Raises:
        BundlePathError: the folder exists and `overwrite` is False.
        BundleError: what was to be written would not load.
    """
    folder = folder.absolute()
    if folder.exists() and not overwrite:
        raise BundlePathError(f"{folder} exists; choose another or overwrite it", path=folder)
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
        text = json.dumps(document, indent=2, sort_keys=True, allow_nan=False)
        (staging / METADATA_FILE).write_text(text + "\n", encoding="utf-8")
        load_bundle(staging)
        staging.chmod(0o755)
        if folder.exists():
            retired = staging.with_suffix(".old")
            folder.rename(retired)
            staging.rename(folder)
            shutil.rmtree(retired)
        else:
            staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
