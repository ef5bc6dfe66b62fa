"""monitor.launch.py: counts the results of the topic it is told."""

import unittest
from typing import Any

import pytest

pytest.importorskip("launch_testing", reason="launch_testing comes with ROS, not from PyPI")

import launch_testing
import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from launch import LaunchDescription
from launch_client import BUNDLE, LaunchClient, description
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Float64MultiArray, Header

from zeroproof_ros.bundle import load_bundle
from zeroproof_ros.messages.info import info_to_msg
from zeroproof_ros.messages.rates import rates_from_msg
from zeroproof_ros.messages.results import result_to_msg
from zeroproof_ros.nodes import qos
from zeroproof_ros.pipeline import StrictIK


@pytest.mark.launch_test
def generate_test_description() -> LaunchDescription:
    return description(
        "monitor.launch.py",
        namespace="arm",
        result_topic="/recorded/result",
        info_topic="/recorded/info",
    )


class TestMonitor(unittest.TestCase):
    def test_results_are_counted(self) -> None:
        ik = StrictIK(load_bundle(BUNDLE))
        # one row the model serves, one exactly stretched that the solver serves
        table = ik.solve(np.array([[0.1, 1.0, 0.001, 0.002], [0.1, 0.0, -0.001, 0.0]]))
        with LaunchClient() as client:
            rates = client.collect(Float64MultiArray, "/arm/monitor_node/rates")
            diagnostics = client.collect(DiagnosticArray, "/diagnostics")
            info = client.node.create_publisher(DiagnosticStatus, "/recorded/info", qos.latched())
            info.publish(info_to_msg(ik, "recorded: bundle"))
            results = client.node.create_publisher(PointCloud2, "/recorded/result", 10)
            client.spin_until(results.get_subscription_count, "the monitor")
            results.publish(result_to_msg(table, Header()))
            client.spin_until(
                lambda: rates and rates_from_msg(rates[-1])["all"].rows == 2, "the monitor's count"
            )
            counted = rates_from_msg(rates[-1])["all"]
            assert (counted.bottom_rate, counted.fallback_rate) == (0.5, 0.5)
            client.spin_until(
                lambda: any(
                    status.hardware_id == ik.bundle.id
                    for message in diagnostics
                    for status in message.status
                ),
                "a status of the bundle",
            )


@launch_testing.post_shutdown_test()
class TestAfterShutdown(unittest.TestCase):
    def test_the_node_ends_with_code_0(self, proc_info: Any) -> None:
        launch_testing.asserts.assertExitCodes(proc_info)
