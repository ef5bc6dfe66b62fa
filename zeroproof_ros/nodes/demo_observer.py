"""What the demo sees of its three nodes, taken from the topics and recorded."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import rclpy
import rclpy.utilities
from diagnostic_msgs.msg import DiagnosticStatus
from numpy.typing import NDArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import JointState, PointCloud2
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from zeroproof_ros.messages.rates import rates_from_msg
from zeroproof_ros.messages.results import result_from_msg
from zeroproof_ros.monitor import Rates
from zeroproof_ros.nodes import qos
from zeroproof_ros.nodes.recorder import Recorder

if TYPE_CHECKING:
    from zeroproof_ros.bags import BagFile

RESULT = "strict_ik_node/result"


class DemoObserver:
    """Subscribes on creation; `spin` takes in what has come; used as a context manager.

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
        rclpy.init(args=["--ros-args", "--log-level", "warn"])
        self.tables: list[NDArray[Any]] = []
        self.stamps: list[float] = []
        self.commands = self.non_finite_commands = 0
        self.rates: dict[str, Rates] | None = None
        self._node = Node("demo_observer")
        recorder = Recorder(self._node, bag, lambda received_ns: received_ns)
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
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)

    def __enter__(self) -> DemoObserver:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.utilities.try_shutdown()

    def spin(self, seconds: float) -> None:
        """Take in messages for some seconds."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def connected(self) -> bool:
        """Whether the nodes publish to this one, and the monitor reads the results as well."""
        publishers = all(s.get_publisher_count() for s in self._subscriptions)
        return publishers and self._node.count_subscribers(RESULT) > 1

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
