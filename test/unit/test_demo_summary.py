"""The figures of the demo's summary, from rows whose outcome is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zeroproof_ros.bundle import load_bundle, read_deployment
from zeroproof_ros.cli.demo import summarise
from zeroproof_ros.pipeline import Policy, StrictIK

CONFIG = Path(__file__).parents[2] / "config"


@pytest.fixture(scope="module")
def ik() -> StrictIK:
    return StrictIK(load_bundle(CONFIG / "bundles" / "planar_2r"), Policy(step_duration=0.5))


def test_tracking_error_is_the_distance_from_where_the_target_before_sent_the_tool(
    ik: StrictIK,
) -> None:
    arm = ik.deployment.arm
    q = np.array([[0.0, 1.0], [0.1, 1.0], [0.1, 1.0], [0.1, 1.0]])
    step = arm.forward(q[1:2]) - arm.forward(q[:1])
    dx = np.concatenate([step, np.zeros((1, 2)), [[0.003, 0.0]], np.zeros((1, 2))])
    rows = ik.solve(np.concatenate([q, dx], axis=1)).rows

    def error(stamps: list[float]) -> float:
        return float(summarise(rows, np.array(stamps), ik.deployment)["max_tracking_error_m"])

    assert error([0.0, 0.1, 0.2, 0.3]) == pytest.approx(0.003)
    # where a target is missing in between, its two neighbours are not compared
    assert error([0.0, 0.1, 0.2, 0.4]) == pytest.approx(0.0, abs=1e-9)


def test_a_pass_is_counted_when_the_tool_leaves_a_singular_circle(ik: StrictIK) -> None:
    q2 = np.array([0.5, 0.0, 0.0, 0.5, np.pi, 0.5, 0.0])
    rows = ik.solve(np.stack([0 * q2, q2, 0 * q2, 0 * q2], axis=1)).rows
    summary = summarise(rows, np.arange(len(rows)) * 0.1, ik.deployment)
    assert (summary["stretched_passes"], summary["folded_passes"]) == (1, 1)
    assert summary["rows"] == 7


def test_the_robot_file_is_the_block_of_the_shipped_bundle(ik: StrictIK) -> None:
    ik.deployment.check_same_model(
        read_deployment(CONFIG / "robots" / "planar_2r.yaml"), CONFIG / "robots"
    )
