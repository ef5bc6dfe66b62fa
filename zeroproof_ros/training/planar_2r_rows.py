"""Rows of a planar two-link arm with their exact projective answers.

In the letters of `exact_planar_2r`, for a tool step dx at the joint angles q:

    P = adj(J) dx      Q = det J

The steps are those a robot asks for: the tool moves to where a small joint step leads. So every
target can be reached, also next to a singularity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.bundle import Deployment, OutputKind
from zeroproof_ros.errors import ConfigError, DeploymentError
from zeroproof_ros.kinematics import Arm
from zeroproof_ros.kinematics.limits import FloatArray
from zeroproof_ros.pipeline.policy import drawn_step

# A NEAR row has |det J| below this share of the largest, which is several times a usual tau_train.
NEAR_DETERMINANT = 0.15
NEAR_SHARE, SINGULAR_SHARE = 0.3, 0.01
VALIDATION_ROWS = 10_000
# Each with more than 20 000 UNIFORM rows.
HELD_OUT_ROWS = 30_000


class Stratum(IntEnum):
    """How the joint angles of a row were drawn."""

    UNIFORM = 0
    NEAR = 1
    SINGULAR = 2


@dataclass(frozen=True, eq=False)
class Rows:
    """N rows and what is true of them.

    Rates over the workspace are rates of the `Stratum.UNIFORM` rows: the others are there to be
    learnt from, and to find what is wrongly accepted.

    Attributes:
        x: (N, 4) theta1, theta2 [rad], dx, dy [m].
        P: (N, 2) adj(J) dx [m^2 rad].
        Q: (N,) det J [m^2].
        stratum: (N,) uint8, codes of `Stratum`.
    """

    x: FloatArray
    P: FloatArray
    Q: FloatArray
    stratum: NDArray[np.uint8]


@dataclass(frozen=True)
class Splits:
    """Rows of four random streams; no row is in two of them."""

    train: Rows
    validation: Rows
    calibration: Rows
    test: Rows


def planar_2r_deployment(block: Mapping[str, Any], path: Path, model: str) -> Deployment:
    """The deployment of a planar_2r arm with the columns q1, q2, dx, dy and joint_delta outputs.

    Args:
        block: a `deployment` block.
        path: where it came from or goes to, for messages.
        model: which model wants these columns, for messages.

    Raises:
        DeploymentError: a malformed block, or one for another robot or other columns.
    """
    deployment = Deployment.from_block(block, path)
    columns = (
        deployment.joint_columns,
        deployment.task_columns,
        len(deployment.features),
        deployment.output_kind,
    )
    expected = ((0, 1), (2, 3), 4, OutputKind.JOINT_DELTA)
    if deployment.robot_type != "planar_2r" or columns != expected:
        raise DeploymentError(
            f"{path}: {model} takes q1, q2, dx, dy in this order and answers joint_delta "
            f"for a planar_2r arm; the block is for {deployment.robot_type} with the features "
            f"{', '.join(deployment.features)} and {deployment.output_kind.value}",
            found=deployment.features,
        )
    return deployment


def planar_2r_splits(arm: Arm, *, seed: int, rows: int) -> Splits:
    """The four splits of a seed; `rows` is the number of training rows.

    Raises:
        ConfigError: a negative seed, or less than one row.
    """
    if seed < 0 or rows < 1:
        raise ConfigError(
            f"seed is {seed} and rows is {rows}, expected seed >= 0 and rows >= 1",
            found=(seed, rows),
        )
    counts = (rows, VALIDATION_ROWS, HELD_OUT_ROWS, HELD_OUT_ROWS)
    streams = np.random.SeedSequence(seed).spawn(len(counts))
    return Splits(
        *(
            planar_2r_rows(arm, count, np.random.default_rng(stream))
            for count, stream in zip(counts, streams, strict=True)
        )
    )


def planar_2r_rows(arm: Arm, count: int, random: np.random.Generator) -> Rows:
    """`count` rows of a planar_2r arm within its joint limits, in random order.

    A share of them has |det J| drawn evenly up to `NEAR_DETERMINANT`, and a share is exactly
    singular: theta2 is 0 or half a turn, det J is 0 to rounding. If no singular pose lies within
    the limits, all rows are drawn evenly over the limits.
    """
    limits = arm.limits
    q = random.uniform(limits.lower, limits.upper, (count, 2))
    stratum = np.zeros(count, dtype=np.uint8)
    angles = _singular_angles(limits.lower[1], limits.upper[1])
    if angles.size:
        draw = random.random(count)
        stratum[draw < NEAR_SHARE + SINGULAR_SHARE] = Stratum.NEAR
        stratum[draw < SINGULAR_SHARE] = Stratum.SINGULAR
        special = stratum != Stratum.UNIFORM
        near = (stratum == Stratum.NEAR)[special]
        angle = random.choice(angles, int(special.sum()))
        bend = near * np.arcsin(random.uniform(-NEAR_DETERMINANT, NEAR_DETERMINANT, angle.size))
        q[special, 1] = _moved(angle, bend, limits.lower[1], limits.upper[1])
    step = drawn_step(limits)
    to = _moved(q, random.uniform(-step, step, q.shape), limits.lower, limits.upper)
    tool, J = arm.forward_and_jacobian(q)
    dx = arm.forward(to) - tool
    return Rows(np.hstack([q, dx]), _adjugate_times(J, dx), arm.determinant(q), stratum)


def _singular_angles(lower: float, upper: float) -> FloatArray:
    """The multiples of pi within the limits of theta2 [rad]."""
    return np.pi * np.arange(np.ceil(lower / np.pi), np.floor(upper / np.pi) + 1)


def _moved(start: FloatArray, step: FloatArray, lower: Any, upper: Any) -> FloatArray:
    """start + step, the other way round where a limit would be passed."""
    there = start + step
    outside = (there < lower) | (there > upper)
    return np.clip(np.where(outside, start - step, there), lower, upper)


def _adjugate_times(J: FloatArray, dx: FloatArray) -> FloatArray:
    """adj(J) dx, (N, 2), for J (N, 2, 2) and dx (N, 2)."""
    (a, b), (c, d) = J.transpose(1, 2, 0)
    x, y = dx.T
    return np.stack([d * x - b * y, a * y - c * x], axis=1)
