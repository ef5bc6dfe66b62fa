"""Commands: absolute joint positions (M, n) [rad] <-> the three command messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, Header
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from zeroproof_ros.errors import FeatureNamesError, WidthError
from zeroproof_ros.messages.targets import (
    NANOSECONDS,
    joint_state_from_rows,
    multi_array_from_rows,
    rows_from_joint_state,
    rows_from_multi_array,
)
from zeroproof_ros.pipeline import ResultTable, StrictIK

Positions = NDArray[np.float64]


@dataclass(frozen=True)
class CommandFormat:
    """What all commands of a node share.

    Attributes:
        joint_names: the n joints.
        step_duration: the time each step may take [s].
    """

    joint_names: tuple[str, ...]
    step_duration: float


def trajectory_from_positions(
    positions: Positions, form: CommandFormat, header: Header
) -> JointTrajectory:
    """One point per row, `step_duration` apart.

    The stamp is 0, for execution on arrival: a controller drops points whose time has passed.
    """
    message = JointTrajectory(joint_names=list(form.joint_names))
    message.header.frame_id = header.frame_id
    for index, row in enumerate(positions.tolist(), start=1):
        point = JointTrajectoryPoint(positions=row)
        total = round(index * form.step_duration * NANOSECONDS)
        point.time_from_start.sec, point.time_from_start.nanosec = divmod(total, NANOSECONDS)
        message.points.append(point)
    return message


def positions_from_trajectory(message: Any, joint_names: Sequence[str]) -> Positions:
    """The mirror of `trajectory_from_positions`, for joints in any order.

    Raises:
        FeatureNamesError: other joints.
        WidthError: a point without one position per joint.
    """
    names = list(message.joint_names)
    if sorted(names) != sorted(joint_names):
        raise FeatureNamesError(
            f"the joints are {', '.join(names)}, expected {', '.join(joint_names)}",
            found=tuple(names),
            expected=tuple(joint_names),
        )
    for point in message.points:
        if len(point.positions) != len(names):
            raise WidthError(
                f"a point has {len(point.positions)} positions for {len(names)} joints",
                found=len(point.positions),
                expected=len(names),
            )
    order = [names.index(name) for name in joint_names]
    rows = [list(point.positions) for point in message.points]
    return np.array(rows, dtype=np.float64).reshape(-1, len(names))[:, order]


def _joint_state(positions: Positions, form: CommandFormat, header: Header) -> JointState:
    return joint_state_from_rows(positions, form.joint_names, header)


def _multi_array(positions: Positions, form: CommandFormat, _: Header) -> Float64MultiArray:
    return multi_array_from_rows(positions, form.joint_names)


@dataclass(frozen=True)
class CommandType:
    """One `command_type`.

    Attributes:
        message: the message class.
        write: positions (M, n), format and header of the target -> message.
        read: message and joint names -> positions (M, n).
        in_sequence: the rows of one message are executed one after the other, so a hole or a
            jump between them must end it.
        single: holds one row only.
    """

    message: type
    write: Callable[[Positions, CommandFormat, Header], Any]
    read: Callable[[Any, Sequence[str]], Positions]
    in_sequence: bool = False
    single: bool = False


COMMAND_TYPES = {
    "joint_trajectory": CommandType(
        JointTrajectory, trajectory_from_positions, positions_from_trajectory, in_sequence=True
    ),
    "joint_state": CommandType(JointState, _joint_state, rows_from_joint_state, single=True),
    "multi_array": CommandType(Float64MultiArray, _multi_array, rows_from_multi_array),
}


def command_to_msg(
    ik: StrictIK, table: ResultTable, command_type: str, header: Header
) -> tuple[Any, int]:
    """The command that a table of `ik` leads to.

    Returns:
        The message, None where nothing may be executed, and how many of its rows it holds.
    """
    command = COMMAND_TYPES[command_type]
    positions = ik.waypoints(table) if command.in_sequence else ik.commands(table)
    if not len(positions) or (command.single and len(table) > 1):
        return None, 0
    form = CommandFormat(ik.deployment.joint_names, ik.policy.step_duration)
    return command.write(positions, form, header), len(positions)
