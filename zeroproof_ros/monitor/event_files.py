"""Events read back from the files that a `JsonlLogger` writes."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from zeroproof_ros.errors import EventFileError
from zeroproof_ros.monitor.events import rotated

Event = dict[str, Any]

# What is read of the end of a file to find its last event; no line of the monitor is as long.
TAIL_BYTES = 1 << 20


@dataclass(frozen=True)
class EventHistory:
    """What the files of one logger hold.

    Attributes:
        events: oldest first.
        torn: lines that are no event: cut off by a crash or a full disk.
    """

    events: tuple[Event, ...]
    torn: int


def read_events(path: str | os.PathLike[str]) -> EventHistory:
    """The events of a file and of those that it was rotated to, while it may still be written.

    Args:
        path: the file that the logger was given.

    Raises:
        EventFileError: there is no such file, it can not be read, or it holds lines of which none
            is an event.
    """
    path = Path(path)
    lines = _Lines()
    for data in _files(path):
        lines.read(data)
    lines.refuse_strangers(path)
    return EventHistory(tuple(lines.events), lines.torn + lines.foreign)


def last_event(path: str | os.PathLike[str]) -> Event | None:
    """The latest event in the files of a logger, None where there is none yet.

    Raises:
        EventFileError: as `read_events` does, but for a file that is not there.
    """
    path = Path(path)
    lines = _Lines()
    for file in (path, rotated(path, 1)):
        if not lines.events and file.exists():
            lines.read(_tail(file))
    lines.refuse_strangers(path)
    return lines.events[-1] if lines.events else None


@dataclass
class _Lines:
    """Lines told apart: events, those cut off, and those that no logger began."""

    events: list[Event] = field(default_factory=list)
    torn: int = 0
    foreign: int = 0

    def read(self, data: bytes) -> None:
        for line in filter(None, data.split(b"\n")):
            try:
                event = json.loads(line)
            except (ValueError, RecursionError):
                if line.startswith(b"{"):
                    self.torn += 1
                else:
                    self.foreign += 1
                continue
            if isinstance(event, dict) and isinstance(event.get("event"), str):
                self.events.append(event)
            else:
                self.foreign += 1

    def refuse_strangers(self, path: Path) -> None:
        if self.foreign and not self.events:
            raise EventFileError(
                f"{path} is no file of events: {self.foreign} lines, of which none is a JSON "
                "object with the key event; name another file",
                found=self.foreign,
                expected="JSON lines",
                path=path,
            )


def _files(path: Path) -> Iterator[bytes]:
    """The content of each file, oldest first."""
    pattern = re.compile(re.escape(path.name) + r"(?:\.([1-9][0-9]*))?")
    try:
        numbers = {
            int(match[1] or 0): file
            for file in path.parent.iterdir()
            if (match := pattern.fullmatch(file.name))
        }
        with ExitStack() as stack:
            # The newest first: what is rotated meanwhile is then met twice and not missed.
            files: dict[tuple[int, int], BinaryIO] = {}
            for number in sorted(numbers):
                file = stack.enter_context(numbers[number].open("rb"))
                status = os.fstat(file.fileno())
                files.setdefault((status.st_dev, status.st_ino), file)
            yield from (file.read() for file in reversed(files.values()))
    except OSError as error:
        raise EventFileError(f"events of {path} can not be read: {error}", path=path) from error
    if not numbers:
        raise EventFileError(
            f"there is no file of events {path}; is the parameter event_file of the monitor set?",
            path=path,
        )


def _tail(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            size = opened.seek(0, os.SEEK_END)
            opened.seek(max(0, size - TAIL_BYTES))
            # where reading does not begin with the file, it begins within a line
            return opened.read() if size <= TAIL_BYTES else opened.read().partition(b"\n")[2]
    except OSError as error:
        raise EventFileError(f"events of {file} can not be read: {error}", path=file) from error
