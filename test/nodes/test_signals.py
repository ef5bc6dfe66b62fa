"""Every node ends with exit code 0 and without a traceback, whatever it is doing."""

from __future__ import annotations

import signal
from typing import Any

import numpy as np
import pytest
from client import Client
from node_process import ROOT, NodeProcess, Start
from sensor_msgs.msg import JointState, PointCloud2
from std_msgs.msg import Header
from strict_harness import BOTTOM, BUNDLE, GAP, GOOD, rows_of, target

from zeroproof_ros.messages.results import result_to_msg


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM], ids=lambda by: by.name)
def test_nodes_end_well_while_they_work(client: Client, start: Start, solver: Any, by: Any) -> None:
    """Each twice: the moment of the signal is another each time."""
    space = f"/end_{by.name}"
    processes: list[NodeProcess] = []
    for i in range(2):
        here = ("-r", f"__ns:={space}{i}")
        processes += [
            start("strict_ik_node", *here, bundle_dir=str(BUNDLE), target_type="point_cloud"),
            start("monitor_node", *here, rate=100),
            start(
                "arm_simulator_node",
                *here,
                rate=1000,
                deployment_file=str(ROOT / "config" / "robots" / "planar_2r.yaml"),
            ),
        ]
    message = target(np.tile(rows_of(GOOD, BOTTOM, GAP, (np.nan,) * 4), (50, 1)), "point_cloud")
    result = result_to_msg(solver().solve(rows_of(GOOD, BOTTOM, GAP)), Header())
    feeds = []
    for i in range(2):
        results = client.collect(PointCloud2, f"{space}{i}/strict_ik_node/result")
        states = client.collect(JointState, f"{space}{i}/joint_states")
        targets = client.publisher(PointCloud2, f"{space}{i}/strict_ik_node/target")
        watched = client.publisher(PointCloud2, f"{space}{i}/monitor_node/result")
        feeds.append((targets, watched, results, states))

    def feed() -> bool:
        for targets, watched, _, _ in feeds:
            targets.publish(message)
            watched.publish(result)
        return all(results and states for _, _, results, states in feeds)

    client.wait(feed, "all nodes to work")
    for process in processes:
        for _ in range(3):
            feed()
        process.signal(by)
    # the impatient signal twice
    for process in processes[::2]:
        process.signal(by)
    while any(process.running for process in processes):
        feed()
        client.spin(0.002)
    for process in processes:
        process.ended_well()
