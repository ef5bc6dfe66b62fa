"""metadata.json: parsed strictly, then validated against the schema beside this file.

The schema describes the document, with the reason for each rule; what a schema can not say (one
value compared with another) is checked here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from enum import Enum
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema

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
# Real ones have 4.
MAX_DEPTH = 64
# A message quotes what it found up to so many characters.
_QUOTED = 400


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
    metadata = _parse(content, path)
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
    _check_depth(document, path, error)
    broken = next(_validator(definition).iter_errors(document), None)
    if broken is not None:
        where = ".".join(map(str, broken.absolute_path)) or "the document"
        raise error(
            f"{path}: {where}: {broken.message[:_QUOTED]}",
            found=broken.instance,
            expected=broken.schema,
            path=path,
        )


@cache
def _validator(definition: str) -> jsonschema.Draft202012Validator:
    schema = json.loads(files(__package__).joinpath("metadata.schema.json").read_text("utf-8"))
    if definition:
        schema = {"$defs": schema["$defs"], "$ref": f"#/$defs/{definition}"}
    return jsonschema.Draft202012Validator(schema)


def _parse(content: bytes, path: Path) -> dict[str, Any]:
    try:
        metadata = json.loads(
            content.decode("utf-8"),
            parse_constant=_refuse_constant,
            parse_float=_finite_float,
            object_pairs_hook=_unique_keys,
        )
        # Half a surrogate pair is no character; it could not be written anywhere again.
        json.dumps(metadata, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise MetadataMalformedError(
            f"{path} is not strict JSON: {str(error)[:_QUOTED]}", path=path
        ) from error
    if not isinstance(metadata, dict):
        raise MetadataMalformedError(
            f"{path} holds a {type(metadata).__name__}, expected a JSON object", path=path
        )
    return metadata


def _check_depth(document: Any, path: Path, error: type[BundleError]) -> None:
    """Refuse what a function that calls itself could not follow, such as one that quotes it."""
    level = [document]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _values(outer)]
    if level:
        raise error(
            f"{path}: more than {MAX_DEPTH} lists and objects lie inside each other",
            expected=MAX_DEPTH,
            path=path,
        )


def _values(container: Any) -> Iterable[Any]:
    if isinstance(container, dict):
        return container.values()
    return container if isinstance(container, list) else ()


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _finite_float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:40]} is beyond every float")
    return number


def _unique_keys(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"key {key[:200]!r} is given twice")
        result[key] = value
    return result


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
