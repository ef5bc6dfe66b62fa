"""The `deployment` block: the arm a model moves, and what its columns mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from zeroproof_ros.bundle.metadata import check_schema
from zeroproof_ros.bundle.strict_yaml import read_yaml
from zeroproof_ros.errors import ArmError, DeploymentError
from zeroproof_ros.kinematics import Arm, JointLimits, make_arm

# What the numbers of a model depend on.
MODEL_FIELDS = (
    "robot_type",
    "link_lengths",
    "features",
    "joint_columns",
    "task_columns",
    "outputs",
    "output_kind",
)


class OutputKind(Enum):
    """What the outputs of a model are."""

    JOINT_DELTA = "joint_delta"
    JOINT_POSITION = "joint_position"


@dataclass(frozen=True)
class Deployment:
    """A validated `deployment` block.

    Attributes:
        arm: the arm with its limits.
        robot_type, link_lengths: what it was made from, lengths in [m].
        joint_names: in the order of the outputs.
        base_frame: the frame of task features and tool positions.
        features: the columns of the input table, in order.
        joint_columns: which features are the current joint positions [rad], in joint order.
        task_columns: which features say where the tool shall go [m], in the arm's task order.
        outputs: the columns of the answer, one per joint.
        output_kind: whether an answer is a joint step or a joint position [rad].
        model: how the model was made.
        validation: rates and thresholds measured on held-out data.
    """

    arm: Arm
    robot_type: str
    link_lengths: tuple[float, ...]
    joint_names: tuple[str, ...]
    base_frame: str
    features: tuple[str, ...]
    joint_columns: tuple[int, ...]
    task_columns: tuple[int, ...]
    outputs: tuple[str, ...]
    output_kind: OutputKind
    model: Mapping[str, Any] = field(default_factory=dict)
    validation: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_block(cls, block: Mapping[str, Any], path: Path) -> Deployment:
        """Build from a block; `path` is where it came from, for messages.

        Raises:
            DeploymentError: the block breaks the schema, its arm does not exist, or its names
                do not fit each other.
        """
        check_schema(block, "deployment", path, DeploymentError)
        robot = block["robot"]
        arm = _arm(robot, path)
        _check_names(block, arm, path)
        return cls(
            arm=arm,
            robot_type=robot["type"],
            link_lengths=tuple(robot["link_lengths"]),
            joint_names=tuple(robot["joint_names"]),
            base_frame=block["base_frame"],
            features=tuple(block["features"]),
            joint_columns=_columns(block, "joint_features", path),
            task_columns=_columns(block, "task_features", path),
            outputs=tuple(block["outputs"]),
            output_kind=OutputKind(block["output_kind"]),
            model=block.get("model", {}),
            validation=block.get("validation", {}),
        )

    def check_same_model(self, other: Deployment, path: Path) -> None:
        """Refuse a block from `path` that gives the numbers of a model another meaning.

        Joint names, limits and the base frame may differ: they belong to the robot at hand.

        Raises:
            DeploymentError: geometry, columns or output kind differ; the message names them.
        """
        for name in MODEL_FIELDS:
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                raise DeploymentError(
                    f"{path}: {name} is {theirs}, expected {mine}: it is for another arm or has "
                    "other columns",
                    found=theirs,
                    expected=mine,
                    path=path,
                )


def read_deployment(path: Path) -> Deployment:
    """A deployment block from a YAML or JSON file of its own.

    Raises:
        DeploymentError: the file can not be read, is too large, is not YAML, names a key twice,
            has an alias, or breaks a rule.
    """
    return Deployment.from_block(read_yaml(path, DeploymentError), path)


def _arm(robot: Mapping[str, Any], path: Path) -> Arm:
    position = robot["position_limits"]
    try:
        limits = JointLimits(
            np.array(position["lower"], dtype=np.float64),
            np.array(position["upper"], dtype=np.float64),
            np.array(robot["velocity_limits"], dtype=np.float64),
        )
        return make_arm(robot["type"], robot["link_lengths"], limits)
    except (ArmError, OverflowError) as error:  # an integer may be beyond every float
        raise DeploymentError(f"{path}: {error}", path=path) from error


def _check_names(block: Mapping[str, Any], arm: Arm, path: Path) -> None:
    """Refuse lists of names that do not fit the arm or each other."""
    joints = arm.limits.lower.size
    for name, names in (
        ("joint_names", block["robot"]["joint_names"]),
        ("outputs", block["outputs"]),
        ("joint_features", block["joint_features"]),
    ):
        if len(names) != joints:
            raise DeploymentError(
                f"{path}: {len(names)} {name}, expected one for each of the {joints} joints",
                found=len(names),
                expected=joints,
                path=path,
            )
    if len(block["task_features"]) != len(arm.task_axes):
        raise DeploymentError(
            f"{path}: task_features are {block['task_features']}, expected one for each of the "
            f"tool coordinates {', '.join(arm.task_axes)}",
            found=block["task_features"],
            expected=arm.task_axes,
            path=path,
        )
    both = set(block["joint_features"]) & set(block["task_features"])
    if both:
        raise DeploymentError(
            f"{path}: {', '.join(sorted(both))} are both joint_features and task_features, "
            "expected each feature to mean one thing",
            found=sorted(both),
            path=path,
        )


def _columns(block: Mapping[str, Any], name: str, path: Path) -> tuple[int, ...]:
    features = block["features"]
    unknown = [feature for feature in block[name] if feature not in features]
    if unknown:
        raise DeploymentError(
            f"{path}: {name} {', '.join(unknown)} are not among the features {', '.join(features)}",
            found=unknown,
            expected=features,
            path=path,
        )
    return tuple(features.index(feature) for feature in block[name])
