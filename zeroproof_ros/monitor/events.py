"""Events as lines of JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from zeroproof_ros.errors import ConfigError

SCHEMA = {"schema_name": "zeroproof_ros_event", "schema_version": 1}


class EventLog:
    """Appends one event per line and hands each line to the system at once.

    Args:
        path: the file; it is made, with its folder. None writes nowhere.

    Raises:
        ConfigError: the file can not be written.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a"):
                pass
        except OSError as error:
            raise ConfigError(f"event file {path} can not be written: {error}") from error

    def append(self, line: str) -> None:
        """Append an event.

        Raises:
            OSError: the file can no longer be written.
        """
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")


def event_line(event: str, stamp_ns: int, **values: object) -> str:
    """An event as one JSON object.

    Args:
        event: what happened.
        stamp_ns: when, on the node's clock [ns].
        values: what goes with it; numbers that are not finite become null.
    """
    record = {**SCHEMA, "event": event, "stamp_ns": stamp_ns, **values}
    return json.dumps(_finite(record), sort_keys=True, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
