"""The solver that serves the rows a model may not serve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zeroproof_ros.kinematics.arm import Arm, nearest_branch
from zeroproof_ros.kinematics.damped import damped_least_squares
from zeroproof_ros.kinematics.limits import FloatArray

# A configuration counts as near a singularity below this share of the largest |det J|: for a
# planar elbow 0.1 is 5.7 degrees from stretched or folded.
NEAR_SINGULAR = 0.1
# Damping lambda at the singularity, as a share of the arm's length scale: the square of this is
# the k0 of damped_least_squares.
DAMPING = 0.05


@dataclass(frozen=True)
class AnalyticSolver:
    """Exact inverse kinematics away from singularities, and a bounded step near them.

    A differential solution can not leave an exact singularity along the lost direction: J^T dx is
    0 there. So near one the tool position itself is solved, on the branch nearest to where the
    arm is, and least squares with damping serve only what is out of reach.
    """

    arm: Arm

    def step(self, q: FloatArray, dx: FloatArray, max_step: FloatArray) -> FloatArray:
        """Joint steps that move the tool by dx, or towards it as far as the step limit allows.

        Args:
            q: (N, n) joint angles [rad].
            dx: (N, n) wanted steps of the tool in the base frame [m].
            max_step: (n,) largest joint steps [rad]; a longer answer is shortened along itself.

        Returns:
            (N, n) joint steps [rad].
        """
        x, J = self.arm.forward_and_jacobian(q)
        # Of J as it was rounded, not of q: at angles of many turns the two differ, and one row
        # with a singular J would fail the solution of all.
        w = np.abs(np.linalg.det(J))
        w0 = NEAR_SINGULAR * self.arm.max_determinant
        near = w < w0
        dq = np.empty_like(q)
        far = ~near
        if far.any():
            dq[far] = np.linalg.solve(J[far], dx[far][:, :, None])[:, :, 0]
        if near.any():
            dq[near] = self.position(q[near], x[near] + dx[near]) - q[near]
        rest = np.isnan(dq).any(axis=1)
        if rest.any():
            k0 = DAMPING**2 * self.arm.max_determinant ** (2.0 / q.shape[1])
            dq[rest] = damped_least_squares(J[rest], dx[rest], w[rest], w0=w0, k0=k0)
        longest = (np.abs(dq) / max_step).max(axis=1, keepdims=True)
        return np.asarray(dq / np.maximum(longest, 1.0))

    def position(self, seed: FloatArray, x: FloatArray) -> FloatArray:
        """Joint angles (N, n) [rad] that reach x, on the branch nearest to the seed.

        Args:
            seed: (N, n) joint angles [rad], where the arm is now.
            x: (N, m) tool position in the base frame [m].

        Returns:
            (N, n) joint angles [rad] within the position limits, NaN where there are none.
        """
        return nearest_branch(self.arm.inverse(x), seed, self.arm.limits)
