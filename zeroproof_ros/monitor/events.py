"""Events as lines of JSON."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from enum import Enum
from numbers import Integral, Number, Real
from pathlib import Path
from typing import Any

from zeroproof_ros.errors import ConfigError

# What takes events: a JsonlLogger, or any function of one dict with the key "event".
EventLogger = Callable[[dict[str, object]], object]


class JsonlLogger:
    """Appends each event it is called with to a file, as a line that the system has at once.

    Args:
        path: the file; it is made, with its folder.

    Raises:
        ConfigError: the file can not be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a"):
                pass
        except OSError as error:
            raise ConfigError(
                f"event file {self.path} can not be written: {error}", path=self.path
            ) from error

    def __call__(self, event: Mapping[str, object]) -> None:
        """Append an event as `event_line` writes it.

        Raises:
            OSError: the file can no longer be written.
        """
        line = event_line(event)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def event_line(event: Mapping[str, object]) -> str:
    """An event as one JSON object with sorted keys, without a line break.

    Numbers that are not finite become null, arrays (numpy, torch) lists, an enumerated value what
    it stands for, and anything else that JSON lacks, such as a path, its text.
    """
    return json.dumps(_plain(dict(event)), sort_keys=True, allow_nan=False)


def _plain(value: Any) -> Any:
    """`value` in the types of JSON."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, Integral) and not isinstance(value, bool):
        value = int(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Real):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    # A complex scalar is a number that answers itself to tolist.
    if hasattr(value, "tolist") and not isinstance(value, Number):
        return _plain(value.tolist())
    return str(value)
