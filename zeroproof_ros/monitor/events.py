"""Events as lines of JSON, appended to files that are rotated by size."""

from __future__ import annotations

import io
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

    A line is one write, so a process that is killed leaves at most its last line torn, and a line
    that somebody left torn is ended before the next one. A file has one writer that rotates it.

    Args:
        path: the file; it is made, with its folder.
        max_bytes: where a line would make the file longer than this, the file becomes `path`.1,
            that one `path`.2, and so on, and a new one begins; None for one file without bounds.
        max_files: how many files there are at most, the oldest is dropped; at least 2.

    Raises:
        ConfigError: the file can not be written, or a bound is too small.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_bytes: int | None = None,
        max_files: int = 2,
    ) -> None:
        if (max_bytes is not None and max_bytes < 1) or max_files < 2:
            raise ConfigError(
                f"max_bytes is {max_bytes} and max_files {max_files}, expected at least 1 and 2",
                found=(max_bytes, max_files),
                expected=(1, 2),
            )
        self.path = Path(path)
        self._max_bytes, self._max_files = max_bytes, max_files
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._open().close()
        except OSError as error:
            raise ConfigError(
                f"event file {self.path} can not be written: {error}", path=self.path
            ) from error

    def __call__(self, event: Mapping[str, object]) -> None:
        """Append an event as `event_line` writes it.

        Raises:
            OSError: the file can no longer be written.
        """
        line = (event_line(event) + "\n").encode("utf-8")
        if self._max_bytes is not None and 0 < self._size() > self._max_bytes - len(line):
            self._rotate()
        with self._open() as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    line = b"\n" + line
            written = file.write(line)
        if written < len(line):
            raise OSError(f"only {written} of {len(line)} bytes were written to {self.path}")

    def _open(self) -> io.FileIO:
        return self.path.open("a+b", buffering=0)

    def _size(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def _rotate(self) -> None:
        for number in range(self._max_files - 1, 0, -1):
            source = rotated(self.path, number - 1)
            if source.exists():
                source.replace(rotated(self.path, number))


def rotated(path: Path, number: int) -> Path:
    """The file that a file of events has become after some rotations; 0 is the file itself."""
    return path.with_name(f"{path.name}.{number}") if number else path


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
