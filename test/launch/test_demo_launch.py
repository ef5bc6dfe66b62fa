"""demo.launch.py: the arm is led through a singularity by model and solver."""

import unittest
from typing import Any

import pytest

pytest.importorskip("launch_testing", reason="launch_testing comes with ROS, not from PyPI")

import launch_testing
import numpy as np
from launch import LaunchDescription
from launch_client import LaunchClient, description
from sensor_msgs.msg import PointCloud2

from zeroproof_ros.messages.results import result_from_msg
from zeroproof_ros.pipeline import Source


@pytest.mark.launch_test
def generate_test_description() -> LaunchDescription:
    return description("demo.launch.py", namespace="arm")


class TestDemo(unittest.TestCase):
    def test_model_and_solver_serve_the_arm(self) -> None:
        with LaunchClient() as client:
            results = client.collect(PointCloud2, "/arm/strict_ik_node/result")

            def sources() -> set[int]:
                rows = [result_from_msg(message).rows["source"] for message in results]
                return set(np.concatenate(rows)) if rows else set()

            client.spin_until(
                lambda: sources() >= {Source.MODEL, Source.ANALYTIC}, "rows of model and solver"
            )
            assert Source.NONE not in sources()


@launch_testing.post_shutdown_test()
class TestAfterShutdown(unittest.TestCase):
    def test_every_node_ends_with_code_0(self, proc_info: Any) -> None:
        launch_testing.asserts.assertExitCodes(proc_info)
