"""The two nodes that are compared, as command lines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rclpy.serialization import serialize_message
from std_msgs.msg import Header

from harness.rows import BUNDLE, target_rows
from zeroproof_ros.bundle import load_bundle
from zeroproof_ros.messages.commands import COMMAND_TYPES, CommandFormat
from zeroproof_ros.messages.results import result_to_msg
from zeroproof_ros.messages.targets import TARGET_TYPES
from zeroproof_ros.pipeline import StrictIK


@dataclass(frozen=True)
class Topics:
    """The types of the target and the command, as the parameters of strict_ik_node say them."""

    target_type: str
    command_type: str


def strict_node(topics: Topics) -> list[str]:
    """Arguments of Python that start strict_ik_node with the shipped bundle."""
    return [
        *("-m", "zeroproof_ros.nodes.strict_ik_node", "--ros-args"),
        *("-p", f"bundle_dir:={BUNDLE}"),
        *("-p", f"target_type:={topics.target_type}"),
        *("-p", f"command_type:={topics.command_type}"),
    ]


def echo_node(topics: Topics, batch: int, folder: Path) -> list[str]:
    """Arguments of Python that start the echo node with the answers to `batch` rows.

    The answers are left in `folder`, from where the node reads them.
    """
    ik = StrictIK(load_bundle(BUNDLE))
    table = ik.solve(target_rows(batch))
    header = Header(frame_id=ik.deployment.base_frame)
    form = CommandFormat(ik.deployment.joint_names, ik.policy.step_duration)
    command = COMMAND_TYPES[topics.command_type].write(ik.commands(table), form, header)
    target, _ = TARGET_TYPES[topics.target_type]
    arguments = ["-m", "harness.echo_node", _class_name(target)]
    for topic, message in (("result", result_to_msg(table, header)), ("command", command)):
        path = folder / topic
        path.write_bytes(serialize_message(message))
        arguments += [_class_name(type(message)), str(path)]
    return arguments


def _class_name(message: type) -> str:
    """For example sensor_msgs.msg.JointState, which is where it is imported from."""
    return f"{message.__module__.rpartition('.')[0]}.{message.__name__}"
