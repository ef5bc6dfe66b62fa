"""replay.launch.py: the shipped recording is played to a node, and all ends with it."""

import tempfile
import unittest
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("launch_testing", reason="launch_testing comes with ROS, not from PyPI")
pytest.importorskip("rosbags", reason="reads recordings")

import launch_testing
from launch import LaunchDescription
from launch_client import BUNDLE, SHARE, description

from zeroproof_ros.bags import Recording

BAG = SHARE / "config" / "bags" / "planar_2r.mcap"
OUT = Path(tempfile.mkdtemp()) / "replayed.mcap"


@pytest.mark.launch_test
def generate_test_description() -> LaunchDescription:
    return description(
        "replay.launch.py",
        namespace="arm",
        bundle_dir=str(BUNDLE),
        bag=str(BAG),
        rate="0",
        out=str(OUT),
    )


class TestReplay(unittest.TestCase):
    def test_the_replay_ends(self, proc_info: Any) -> None:
        proc_info.assertWaitForStartup("python", timeout=60.0)
        proc_info.assertWaitForShutdown("python", timeout=60.0)


@launch_testing.post_shutdown_test()
class TestAfterShutdown(unittest.TestCase):
    def test_every_process_ends_with_code_0(self, proc_info: Any) -> None:
        launch_testing.asserts.assertExitCodes(proc_info)

    def test_every_target_was_answered(self) -> None:
        with Recording(BAG) as bag:
            targets = bag.counts["/strict_ik_node/target"]
        with Recording(OUT) as bag:
            assert bag.counts["/arm/strict_ik_node/target"] == targets
            assert bag.counts["/arm/strict_ik_node/result"] == targets
            assert bag.counts["/arm/monitor_node/rates"] > 0
