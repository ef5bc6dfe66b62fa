"""A bundle folder, checked and brought to life."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.bundle.deployment import Deployment
from zeroproof_ros.bundle.files import BundleFile, BundleFolder, digest_of, sha256
from zeroproof_ros.bundle.graph import OnnxGraph
from zeroproof_ros.bundle.metadata import (
    MAX_METADATA_BYTES,
    METADATA_FILE,
    GraphKind,
    inference_config,
    parse_metadata,
)
from zeroproof_ros.bundle.operators import check_operators
from zeroproof_ros.bundle.signature import check_answer, check_signature
from zeroproof_ros.bundle.thresholds import check_thresholds
from zeroproof_ros.contract import (
    InferenceConfig,
    SplitMasksResult,
    adopt_masks,
    strict_inference,
)
from zeroproof_ros.errors import (
    ArrayError,
    DeploymentError,
    DigestMismatchError,
    GraphMismatchError,
    ModelRunError,
    ThresholdError,
)
from zeroproof_ros.runtimes import Runtime
from zeroproof_ros.runtimes.onnx import CPU, OnnxRuntime

# Two rows take microseconds; two, since one does not tell rows from columns.
TRY_SECONDS = 0.4


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
        files: what it was made from, sorted by name.
        digest: SHA-256 over `files`: what `sha256sum metadata.json model.onnx | sha256sum` prints
            in its folder, with the files that hold weights, if any, in sorted order. It tells
            bundles apart; it is not a signature.
        placement: how the device that runs it was chosen.
        thresholds_in_graph: whether tau_infer was found in the graph itself and agrees; None for a
            projective graph, which has none.
    """

    path: Path
    metadata: Mapping[str, Any]
    kind: GraphKind
    config: InferenceConfig
    deployment: Deployment | None
    runtime: Runtime
    files: tuple[BundleFile, ...]
    digest: str
    thresholds_in_graph: bool | None
    placement: str = "asked for"

    @property
    def id(self) -> str:
        """Folder name and the start of the digest: a short name for logs and diagnostics."""
        return f"{self.path.name}@{self.digest[:12]}"

    def run(self, rows: NDArray[Any], lengths: Sequence[int] | None = None) -> BundleResult:
        """Run the model on rows (N, F) and decode strictly.

        Args:
            rows: the inputs.
            lengths: the graph is run for so many rows at a time, in this order, which add up to N;
                None for all at once. Its last bit may depend on it, what follows does not.

        Raises:
            ModelRunError: the model raised, or answered another number of rows.
            ArrayError: its outputs do not fit the contract.
        """
        if lengths is None:
            return _decode(self.kind, self.config, self._answers(rows))
        parts = [self._answers(part) for part in np.split(rows, np.cumsum(lengths)[:-1])]
        answers = [np.concatenate(answer) for answer in zip(*parts, strict=True)]
        return _decode(self.kind, self.config, answers)

    def _answers(self, rows: NDArray[Any]) -> list[NDArray[Any]]:
        """What the graph answers, one row for each of these."""
        answers = self.runtime.run(rows)
        _check_rows(answers, len(rows))
        return answers


def load_bundle(
    folder: Path | str,
    *,
    providers: Sequence[str] = (CPU,),
    deployment: Deployment | None = None,
    expected_digest: str | None = None,
) -> Bundle:
    """Read, check and load a bundle folder, and run its graph once.

    Every file is read once, and what was checked is what runs.

    Args:
        folder: the bundle.
        providers: the execution providers that must run it.
        deployment: replaces the bundle's own block; see `Deployment.check_same_model`.
        expected_digest: the only `Bundle.digest` that is accepted, None for any.

    Raises:
        BundleError: one subclass per rule that is broken.
        ProviderUnavailableError, ModelLoadError, ModelRunError: see `OnnxRuntime`.
    """
    path = Path(folder).absolute()
    with BundleFolder(path) as files:
        metadata = parse_metadata(
            files.read(METADATA_FILE, MAX_METADATA_BYTES), path / METADATA_FILE
        )
        model = path / metadata["model_file"]
        content = files.read(model.name)
        _check_declared(model, content, metadata)
        graph = OnnxGraph(content, model, files.read)
        check_operators(graph, model)
        listed = files.files()
    digest = digest_of(listed)
    _check_pinned(path, digest, expected_digest)
    own = metadata.get("deployment")
    if own is not None:
        block = Deployment.from_block(own, path / METADATA_FILE)
        if deployment is not None:
            block.check_same_model(deployment, path)
        deployment = deployment or block
    kind, config = GraphKind(tuple(metadata["output_names"])), inference_config(metadata)
    decodes = kind is not GraphKind.PROJECTIVE
    in_graph = check_thresholds(graph, config, model) if decodes else None
    # Tried on the CPU, since the first run of another device may take seconds for itself.
    trial = OnnxRuntime(model, content=graph.content)
    check_signature(metadata, trial, path)
    rows = np.zeros((2, int(trial.inputs[0].shape[1])))
    outputs = trial.try_run(rows, TRY_SECONDS)
    check_answer(metadata, outputs, path)
    on_cpu = tuple(providers) == (CPU,)
    runtime = trial if on_cpu else OnnxRuntime(model, providers, content=graph.content)
    bundle = Bundle(
        path=path,
        metadata=metadata,
        kind=kind,
        config=config,
        deployment=deployment,
        files=listed,
        digest=digest,
        thresholds_in_graph=in_graph,
        runtime=runtime,
    )
    _check_contract(bundle, outputs)
    if not on_cpu:
        bundle.run(rows)
    return bundle


