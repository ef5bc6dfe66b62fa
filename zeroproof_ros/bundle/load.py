"""A bundle folder, checked and brought to life."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.bundle.deployment import Deployment
from zeroproof_ros.bundle.metadata import (
    METADATA_FILE,
    GraphKind,
    inference_config,
    read_metadata,
)
from zeroproof_ros.contract import (
    InferenceConfig,
    SplitMasksResult,
    adopt_masks,
    strict_inference,
)
from zeroproof_ros.errors import (
    ArrayError,
    BundlePathError,
    DeploymentError,
    DigestMismatchError,
    GraphMismatchError,
    ThresholdError,
)
from zeroproof_ros.runtimes import Runtime
from zeroproof_ros.runtimes.onnx import CPU, OnnxRuntime


@dataclass(frozen=True, eq=False)
class BundleResult(SplitMasksResult):
    """What a bundle answers; unpacks to `decoded, bottom_mask, gap_mask`.

    Attributes:
        q_abs: |Q| as float64 in the denominator's shape, None for a strict graph, which keeps its
            denominator to itself.
    """

    q_abs: NDArray[Any] | None


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle.

    Attributes:
        path: its folder.
        metadata: the validated metadata.
        kind: what its graph answers.
        config: its thresholds.
        deployment: the arm and the columns, or None where neither the bundle nor the caller says.
        runtime: the loaded graph, warmed up.
        digest: SHA-256 over the metadata (canonical JSON) and the model file. It tells two
            bundles apart; it is not a signature.
    """

    path: Path
    metadata: Mapping[str, Any]
    kind: GraphKind
    config: InferenceConfig
    deployment: Deployment | None
    runtime: Runtime
    digest: str

    @property
    def id(self) -> str:
        """Folder name and the start of the digest: a short name for logs and diagnostics."""
        return f"{self.path.name}@{self.digest[:12]}"

    def run(self, rows: NDArray[Any]) -> BundleResult:
        """Run the model on rows (N, F) and decode strictly.

        Raises:
            ModelRunError: the model raised.
            ArrayError: its outputs do not fit the contract.
        """
        # Checks go along the columns, so each is brought together in memory.
        outputs = list(map(np.asfortranarray, self.runtime.run(rows)))
        if self.kind is GraphKind.STRICT:
            return _with_q_abs(adopt_masks(*outputs), None)
        numerator, denominator = outputs
        # inference_config asks for split masks, whatever the bundle
        result = cast(SplitMasksResult, strict_inference(numerator, denominator, self.config))
        return _with_q_abs(result, np.abs(denominator, dtype=np.float64))


def load_bundle(
    folder: Path | str,
    *,
    providers: Sequence[str] = (CPU,),
    deployment: Deployment | None = None,
) -> Bundle:
    """Read, check and load a bundle folder, and run its graph once.

    Args:
        folder: the bundle.
        providers: the execution providers that must run it.
        deployment: replaces the bundle's own block; see `Deployment.check_same_model`.

    Raises:
        BundleError: one subclass per rule that is broken.
        ProviderUnavailableError, ModelLoadError, ModelRunError: see `OnnxRuntime`.
    """
    folder = Path(folder).absolute()
    metadata = read_metadata(folder)
    model = _model_file(folder, metadata["model_file"])
    model_digest = _check_bytes(model, metadata)
    own = metadata.get("deployment")
    if own is not None:
        block = Deployment.from_block(own, folder / METADATA_FILE)
        if deployment is not None:
            block.check_same_model(deployment, folder)
        deployment = deployment or block
    canonical = json.dumps(metadata, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    bundle = Bundle(
        path=folder,
        metadata=metadata,
        kind=GraphKind(tuple(metadata["output_names"])),
        config=inference_config(metadata),
        deployment=deployment,
        runtime=OnnxRuntime(model, providers),
        digest=hashlib.sha256(f"{canonical}\n{model_digest}".encode()).hexdigest(),
    )
    _check_graph(bundle)
    return bundle


def _with_q_abs(result: SplitMasksResult, q_abs: NDArray[Any] | None) -> BundleResult:
    return BundleResult(
        result.decoded,
        result.bottom_mask,
        result.gap_mask,
        result.fault_mask,
        result.semantic_bottom_mask,
        q_abs,
    )


def _model_file(folder: Path, name: str) -> Path:
    path = folder / name
    if path.is_symlink() or not path.is_file() or path.resolve().parent != folder.resolve():
        raise BundlePathError(
            f"model_file {name!r} is not a regular file inside {folder}", found=name, path=path
        )
    return path


def _check_bytes(path: Path, metadata: Mapping[str, Any]) -> str:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    found: dict[str, object] = {"model_bytes": len(content), "model_sha256": digest}
    for key, value in found.items():
        if metadata.get(key, value) != value:
            raise DigestMismatchError(
                f"{path}: {key} is {value}, the metadata says {metadata[key]}; the file was "
                "damaged or exchanged",
                found=value,
                expected=metadata[key],
                path=path,
            )
    return digest


def _check_graph(bundle: Bundle) -> None:
    """Compare the metadata with what the graph says of itself, then with what it answers."""
    graph = {
        "input_names": [spec.name for spec in bundle.runtime.inputs],
        "output_names": [spec.name for spec in bundle.runtime.outputs],
    }
    for key, found in graph.items():
        if bundle.metadata[key] != found:
            raise GraphMismatchError(
                f"{bundle.path}: {key} of the graph are {found}, the metadata says "
                f"{bundle.metadata[key]}",
                found=found,
                expected=bundle.metadata[key],
                path=bundle.path,
            )
    width = bundle.runtime.inputs[0].shape[1]
    deployment = bundle.deployment
    if deployment is not None and width != len(deployment.features):
        raise DeploymentError(
            f"{bundle.path}: the graph takes {width} features, the deployment block names "
            f"{len(deployment.features)}",
            found=width,
            expected=len(deployment.features),
            path=bundle.path,
        )
    # Two rows, so that a graph which mixes up rows and columns is seen; twice also warms it up.
    for _ in range(2):
        result = _probe(bundle, int(width))
    if deployment is not None and result.decoded.shape != (2, len(deployment.outputs)):
        raise DeploymentError(
            f"{bundle.path}: the graph answers {result.decoded.shape} for 2 rows, the deployment "
            f"block names {len(deployment.outputs)} outputs",
            found=result.decoded.shape,
            expected=(2, len(deployment.outputs)),
            path=bundle.path,
        )


def _probe(bundle: Bundle, width: int) -> SplitMasksResult:
    try:
        result = bundle.run(np.zeros((2, width)))
    except (ArrayError, ThresholdError) as error:
        raise GraphMismatchError(
            f"{bundle.path}: the outputs of the graph do not fit the contract: {error}",
            path=bundle.path,
        ) from error
    if len(result.decoded) != 2 or result.bottom_mask.dtype != bool:
        raise GraphMismatchError(
            f"{bundle.path}: 2 rows gave an answer of shape {result.decoded.shape} with masks of "
            f"{result.bottom_mask.dtype}, expected 2 rows and masks of bool",
            found=result.decoded.shape,
            path=bundle.path,
        )
    return result
