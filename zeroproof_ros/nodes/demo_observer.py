"""What the demo sees of its three nodes, taken from the topics and recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from numpy.typing import NDArray
from sensor_msgs.msg import JointState, PointCloud2
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from zeroproof_ros.messages.rates import rates_from_msg
from zeroproof_ros.messages.results import result_from_msg
from zeroproof_ros.monitor import Rates
from zeroproof_ros.nodes import qos
from zeroproof_ros.nodes.observer import Observer
from zeroproof_ros.nodes.recorder import Recorder

if TYPE_CHECKING:
    from zeroproof_ros.bags import BagFile

RESULT = "strict_ik_node/result"


class DemoObserver(Observer):
    """Keeps everything that comes.

    Args:
        bag: where all of it is recorded, None for nowhere.

    Attributes:
        tables: the result tables in order of arrival, one structured array each.
        stamps: the stamp of each table [s].
        commands: how many commands came.
        non_finite_commands: how many of them held a number that is not finite.
        rates: the last rates of the monitor, None before the first.
    """

    def __init__(self, bag: BagFile | None) -> None:
        super().__init__("demo_observer")
        self.tables: list[NDArray[Any]] = []
        self.stamps: list[float] = []
        self.commands = self.non_finite_commands = 0
        self.rates: dict[str, Rates] | None = None
        recorder = Recorder(self.node, bag, lambda received_ns: received_ns)
        # deep enough that a slow terminal loses nothing
        depth = qos.reliable(1000)
        self._subscriptions = [
            recorder.record(message, topic, profile, then)
            for message, topic, profile, then in (
                (PointCloud2, RESULT, depth, self._on_result),
                (JointTrajectory, "strict_ik_node/command", depth, self._on_command),
                (Float64MultiArray, "monitor_node/rates", depth, self._on_rates),
                (DiagnosticStatus, "strict_ik_node/info", qos.latched(), lambda _: None),
            )
        ]
        # its publisher comes last, and waits for this subscription
        recorder.record(JointState, "strict_ik_node/target", depth, lambda _: None)

    def connected(self) -> bool:
        """Whether the nodes publish to this one, and the monitor reads the results as well."""
        publishers = all(s.get_publisher_count() for s in self._subscriptions)
        return publishers and self.node.count_subscribers(RESULT) > 1

    def _on_result(self, message: Any) -> None:
        self.tables.append(result_from_msg(message).rows)
        stamp = message.header.stamp
        self.stamps.append(stamp.sec + 1e-9 * stamp.nanosec)

    def _on_command(self, message: Any) -> None:
        self.commands += 1
        finite = all(np.isfinite(point.positions).all() for point in message.points)
        self.non_finite_commands += not finite

    def _on_rates(self, message: Any) -> None:
        self.rates = rates_from_msg(message)
