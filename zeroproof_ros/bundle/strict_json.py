"""JSON from others: parsed so that it means one thing, then held against a schema."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema

from zeroproof_ros.errors import ZeroProofError

# Real documents have 4 to 6.
MAX_DEPTH = 64
# A message quotes what it found up to so many characters.
_QUOTED = 400


def parse_object(content: bytes, path: Path, error: type[ZeroProofError]) -> dict[str, Any]:
    """The JSON object that some bytes are; `path` is where they came from, for messages.

    Raises:
        ZeroProofError: an `error`, for other bytes, a number that is no finite float, or a key
            that is given twice.
    """
    try:
        document = json.loads(
            content.decode("utf-8"),
            parse_constant=_refuse_constant,
            parse_float=_finite_float,
            object_pairs_hook=_unique_keys,
        )
        # Half a surrogate pair is no character; it could not be written anywhere again.
        json.dumps(document, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as broken:
        raise error(f"{path} is not strict JSON: {str(broken)[:_QUOTED]}", path=path) from broken
    if not isinstance(document, dict):
        raise error(f"{path} holds a {type(document).__name__}, expected a JSON object", path=path)
    return document


@cache
def schema_validator(package: str, file: str, definition: str) -> jsonschema.Draft202012Validator:
    """What checks a document by a schema file of a package, or by a definition in it."""
    schema = json.loads(files(package).joinpath(file).read_text("utf-8"))
    if definition:
        schema = {"$defs": schema["$defs"], "$ref": f"#/$defs/{definition}"}
    return jsonschema.Draft202012Validator(schema)


def check_by(
    validator: jsonschema.Draft202012Validator,
    document: Any,
    path: Path,
    error: type[ZeroProofError],
) -> None:
    """Raise `error` naming the first rule that a document from `path` breaks."""
    _check_depth(document, path, error)
    broken = next(validator.iter_errors(document), None)
    if broken is not None:
        where = ".".join(map(str, broken.absolute_path)) or "the document"
        raise error(
            f"{path}: {where}: {broken.message[:_QUOTED]}",
            found=broken.instance,
            expected=broken.schema,
            path=path,
        )


def _check_depth(document: Any, path: Path, error: type[ZeroProofError]) -> None:
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
