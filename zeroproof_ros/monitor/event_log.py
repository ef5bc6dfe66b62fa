"""The events of one run of a node: numbered, stamped, and written where there is a file."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from zeroproof_ros.monitor.event_files import last_event
from zeroproof_ros.monitor.events import JsonlLogger

SCHEMA = {"schema_name": "zeroproof_ros_event", "schema_version": 1}


class EventLog:
    """Makes events that `event.schema.json` describes, and loses none without telling.

    Args:
        node: whose events these are.
        file: where they are written, None for nowhere.
        stamp: the time of the node [ns].
        wall_time: the time of day, with its time zone.
        complain: takes a sentence when an event could not be written.

    Attributes:
        lost: how many events could not be written; the next one that can be tells.
    """

    def __init__(
        self,
        node: str,
        file: JsonlLogger | None,
        *,
        stamp: Callable[[], int],
        wall_time: Callable[[], datetime],
        complain: Callable[[str], object],
    ) -> None:
        self._node, self._file = node, file
        self._stamp, self._wall_time, self._complain = stamp, wall_time, complain
        self._run = uuid.uuid4().hex
        self._seq = self.lost = 0

    def begin(self) -> str:
        """Tell `started`, or `restarted` where the last run in the file did not end by itself.

        Returns:
            Which of the two it is.

        Raises:
            EventFileError: the file can not be read, or holds something else.
        """
        last = last_event(self._file.path) if self._file else None
        if last is None or last["event"] == "stopped":
            self("started")
            return "started"
        told = ("event", "run", "stamp_ns", "wall_time")
        self("restarted", **{f"last_{key}": last.get(key) for key in told})
        return "restarted"

    def __call__(self, event: str, **content: Any) -> None:
        """Tell an event; `content` is what the schema lists for it."""
        self._seq += 1
        record = {
            **SCHEMA,
            "event": event,
            "seq": self._seq,
            "lost": self.lost,
            "stamp_ns": self._stamp(),
            "wall_time": iso_utc(self._wall_time()),
            "node": self._node,
            "run": self._run,
            **content,
        }
        try:
            if self._file:
                self._file(record)
        except OSError as error:
            self.lost += 1
            self._complain(f"event {event} is lost: {error}")


def iso_utc(time: datetime) -> str:
    """A time with its time zone as ISO 8601 in UTC, to the millisecond."""
    text = time.astimezone(timezone.utc).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"
