"""Events as lines of JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

SCHEMA = {"schema_name": "zeroproof_ros_event", "schema_version": 1}


class EventLog:
    """Appends one JSON object per line and hands each line to the system at once.

    Args:
        path: the file; its folder is made. None writes nowhere.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)

    def write(self, event: str, stamp_ns: int, **values: object) -> str:
        """Append an event of this name and return its line.

        Args:
            event: what happened.
            stamp_ns: when, on the node's clock [ns].
            values: what goes with it; numbers that are not finite become null.
        """
        record = {**SCHEMA, "event": event, "stamp_ns": stamp_ns, **values}
        line = json.dumps(_finite(record), sort_keys=True, allow_nan=False)
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        return line


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
