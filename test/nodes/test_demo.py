"""The demo, as a newcomer runs it, but shorter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="starts ROS nodes")

from zeroproof_ros.bags import Recording
from zeroproof_ros.bags.recount import recount

ROOT = Path(__file__).parents[2]


def test_the_demo_leads_the_arm_through_a_singularity(tmp_path: Path) -> None:
    # from a quarter of a lap before the folded pose it takes 1.9 s to reach it
    done = subprocess.run(
        [sys.executable, "-m", "zeroproof_ros", "demo", "--duration", "4", "--out", str(tmp_path)],
        env={**os.environ, "ROS_DOMAIN_ID": str(201 + os.getpid() % 30), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr

    summary = json.loads((tmp_path / "summary.json").read_text("utf-8"))
    assert summary["non_finite_commands"] == 0
    assert summary["served_model"] > 0
    assert summary["served_analytic"] > 0
    assert summary["folded_passes"] >= 1
    assert summary["rows"] == sum(
        summary[key] for key in ("served_model", "served_analytic", "rejected")
    )
    assert np.isfinite(list(summary.values())).all()
    # the recording holds what the demo saw, and no rate in it is without its rows
    with Recording(tmp_path / "demo.mcap") as bag:
        assert bag.problems == []
        assert bag.counts["/strict_ik_node/result"] == summary["rows"]
        assert bag.counts["/strict_ik_node/command"] == summary["commands"]
        assert bag.counts["/strict_ik_node/target"] >= summary["rows"]
        assert bag.counts["/strict_ik_node/info"] == 1
        rates = bag.counts["/monitor_node/rates"]
    counted = recount(tmp_path / "demo.mcap")
    assert (counted.rows, counted.checked) == (summary["rows"], rates)
    assert counted.differences == ()
    assert f"recording: {tmp_path / 'demo.mcap'}" in done.stdout
    assert (tmp_path / "path.png").read_bytes().startswith(b"\x89PNG")
    for line in (tmp_path / "events.jsonl").read_text("utf-8").splitlines():
        assert json.loads(line)["schema_name"] == "zeroproof_ros_event"
