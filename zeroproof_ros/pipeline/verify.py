"""The check of an answer against the arm's own kinematics."""

from __future__ import annotations

import numpy as np

from zeroproof_ros.kinematics import Arm
from zeroproof_ros.kinematics.limits import FloatArray

# Wanted steps shorter than this are measured against it, not against themselves [m].
SHORTEST_STEP = 1e-6


def differential_residual(J: FloatArray, dq: FloatArray, dx: FloatArray) -> FloatArray:
    """|J dq - dx| / max(|dx|, SHORTEST_STEP), (N,): what a differential model promises.

    Args:
        J: (N, m, n) Jacobians in the base frame [m/rad].
        dq: (N, n) joint steps [rad].
        dx: (N, m) wanted steps of the tool in the base frame [m].
    """
    moved = np.einsum("nij,nj->ni", J, dq)
    return np.asarray(_length(moved - dx) / np.maximum(_length(dx), SHORTEST_STEP))


def finite_residual(
    arm: Arm, q: FloatArray, dq: FloatArray, dx: FloatArray, *, tool: FloatArray | None = None
) -> FloatArray:
    """|FK(q + dq) - FK(q) - dx| / max(|dx|, SHORTEST_STEP), (N,): where the tool really ends.

    Args:
        q, dq: (N, n) joint angles and steps [rad].
        dx: (N, m) wanted step of the tool in the base frame [m].
        tool: (N, m) FK(q) [m], where it is known.
    """
    moved = arm.forward(q + dq) - (arm.forward(q) if tool is None else tool)
    return np.asarray(_length(moved - dx) / np.maximum(_length(dx), SHORTEST_STEP))


def position_residual(arm: Arm, q: FloatArray, x: FloatArray) -> FloatArray:
    """|FK(q) - x|, (N,) [m], for joint angles q (N, n) [rad] and tool positions x (N, m) [m]."""
    return _length(arm.forward(q) - x)


def _length(vectors: FloatArray) -> FloatArray:
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", vectors, vectors)))
