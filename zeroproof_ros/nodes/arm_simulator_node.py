"""A simulated planar arm that asks to be led along a path through its singularities."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from zeroproof_ros.bundle import OutputKind, read_deployment
from zeroproof_ros.errors import ConfigError, DeploymentError, MessageRefusedError
from zeroproof_ros.kinematics import AnalyticSolver, Planar2R
from zeroproof_ros.kinematics.singular_path import singular_path
from zeroproof_ros.messages.commands import COMMAND_TYPES
from zeroproof_ros.messages.targets import joint_state_from_rows
from zeroproof_ros.nodes import qos
from zeroproof_ros.nodes.parameters import ParameterSpec, declare, values
from zeroproof_ros.nodes.process import run_node

PARAMETERS = (
    ParameterSpec(
        "deployment_file",
        "",
        "YAML file with the `deployment` block of a planar_2r arm whose "
        "bundle answers joint steps.",
    ),
    ParameterSpec("rate", 50.0, "Targets per second [Hz].", 1.0, 1000.0),
    ParameterSpec(
        "lap_steps",
        376,
        "Targets per lap; a multiple of 4 meets both singular poses exactly.",
        8,
        1_000_000,
    ),
    ParameterSpec(
        "listeners",
        1,
        "Subscriptions to ~/target without which the first target is not sent.",
        0,
        1000,
    ),
    ParameterSpec(
        "command_type",
        "joint_trajectory",
        "Message type of ~/command.",
        choices=tuple(COMMAND_TYPES),
    ),
)
# The arm starts a quarter of a lap before the folded pose, where it is far from both.
START_PHASE = math.pi / 2


class ArmSimulatorNode(Node):
    """Publishes `~/target` and `joint_states`, follows `~/command`.

    Each tick moves the joints towards the last command as fast as the velocity limits allow, and
    asks for the step to the next point of the path, whether or not the last one was reached. The
    path waits at its start until the first command has come. Nothing is asked before there are
    enough to hear it, so that all of them hear the same.
    """

    def __init__(self) -> None:
        super().__init__("arm_simulator_node")
        declare(self, PARAMETERS)
        settings = values(self, PARAMETERS)
        if not settings["deployment_file"]:
            raise ConfigError("parameter deployment_file is empty, expected the file of a robot")
        path = Path(settings["deployment_file"])
        self._deployment = read_deployment(path)
        arm = self._deployment.arm
        if not isinstance(arm, Planar2R) or (
            self._deployment.output_kind is not OutputKind.JOINT_DELTA
        ):
            raise DeploymentError(
                f"{path}: the simulator leads a planar_2r arm by joint steps, not a "
                f"{self._deployment.robot_type} by {self._deployment.output_kind.value}",
                path=path,
            )
        self._arm = arm
        self._max_step = arm.limits.max_step(1.0 / settings["rate"])
        self._lap_steps = settings["lap_steps"]
        self._tick = 0
        self._listeners = settings["listeners"]
        self._q = AnalyticSolver(arm).position(np.zeros((1, 2)), self._reference(0))
        if np.isnan(self._q).any():
            raise DeploymentError(
                f"{path}: within its limits the arm does not reach {self._reference(0)[0]}, where "
                "the path starts",
                path=path,
            )
        self._commanded: NDArray[Any] | None = None
        command = COMMAND_TYPES[settings["command_type"]]
        self._read_command = command.read
        self.create_subscription(
            command.message,
            "~/command",
            self._on_command,
            qos.reliable(1),
            qos_overriding_options=qos.overridable(),
        )
        self._target, self._joint_states = (
            self.create_publisher(
                JointState, topic, qos.output(), qos_overriding_options=qos.overridable()
            )
            for topic in ("~/target", "joint_states")
        )
        self.create_timer(1.0 / settings["rate"], self._on_tick)

    def _reference(self, tick: int) -> NDArray[Any]:
        return singular_path(
            self._arm, np.array([START_PHASE + 2 * math.pi * tick / self._lap_steps])
        )

    def _on_command(self, message: Any) -> None:
        try:
            positions = self._read_command(message, self._deployment.joint_names)
        except MessageRefusedError as error:
            self.get_logger().error(f"command refused: {error}", throttle_duration_sec=1.0)
            return
        if not len(positions) or not self._arm.limits.contain(positions[:1]).all():
            self.get_logger().error(
                f"command refused: {positions.tolist()} is not within the limits",
                throttle_duration_sec=1.0,
            )
            return
        self._commanded = positions[:1]

    def _on_tick(self) -> None:
        if self._commanded is not None:
            self._q = self._q + np.clip(self._commanded - self._q, -self._max_step, self._max_step)
            self._tick += 1
        deployment = self._deployment
        row = np.zeros((1, len(deployment.features)))
        row[:, deployment.joint_columns] = self._q
        row[:, deployment.task_columns] = self._reference(self._tick) - self._arm.forward(self._q)
        header = Header(stamp=self.get_clock().now().to_msg())
        self._joint_states.publish(joint_state_from_rows(self._q, deployment.joint_names, header))
        if self._target.get_subscription_count() < self._listeners:
            return
        self._listeners = 0  # who leaves later does not stop the arm
        header.frame_id = deployment.base_frame
        self._target.publish(joint_state_from_rows(row, deployment.features, header))


def main(args: Sequence[str] | None = None) -> int:
    """Run the node as a process; the exit code is 0 after a signal."""
    return run_node(ArmSimulatorNode, args)


if __name__ == "__main__":
    sys.exit(main())
