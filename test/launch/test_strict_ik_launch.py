"""strict_ik.launch.py: a bundle given on the command line serves, under a namespace."""

import unittest
from typing import Any

import pytest

pytest.importorskip("launch_testing", reason="launch_testing comes with ROS, not from PyPI")

import launch_testing
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from launch import LaunchDescription
from launch_client import BUNDLE, LaunchClient, description
from sensor_msgs.msg import JointState, PointCloud2
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from zeroproof_ros.messages.diagnostics import values_from_msg
from zeroproof_ros.messages.rates import rates_from_msg
from zeroproof_ros.messages.results import result_from_msg
from zeroproof_ros.nodes import qos
from zeroproof_ros.pipeline import Source


@pytest.mark.launch_test
def generate_test_description() -> LaunchDescription:
    return description("strict_ik.launch.py", namespace="arm", bundle_dir=str(BUNDLE))


class TestStrictIK(unittest.TestCase):
    def test_a_target_is_answered_commanded_and_counted(self) -> None:
        with LaunchClient() as client:
            node = "/arm/strict_ik_node"
            info = client.collect(DiagnosticStatus, f"{node}/info", qos.latched())
            results = client.collect(PointCloud2, f"{node}/result")
            commands = client.collect(JointTrajectory, f"{node}/command")
            rates = client.collect(Float64MultiArray, "/arm/monitor_node/rates")
            diagnostics = client.collect(DiagnosticArray, "/diagnostics")
            targets = client.node.create_publisher(JointState, f"{node}/target", 10)
            client.spin_until(lambda: info, "~/info")
            assert values_from_msg(info[0])["bundle_dir"] == str(BUNDLE)

            client.spin_until(targets.get_subscription_count, "the node's subscription")
            names = ["theta1", "theta2", "dx", "dy"]
            targets.publish(JointState(name=names, position=[0.1, 1.0, 0.001, 0.002]))
            client.spin_until(lambda: results and commands, "a result and a command")
            row = result_from_msg(results[0]).rows[0]
            assert row["source"] == Source.MODEL
            expected = list(row["in"][:2] + row["resolved"])
            assert list(commands[0].points[0].positions) == expected
            client.spin_until(
                lambda: rates and rates_from_msg(rates[-1])["all"].rows == 1, "the monitor's count"
            )
            # it has heard of the bundle, and of the rates it was validated with
            client.spin_until(
                lambda: any(
                    status.hardware_id == info[0].hardware_id
                    for message in diagnostics
                    for status in message.status
                    if status.name == "monitor_node: drift" and "validated" in status.message
                ),
                "the monitor's word on drift",
            )


@launch_testing.post_shutdown_test()
class TestAfterShutdown(unittest.TestCase):
    def test_every_node_ends_with_code_0(self, proc_info: Any) -> None:
        launch_testing.asserts.assertExitCodes(proc_info)
