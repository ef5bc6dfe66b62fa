"""arm_simulator_node alone, and led by strict_ik_node through both singular poses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from client import Client
from node_process import ROOT, NodeProcess, Start
from sensor_msgs.msg import JointState
from std_msgs.msg import Header
from strict_harness import FEATURES, JOINTS, Serve
from trajectory_msgs.msg import JointTrajectory

from zeroproof_ros.messages.commands import CommandFormat, trajectory_from_positions
from zeroproof_ros.pipeline import Source

ROBOT = ROOT / "config" / "robots" / "planar_2r.yaml"
SPEED = 3.0  # [rad/s], of both joints in ROBOT


@dataclass
class Simulator:
    """An arm_simulator_node; positions (2,) [rad] in order of arrival."""

    client: Client
    process: NodeProcess
    states: list[Any]
    targets: list[Any]
    publisher: Any

    @property
    def q(self) -> np.ndarray:
        return np.array([state.position for state in self.states])

    def wait_for_states(self, more: int) -> None:
        seen = len(self.states)
        self.client.wait(lambda: len(self.states) >= seen + more, f"{more} joint states")

    def command(self, *positions: float) -> None:
        form = CommandFormat(JOINTS, 0.1)
        message = trajectory_from_positions(np.array([positions]), form, Header())
        self.publisher.publish(message)


@pytest.fixture
def simulator(client: Client, start: Start) -> Simulator:
    process = start(
        "arm_simulator_node",
        "-r",
        "__ns:=/sim",
        deployment_file=str(ROBOT),
        rate=100,
        lap_steps=400,
    )
    return Simulator(
        client,
        process,
        client.collect(JointState, "/sim/joint_states"),
        client.collect(JointState, "/sim/arm_simulator_node/target"),
        client.publisher(JointTrajectory, "/sim/arm_simulator_node/command"),
    )


def test_it_waits_and_follows_within_the_velocity_limits(simulator: Simulator) -> None:
    simulator.wait_for_states(20)
    # nothing moves before the first command, and the target stays where it is
    assert (simulator.q == simulator.q[0]).all()
    assert len({tuple(target.position) for target in simulator.targets}) == 1
    assert tuple(simulator.states[0].name) == JOINTS
    assert tuple(simulator.targets[0].name) == FEATURES
    assert simulator.targets[0].header.frame_id == "base_link"
    start = simulator.q[0]

    # none of these is followed
    for bad in ((np.nan, 0.0), (0.0, np.inf), (0.0, 3.2), (-4.0, 0.0), ()):
        simulator.command(*bad)
    simulator.publisher.publish(JointTrajectory())
    simulator.publisher.publish(JointTrajectory(joint_names=list(JOINTS)))
    simulator.wait_for_states(20)
    simulator.client.wait(
        lambda: "command refused: " in simulator.process.output, "the refusal in the log"
    )
    assert (simulator.q == start).all()

    goal = start + np.array([0.3, -0.2])
    simulator.command(*goal)
    simulator.client.wait(lambda: np.array_equal(simulator.q[-1], goal), "the arm at its goal")
    steps = np.abs(np.diff(simulator.q, axis=0))
    assert steps.max() == pytest.approx(SPEED / 100)
    # 0.3 rad at 0.03 rad per tick
    assert np.count_nonzero(steps[:, 0]) == 10
    # a NaN is not followed on the way either
    simulator.command(np.nan, 0.0)
    simulator.wait_for_states(10)
    assert (simulator.q[-1] == goal).all()
    # the path goes on since the first command
    assert len({tuple(target.position) for target in simulator.targets}) > 10


def test_it_asks_nothing_before_all_can_hear_it(client: Client, start: Start) -> None:
    start("arm_simulator_node", "-r", "__ns:=/heard", deployment_file=str(ROBOT), listeners=2)
    states = client.collect(JointState, "/heard/joint_states")
    topic = "/heard/arm_simulator_node/target"
    first = client.collect(JointState, topic)
    client.wait(lambda: client.node.count_publishers(topic) and len(states) > 20, "its states")
    assert first == []
    second = client.collect(JointState, topic)
    client.wait(lambda: first and second, "what it asks")
    assert first[0] == second[0]


def test_strict_inference_leads_it_through_both_singular_poses(
    client: Client, start: Start, serve: Serve, tmp_path: Path
) -> None:
    rate, lap = 50, 376
    max_step = 6.0 / rate
    robot = yaml.safe_load(ROBOT.read_text("utf-8"))
    robot["robot"]["velocity_limits"] = [6.0, 6.0]
    file = tmp_path / "robot.yaml"
    file.write_text(yaml.safe_dump(robot))
    # a target that comes 0.5 s late on a busy machine would be stale: not what this is about
    node = serve(
        deployment_file=str(file),
        step_duration=1 / rate,
        target_timeout=0.0,
        settle=False,
    )
    states = client.collect(JointState, "/led/joint_states")
    client.wait(node.publisher.get_subscription_count, "~/target")
    start(
        "arm_simulator_node",
        *("-r", "__ns:=/led"),
        *("-r", f"~/target:=/{node.name}/target", "-r", f"~/command:=/{node.name}/command"),
        deployment_file=str(file),
        rate=rate,
        lap_steps=lap,
    )
    # counted from the first state that came, which on a busy machine is not the first
    node.wait(lambda: len(states) > lap + 20, "a lap")
    q = np.array([state.position for state in states])
    assert np.isfinite(q).all()
    assert np.abs(np.diff(q, axis=0)).max() <= max_step + 1e-12
    # stretched and folded, to one step: an arm that is asked late on a busy machine cuts the corner
    assert np.abs(q[:, 1]).min() < max_step
    assert np.abs(q[:, 1]).max() > np.pi - max_step
    rows = np.concatenate([table.rows for table in node.results])
    assert (rows["source"] != Source.NONE).all()
    assert {Source.MODEL, Source.ANALYTIC} == set(rows["source"])
    assert np.count_nonzero(rows["bottom"]) > 2
    for command in node.commands:
        positions = node.positions(command)
        assert (np.abs(positions) <= np.pi).all()
    # it keeps up with where it is sent [m]
    assert np.hypot(*rows["in"][20:, 2:].T).max() < 0.1


def test_an_arm_that_can_not_reach_the_path_is_refused_in_one_line(
    start: Start, tmp_path: Path
) -> None:
    robot = yaml.safe_load(ROBOT.read_text("utf-8"))
    robot["robot"]["position_limits"] = {"lower": [-0.1, -0.1], "upper": [0.1, 0.1]}
    (tmp_path / "narrow.yaml").write_text(yaml.safe_dump(robot))
    process = start("arm_simulator_node", deployment_file=str(tmp_path / "narrow.yaml"))
    process.expected_code = 1
    assert process.wait() == 1
    assert "within its limits the arm does not reach" in process.output
