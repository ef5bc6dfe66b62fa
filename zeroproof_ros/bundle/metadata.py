"""metadata.json: parsed strictly, then validated against the schema beside this file.

The schema describes the document, with the reason for each rule; what a schema can not say (one
value compared with another) is checked here.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from zeroproof_ros.bundle.strict_json import check_by, parse_object, schema_validator
from zeroproof_ros.contract import InferenceConfig
from zeroproof_ros.errors import (
    BundleError,
    MetadataMalformedError,
    ThresholdError,
    UnknownVersionError,
)

METADATA_FILE = "metadata.json"
FORMAT_VERSIONS = (1,)
# What zeroproofml 0.5.1 and 0.6.1 write.
SCHEMA_VERSIONS = (1, 2)
# Real ones have 3 to 10 kB.
MAX_METADATA_BYTES = 1 << 17


class GraphKind(Enum):
    """What a graph answers, told by its output names."""

    STRICT = ("decoded", "bottom_mask", "gap_mask")
    PROVENANCE = (*STRICT, "fault_mask", "semantic_bottom_mask", "bottom_provenance")
    PROJECTIVE = ("numerator", "denominator")


def parse_metadata(content: bytes, path: Path) -> Mapping[str, Any]:
    """The validated metadata of a bundle.

    Args:
        content: the bytes of a metadata.json.
        path: where they came from, for messages.

    Raises:
        UnknownVersionError: a format or schema version this package does not know.
        MetadataMalformedError: not JSON, or against a rule; the message names it.
    """
    metadata = parse_object(content, path, MetadataMalformedError)
    _check_version(metadata, "format_version", FORMAT_VERSIONS, path)
    _check_version(metadata, "schema_version", SCHEMA_VERSIONS, path)
    check_schema(metadata, "", path, MetadataMalformedError)
    try:
        config = inference_config(metadata)
    except ThresholdError as error:
        raise MetadataMalformedError(f"{path}: {error}", path=path) from error
    _check_agreement(metadata, config, path)
    return metadata


def inference_config(metadata: Mapping[str, Any]) -> InferenceConfig:
    """The thresholds of a bundle, with the reasons of bottom kept.

    Raises:
        ThresholdError: thresholds that are not finite, not > 0 or in the wrong order.
    """
    return InferenceConfig(
        tau_infer=metadata["tau_infer"],
        tau_train=metadata.get("tau_train"),
        provenance="experimental",
    )


def check_schema(document: Any, definition: str, path: Path, error: type[BundleError]) -> None:
    """Raise `error` naming the first broken rule of the schema, or of one of its definitions."""
    check_by(
        schema_validator(__package__, "metadata.schema.json", definition), document, path, error
    )


def _check_version(
    metadata: Mapping[str, Any], key: str, known: tuple[int, ...], path: Path
) -> None:
    version = metadata.get(key)
    if isinstance(version, int) and not isinstance(version, bool) and version not in known:
        raise UnknownVersionError(
            f"{path}: {key} is {version}, this package reads {', '.join(map(str, known))}",
            found=version,
            expected=known,
            path=path,
        )


def _check_agreement(metadata: Mapping[str, Any], config: InferenceConfig, path: Path) -> None:
    """Refuse values of the document that contradict each other."""
    has_gap = config.tau_train is not None and config.tau_train > config.tau_infer
    axes = metadata.get("batch_axis_semantics", {})
    stated = {
        "use_gap": (metadata.get("use_gap"), has_gap),
        "strict_inference_fields": (
            metadata.get("strict_inference_fields"),
            metadata["output_names"],
        ),
        "inputs": (_names(metadata.get("inputs")), metadata["input_names"]),
        "outputs": (_names(metadata.get("outputs")), metadata["output_names"]),
        "batch_axis_semantics.input_axes": (
            _sorted(axes.get("input_axes")),
            sorted(metadata["input_names"]),
        ),
        "batch_axis_semantics.output_axes": (
            _sorted(axes.get("output_axes")),
            sorted(metadata["output_names"]),
        ),
    }
    for key, (found, expected) in stated.items():
        if found is not None and found != expected:
            raise MetadataMalformedError(
                f"{path}: {key}: {found} contradicts the rest of the document, expected {expected}",
                found=found,
                expected=expected,
                path=path,
            )


def _names(tensors: list[dict[str, Any]] | None) -> list[str] | None:
    return None if tensors is None else [tensor["name"] for tensor in tensors]


def _sorted(axes: dict[str, int] | None) -> list[str] | None:
    return None if axes is None else sorted(axes)
