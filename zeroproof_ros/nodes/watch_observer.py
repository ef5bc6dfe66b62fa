"""What somebody sees who looks on while a strict_ik_node and its monitor run."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from numpy.typing import NDArray
from rclpy.exceptions import InvalidTopicNameException
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Float64MultiArray

from zeroproof_ros.errors import ConfigError, MessageRefusedError
from zeroproof_ros.messages.diagnostics import values_from_msg
from zeroproof_ros.messages.rates import rates_from_msg
from zeroproof_ros.messages.results import result_from_msg
from zeroproof_ros.monitor import Rates
from zeroproof_ros.nodes import qos
from zeroproof_ros.nodes.observer import Observer

# How many of the last rows, and of those that nobody served, are kept.
ROWS = 50
REJECTED_ROWS = 5


class Presence(Enum):
    """Whether a topic has a publisher."""

    AWAITED = "awaited"
    HERE = "here"
    GONE = "gone"


@dataclass(frozen=True)
class RejectedRow:
    """A row that nobody served.

    Attributes:
        stamp: of its target [s].
        reason: a code of `Reason`.
        q_abs: |Q|, NaN where it is not known.
        inputs: by name.
    """

    stamp: float
    reason: int
    q_abs: float
    inputs: dict[str, float]


class WatchObserver(Observer):
    """Keeps the last of everything; its memory does not grow.

    Args:
        node: name of the strict_ik_node.
        monitor: name of the monitor_node.
        namespace: of both, empty for none.

    Attributes:
        rows: how many result rows came.
        unreadable: how many messages came that could not be read.
        q_abs, sources: of the last rows.
        rejected: the last rows that nobody served.
        rates: the last rates of the monitor by span, empty before the first.
        bundle: what serves, by what `~/info` says; empty before that.
        info: its values.
        statuses: level and sentence of each diagnostic status of the two nodes, by name.

    Raises:
        ConfigError: a name that no node can have.
    """

    def __init__(self, *, node: str, monitor: str, namespace: str) -> None:
        super().__init__("watch")
        self.rows = self.unreadable = 0
        self.q_abs: deque[float] = deque(maxlen=ROWS)
        self.sources: deque[int] = deque(maxlen=ROWS)
        self.rejected: deque[RejectedRow] = deque(maxlen=REJECTED_ROWS)
        self.rates: dict[str, Rates] = {}
        self.bundle, self.info = "", dict[str, str]()
        self.statuses: dict[str, tuple[int, str]] = {}
        self._prefixes = (f"{node}: ", f"{monitor}: ")
        prefix = "".join(f"/{part}" for part in namespace.split("/") if part)
        subscriptions = (
            (PointCloud2, f"{prefix}/{node}/result", self._on_result, qos.output()),
            (DiagnosticStatus, f"{prefix}/{node}/info", self._on_info, qos.latched()),
            (Float64MultiArray, f"{prefix}/{monitor}/rates", self._on_rates, qos.output()),
        )
        self._presence = {topic: Presence.AWAITED for _, topic, _, _ in subscriptions}
        try:
            for message, topic, callback, profile in subscriptions:
                self.node.create_subscription(message, topic, callback, profile)
        except InvalidTopicNameException as error:
            self.close()
            raise ConfigError(f"not the names of nodes: {error}", found=(node, monitor)) from error
        self.node.create_subscription(
            DiagnosticArray, "/diagnostics", self._on_diagnostics, qos.reliable(100)
        )

    def topics(self) -> dict[str, Presence]:
        """Whether the topics that are looked at have a publisher, or had one."""
        for topic, before in self._presence.items():
            if self.node.count_publishers(topic):
                self._presence[topic] = Presence.HERE
            elif before is Presence.HERE:
                self._presence[topic] = Presence.GONE
        return dict(self._presence)

    def _on_result(self, message: Any) -> None:
        try:
            table = result_from_msg(message)
        except MessageRefusedError:
            self.unreadable += 1
            return
        self.rows += len(table)
        last = table.rows[-ROWS:]
        self.q_abs.extend(last["q_abs"].tolist())
        self.sources.extend(last["source"].tolist())
        stamp = message.header.stamp
        for row in table.rows[~table.served][-REJECTED_ROWS:]:
            self.rejected.append(
                _rejected(row, table.layout.features, stamp.sec + 1e-9 * stamp.nanosec)
            )

    def _on_info(self, message: Any) -> None:
        self.bundle, self.info = message.hardware_id, values_from_msg(message)

    def _on_rates(self, message: Any) -> None:
        try:
            self.rates = rates_from_msg(message)
        except (KeyError, TypeError, ValueError):
            # a monitor of another version has other columns
            self.unreadable += 1

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            if status.name.startswith(self._prefixes):
                self.statuses[status.name] = (status.level[0], status.message)


def _rejected(row: Any, features: tuple[str, ...], stamp: float) -> RejectedRow:
    inputs: NDArray[np.float64] = row["in"]
    return RejectedRow(
        stamp=stamp,
        reason=int(row["reason"]),
        q_abs=float(row["q_abs"]),
        inputs=dict(zip(features, inputs.tolist(), strict=True)),
    )
