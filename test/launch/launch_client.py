"""What the launch tests share: their own DDS domain, and a node that waits for messages."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import rclpy
from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription, SetEnvironmentVariable
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_testing.actions import ReadyToTest
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile

SHARE = Path(get_package_share_directory("zeroproof_ros"))
BUNDLE = SHARE / "config" / "bundles" / "planar_2r"
# One domain per test run, so that runs beside each other do not meet.
DOMAIN_ID = 101 + os.getpid() % 100


def description(launch_file: str, **arguments: str) -> LaunchDescription:
    """The launch file as `ros2 launch` would start it, in the domain of the tests."""
    source = PythonLaunchDescriptionSource(str(SHARE / "launch" / launch_file))
    return LaunchDescription(
        [
            SetEnvironmentVariable("ROS_DOMAIN_ID", str(DOMAIN_ID)),
            SetEnvironmentVariable("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST"),
            IncludeLaunchDescription(source, launch_arguments=arguments.items()),
            ReadyToTest(),
        ]
    )


class LaunchClient:
    """A node in the domain of the tests; used as a context manager."""

    def __init__(self) -> None:
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
        self._context = Context()
        rclpy.init(context=self._context, domain_id=DOMAIN_ID)
        self.node = Node("launch_client", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)

    def __enter__(self) -> LaunchClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)

    def collect(self, message: type, topic: str, qos: QoSProfile | int = 100) -> list[Any]:
        """A list that fills with what comes on the topic."""
        received: list[Any] = []
        self.node.create_subscription(message, topic, received.append, qos)
        return received

    def spin_until(self, condition: Any, what: str, timeout: float = 30.0) -> None:
        """Take in messages until the condition holds; fail with `what` was awaited."""
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, f"waited {timeout:g} s in vain for {what}"
            self._executor.spin_once(timeout_sec=0.1)
