"""config/bags/planar_2r.mcap is a run of the demo through both singularities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="reads the recording")
pytest.importorskip("sensor_msgs", reason="the ROS message packages are not installed here")

from zeroproof_ros.bags import Recording
from zeroproof_ros.bags.cdr import from_cdr
from zeroproof_ros.bundle import load_bundle
from zeroproof_ros.cli.demo import summarise
from zeroproof_ros.messages.diagnostics import values_from_msg
from zeroproof_ros.messages.results import result_from_msg
from zeroproof_ros.pipeline import Source

CONFIG = Path(__file__).parents[2] / "config"
SHIPPED = CONFIG / "bags" / "planar_2r.mcap"
NODE = "/strict_ik_node"


def test_it_is_small_and_whole() -> None:
    assert SHIPPED.stat().st_size < 300_000
    with Recording(SHIPPED) as bag:
        assert set(bag.topics) == {
            *(f"{NODE}/{name}" for name in ("target", "result", "command", "info")),
            "/monitor_node/rates",
        }
        answered = (bag.counts[f"{NODE}/{name}"] for name in ("target", "result", "command"))
        assert len(set(answered)) == 1
        assert sum(1 for _ in bag.messages(*bag.topics)) == sum(bag.counts.values())
        assert bag.problems == []


def test_it_holds_both_circles_bottoms_gaps_and_both_sources() -> None:
    bundle = load_bundle(CONFIG / "bundles" / "planar_2r")
    with Recording(SHIPPED) as bag:
        results, infos = (
            [from_cdr(m.data, bag.topics[m.topic]) for m in bag.messages(f"{NODE}/{name}")]
            for name in ("result", "info")
        )
    (info,) = infos
    assert values_from_msg(info)["bundle_digest"] == bundle.digest
    rows = np.concatenate([result_from_msg(message).rows for message in results])
    stamps = [m.header.stamp.sec + 1e-9 * m.header.stamp.nanosec for m in results]
    assert bundle.deployment is not None
    summary = summarise(rows, np.array(stamps), bundle.deployment)
    assert summary["stretched_passes"] >= 1
    assert summary["folded_passes"] >= 1
    assert rows["bottom"].any()
    assert rows["gap"].any()
    assert set(rows["source"]) == {Source.MODEL, Source.ANALYTIC}