def validate_bundle(folder: Path | str, *, expected_digest: str | None = None) -> Mapping[str, Any]:
    """The metadata of a bundle that loads, runs and breaks no rule.

    Raises:
        BundleError, ModelLoadError, ModelRunError: see `load_bundle`.
    """
    return load_bundle(folder, expected_digest=expected_digest).metadata


def _check_rows(answers: Sequence[NDArray[Any]], rows: int) -> None:
    for answer in answers:
        if answer.shape[:1] != (rows,):
            raise ModelRunError(
                f"the model answered {rows} rows with an array of shape {answer.shape}, expected "
                "one row for each",
                found=answer.shape,
                expected=rows,
            )


def _decode(
    kind: GraphKind, config: InferenceConfig, answers: Sequence[NDArray[Any]]
) -> BundleResult:
    # Checks go along the columns, so each is brought together in memory.
    outputs = list(map(np.asfortranarray, answers))
    if kind is not GraphKind.PROJECTIVE:
        decoded, bottom, gap, *provenance = outputs
        # the codes say what the two masks before them say
        reasons = dict(zip(("fault", "semantic"), provenance, strict=False))
        return _with_q_abs(adopt_masks(decoded, bottom, gap, **reasons), None)
    numerator, denominator = outputs
    # inference_config asks for split masks, whatever the bundle
    result = cast(SplitMasksResult, strict_inference(numerator, denominator, config))
    return _with_q_abs(result, np.abs(denominator, dtype=np.float64))


def _with_q_abs(result: SplitMasksResult, q_abs: NDArray[Any] | None) -> BundleResult:
    return BundleResult(
        result.decoded,
        result.bottom_mask,
        result.gap_mask,
        result.fault_mask,
        result.semantic_bottom_mask,
        q_abs,
    )


def _check_declared(path: Path, content: bytes, metadata: Mapping[str, Any]) -> None:
    """Refuse a model whose size or digest is not the declared one."""
    found: dict[str, object] = {"model_bytes": len(content), "model_sha256": sha256(content)}
    for key, value in found.items():
        if metadata.get(key, value) != value:
            raise DigestMismatchError(
                f"{path}: {key} is {value}, the metadata says {metadata[key]}; the file was "
                "damaged or exchanged",
                found=value,
                expected=metadata[key],
                path=path,
            )


def _check_pinned(path: Path, digest: str, expected: str | None) -> None:
    if expected is not None and digest != expected:
        raise DigestMismatchError(
            f"{path} has the digest {digest}, expected_digest is {expected!r}; this is not the "
            "bundle that was asked for",
            found=digest,
            expected=expected,
            path=path,
        )


def _check_contract(bundle: Bundle, outputs: Sequence[NDArray[Any]]) -> None:
    """Refuse a model whose answer to two rows does not fit the contract or the deployment."""
    deployment, path = bundle.deployment, bundle.path
    width = bundle.runtime.inputs[0].shape[1]
    if deployment is not None and width != len(deployment.features):
        raise DeploymentError(
            f"{path}: the graph takes {width} features, the deployment block names "
            f"{len(deployment.features)}",
            found=width,
            expected=len(deployment.features),
            path=path,
        )
    _check_rows(outputs, 2)
    try:
        result = _decode(bundle.kind, bundle.config, outputs)
    except (ArrayError, ThresholdError) as error:
        raise GraphMismatchError(
            f"{path}: the outputs of the graph do not fit the contract: {error}", path=path
        ) from error
    if deployment is not None and result.decoded.shape != (2, len(deployment.outputs)):
        raise DeploymentError(
            f"{path}: the graph answers {result.decoded.shape} for 2 rows, the deployment "
            f"block names {len(deployment.outputs)} outputs",
            found=result.decoded.shape,
            expected=(2, len(deployment.outputs)),
            path=path,
        )
