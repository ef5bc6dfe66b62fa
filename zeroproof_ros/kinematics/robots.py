"""Arms by the name a bundle gives them."""

from __future__ import annotations

from collections.abc import Sequence

from zeroproof_ros.errors import ArmError
from zeroproof_ros.kinematics.arm import Arm
from zeroproof_ros.kinematics.limits import JointLimits
from zeroproof_ros.kinematics.planar_2r import Planar2R

ROBOT_TYPES = {"planar_2r": Planar2R}


def make_arm(robot_type: str, link_lengths: Sequence[float], limits: JointLimits) -> Arm:
    """The arm of a type in `ROBOT_TYPES`, link lengths in [m].

    Raises:
        ArmError: an unknown type, or lengths and limits that do not fit it.
    """
    if robot_type not in ROBOT_TYPES:
        raise ArmError(
            f"robot type is {robot_type!r}, expected one of {', '.join(ROBOT_TYPES)}",
            found=robot_type,
            expected=tuple(ROBOT_TYPES),
        )
    return ROBOT_TYPES[robot_type](link_lengths, limits)
