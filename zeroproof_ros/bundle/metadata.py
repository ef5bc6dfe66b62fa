"""metadata.json: parsed strictly, then validated against the schema beside this file."""

from __future__ import annotations

import json
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
    MetadataMissingError,
    ThresholdError,
    UnknownVersionError,
)

METADATA_FILE = "metadata.json"
FORMAT_VERSIONS = (1,)
SCHEMA_VERSIONS = (1,)
MAX_METADATA_BYTES = 1 << 20


class GraphKind(Enum):
    """What a graph answers, told by its output names."""

    STRICT = ("decoded", "bottom_mask", "gap_mask")
    PROJECTIVE = ("numerator", "denominator")


def read_metadata(folder: Path) -> Mapping[str, Any]:
    """The validated metadata of a bundle folder.

    Raises:
        MetadataMissingError: no such folder or no metadata.json in it.
        UnknownVersionError: a format or schema version this package does not know.
        MetadataMalformedError: not JSON, or against a rule of the schema; the message names it.
    """
    path = folder / METADATA_FILE
    if not path.is_file() or path.is_symlink():
        raise MetadataMissingError(
            f"no regular file {METADATA_FILE} in {folder}; a bundle is a folder with "
            f"{METADATA_FILE} and its model",
            path=path,
        )
    metadata = _parse(path)
    _check_version(metadata, "format_version", FORMAT_VERSIONS, path)
    _check_version(metadata, "schema_version", SCHEMA_VERSIONS, path)
    check_schema(metadata, "", path, MetadataMalformedError)
    try:
        inference_config(metadata)
    except ThresholdError as error:
        raise MetadataMalformedError(f"{path}: {error}", path=path) from error
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
    broken = min(_validator(definition).iter_errors(document), key=_place, default=None)
    if broken is not None:
        where = ".".join(map(str, broken.absolute_path)) or "the document"
        raise error(
            f"{path}: {where}: {broken.message}",
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


def _place(error: jsonschema.ValidationError) -> list[str]:
    return [str(part) for part in error.absolute_path]


def _parse(path: Path) -> dict[str, Any]:
    size = path.stat().st_size
    if size > MAX_METADATA_BYTES:
        raise MetadataMalformedError(
            f"{path} has {size} bytes, expected at most {MAX_METADATA_BYTES}", found=size, path=path
        )
    try:
        metadata = json.loads(
            path.read_text("utf-8"),
            parse_constant=_refuse_constant,
            object_pairs_hook=_unique_keys,
        )
        # Half a surrogate pair is no character; it could not be written anywhere again.
        json.dumps(metadata, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise MetadataMalformedError(f"{path} is not strict JSON: {error}", path=path) from error
    if not isinstance(metadata, dict):
        raise MetadataMalformedError(
            f"{path} holds a {type(metadata).__name__}, expected a JSON object", path=path
        )
    return metadata


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _unique_keys(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"key {key!r} is given twice")
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
