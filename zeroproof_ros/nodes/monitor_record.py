"""What a monitor_node writes down: events, and its state when it is asked for."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rclpy.node import Node

from zeroproof_ros.messages.diagnostics import values_from_msg
from zeroproof_ros.monitor import (
    BottomRows,
    EventLog,
    JsonlLogger,
    LastBatches,
    event_line,
    iso_utc,
    write_state,
)
from zeroproof_ros.pipeline import ResultTable


class MonitorRecord:
    """The event file and the state file of a node, by its parameters.

    Args:
        node: whose these are.
        settings: the values of its parameters.

    Attributes:
        batches: a line on each of the last result tables.
        counted_since: when counting began, ISO 8601 in UTC.

    Raises:
        ConfigError: the event file can not be written.
        EventFileError: the event file holds something else.
    """

    def __init__(self, node: Node, settings: Mapping[str, Any]) -> None:
        self._node = node
        self._state_file = settings["state_file"]
        file = settings["event_file"]
        self._log = EventLog(
            node.get_fully_qualified_name(),
            JsonlLogger(
                file, max_bytes=settings["event_file_bytes"], max_files=settings["event_files"]
            )
            if file
            else None,
            stamp=self._stamp,
            wall_time=_wall_time,
            complain=self._complain,
        )
        self._bottom_rows = BottomRows(
            settings["bottom_rows_per_second"], settings["bottom_rows_burst"]
        )
        self._digest: str | None = None
        self.batches = LastBatches()
        self.counted_since = iso_utc(_wall_time())
        self._began = self._log.begin()

    def figures(self) -> dict[str, object]:
        """What diagnostics say of it."""
        return {
            "run": self._began,
            "counted_since": self.counted_since,
            "events_lost": self._log.lost,
        }

    def event(self, event: str, **content: Any) -> None:
        """Write an event; `content` is what the schema lists for it."""
        self._log(event, **content)

    def result(self, table: ResultTable, stamp: Any) -> None:
        """Take in a table that was counted, and the stamp of its target."""
        stamp_ns = stamp.sec * 10**9 + stamp.nanosec
        self.batches.add(table.rows, stamp_ns)
        for content in self._bottom_rows.take(
            table.rows, table.layout.features, stamp_ns=stamp_ns, now=time.monotonic()
        ):
            self._log("bottom_row", **content)

    def tell_untold(self, now: float) -> None:
        """Tell how many bottom rows were too many, at a steady time [s]."""
        if untold := self._bottom_rows.untold(now):
            self._log("bottom_rows_not_told", **untold)

    def bundle(self, info: Any) -> None:
        """Tell what serves by a message of `~/info`."""
        values = values_from_msg(info)
        digest = values.get("bundle_digest")
        providers = values.get("providers")
        self._log(
            "bundle",
            bundle=info.hardware_id or None,
            digest=digest,
            previous_digest=self._digest,
            tau_infer=_number(values.get("tau_infer")),
            tau_train=_number(values.get("tau_train")),
            providers=providers.split(",") if providers else [],
        )
        self._digest = digest

    def restart(self) -> None:
        """Forget what was counted."""
        self.tell_untold(math.inf)
        self.batches.clear()
        self.counted_since = iso_utc(_wall_time())

    def export(self, state: Mapping[str, Any]) -> str:
        """Write a state to the state file, if there is one.

        Returns:
            The path of the file, or the state as JSON.

        Raises:
            StateFileError: the file can not be written; the last one stays.
        """
        state = {
            **state,
            "node": self._node.get_fully_qualified_name(),
            "stamp_ns": self._stamp(),
            "wall_time": iso_utc(_wall_time()),
            **self.figures(),
        }
        path = str(Path(self._state_file).absolute()) if self._state_file else None
        if path:
            write_state(path, state)
        rates = {name: span["rates"] for name, span in state["spans"].items()}
        self._log("state", state_file=path, rates=rates)
        return path or event_line(state)

    def close(self) -> None:
        """Tell that the node ends."""
        self.tell_untold(math.inf)
        self._log("stopped")

    def _stamp(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)

    def _complain(self, text: str) -> None:
        self._node.get_logger().error(text, throttle_duration_sec=1.0)


def _wall_time() -> datetime:
    return datetime.now(timezone.utc)


def _number(text: str | None) -> float | None:
    """The number in a text, None where there is none."""
    try:
        return float(text or "")
    except ValueError:
        return None
