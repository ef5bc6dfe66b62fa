"""Who sends targets to a node and waits for its answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import rclpy
import rclpy.utilities
from numpy.typing import NDArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import JointState, PointCloud2
from std_msgs.msg import Header

from harness.processes import Process
from harness.rows import ROBOT
from harness.sides import Topics
from zeroproof_ros.bundle import read_deployment
from zeroproof_ros.messages.commands import COMMAND_TYPES
from zeroproof_ros.messages.results import result_from_msg
from zeroproof_ros.messages.targets import joint_state_from_rows, point_cloud_from_rows
from zeroproof_ros.nodes import qos
from zeroproof_ros.pipeline import Source

if TYPE_CHECKING:
    from typing_extensions import Self


ANSWER_TIMEOUT = 30.0  # [s], for a node that may still be starting

# How rows (N, F) become a target of a `target_type`.
WRITE: dict[str, tuple[type, Callable[..., Any]]] = {
    "joint_state": (JointState, joint_state_from_rows),
    "point_cloud": (PointCloud2, point_cloud_from_rows),
}


class Client:
    """A node of its own, used as a context manager; it makes no thread and spins when told."""

    def __init__(self) -> None:
        rclpy.init(args=["--ros-args", "--log-level", "warn"])
        self.node = Node("benchmark_client", start_parameter_services=False, enable_rosout=False)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        deployment = read_deployment(ROBOT)
        self.features, self.base_frame = deployment.features, deployment.base_frame

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.utilities.try_shutdown()

    def spin_once(self, timeout: float) -> None:
        """Take in one message, or wait so long [s] for none."""
        self._executor.spin_once(timeout_sec=timeout)


class Server:
    """The topics of one node under test, as its client sees them.

    Args:
        client: who asks.
        process: the node, so that its death is told at once.
        node: its name.
        topics: their types.
    """

    def __init__(self, client: Client, process: Process, node: str, topics: Topics) -> None:
        self._client, self._process = client, process
        target, self._write = WRITE[topics.target_type]
        self._target = client.node.create_publisher(target, f"{node}/target", qos.reliable(1))
        self._subscriptions = [
            client.node.create_subscription(message, f"{node}/{topic}", callback, qos.output())
            for message, topic, callback in (
                (PointCloud2, "result", self._on_result),
                (COMMAND_TYPES[topics.command_type].message, "command", self._on_command),
            )
        ]
        self.result: Any = None
        self._results = self._commands = 0

    def message(self, rows: NDArray[np.float64]) -> Any:
        """The target message of rows (N, F)."""
        return self._write(rows, self._client.features, Header(frame_id=self._client.base_frame))

    def first_result(self, message: Any, *, repeat_every: float) -> float:
        """When (`time.perf_counter`) the first result came of a target published again and again.

        Returns once a command has come too.
        """
        arrived = 0.0
        deadline = time.monotonic() + ANSWER_TIMEOUT
        while not (self._results and self._commands):
            self.publish(message)
            self._client.spin_once(repeat_every)
            if self._results and not arrived:
                arrived = time.perf_counter()
            self._process.check_alive()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._process.name}: no answer in {ANSWER_TIMEOUT:g} s")
        return arrived

    def settle(self) -> None:
        """Take in what is still on its way."""
        quiet = time.monotonic()
        seen = -1
        while time.monotonic() < quiet + 0.3:
            if seen != self._results + self._commands:
                seen, quiet = self._results + self._commands, time.monotonic()
            self._client.spin_once(0.05)

    def round_trip(self, message: Any) -> float:
        """Seconds from before the target is published until its result and command are here."""
        self._results = self._commands = 0
        started = time.perf_counter()
        self.publish(message)
        while not (self._results and self._commands):
            self._client.spin_once(1.0)
            if time.perf_counter() - started > ANSWER_TIMEOUT:
                self._process.check_alive()
                raise TimeoutError(f"{self._process.name}: an answer was lost")
        return time.perf_counter() - started

    def publish(self, message: Any) -> None:
        """Stamp a target and publish it."""
        message.header.stamp = self._client.node.get_clock().now().to_msg()
        self._target.publish(message)

    def served_by(self) -> dict[str, int]:
        """How many rows of the last result each source served."""
        sources = result_from_msg(self.result)["source"]
        return {source.name.lower(): int((sources == source).sum()) for source in Source}

    def close(self) -> None:
        """Leave the topics."""
        self._client.node.destroy_publisher(self._target)
        for subscription in self._subscriptions:
            self._client.node.destroy_subscription(subscription)

    def _on_result(self, message: Any) -> None:
        self.result = message
        self._results += 1

    def _on_command(self, _: Any) -> None:
        self._commands += 1
