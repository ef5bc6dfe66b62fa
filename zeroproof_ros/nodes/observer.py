"""A node that only looks on, spun by whom it belongs to."""

from __future__ import annotations

import time

import rclpy
import rclpy.utilities
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions


class Observer:
    """`spin` takes in what has come; there is one at a time in a process.

    Attributes:
        node: for subscriptions.
    """

    def __init__(self, name: str) -> None:
        # Ctrl-C belongs to the program that looks on, which has more to end than this.
        rclpy.init(
            args=["--ros-args", "--log-level", "warn"],
            signal_handler_options=SignalHandlerOptions.NO,
        )
        self.node = Node(name)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)

    def close(self) -> None:
        """End the node, and ROS in this process."""
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.utilities.try_shutdown()

    def spin(self, seconds: float) -> None:
        """Take in messages for some seconds."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)
