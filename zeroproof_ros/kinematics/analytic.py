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
    """Exact inverse kinematics where a step allows it, and a way to the target elsewhere.

    Near a singularity, or far from the target, J^-1 dx is no step an arm can make. And no
    differential solution leaves an exact singularity along the lost direction, since J^T dx is 0
    there. So for such rows the tool position itself is solved, on the branch nearest to where the
    arm is; where that is out of reach, least squares with damping go as near as they can.
    """

    arm: Arm

    def motion(self, q: FloatArray, dx: FloatArray, max_step: FloatArray) -> FloatArray:
        """Joint motions that move the tool by dx; those beyond max_step take several steps.

        Args:
            q: (N, n) joint angles [rad].
            dx: (N, n) wanted steps of the tool in the base frame [m].
            max_step: (n,) largest joint steps [rad].

        Returns:
            (N, n) joint motions [rad].
        """
        x, J = self.arm.forward_and_jacobian(q)
        # Of J as it was rounded, not of q: at angles of many turns the two differ, and one row
        # with a singular J would fail the solution of all.
        w = np.abs(np.linalg.det(J))
        w0 = NEAR_SINGULAR * self.arm.max_determinant
        far = w >= w0
        dq = np.full_like(q, np.nan)
        if far.any():
            dq[far] = np.linalg.solve(J[far], dx[far][:, :, None])[:, :, 0]
        # also where J was not inverted, since nothing is true of NaN
        no_step = ~((np.abs(dq) <= max_step).all(axis=1) & self.arm.limits.contain(q + dq))
        if no_step.any():
            dq[no_step] = self.position(q[no_step], x[no_step] + dx[no_step]) - q[no_step]
        rest = np.isnan(dq).any(axis=1)
        if rest.any():
            k0 = DAMPING**2 * self.arm.max_determinant ** (2.0 / q.shape[1])
            dq[rest] = damped_least_squares(J[rest], dx[rest], w[rest], w0=w0, k0=k0)
        return dq

    def position(self, seed: FloatArray, x: FloatArray) -> FloatArray:
        """Joint angles (N, n) [rad] that reach x, on the branch nearest to the seed.

        Args:
            seed: (N, n) joint angles [rad], where the arm is now.
            x: (N, m) tool position in the base frame [m].

        Returns:
            (N, n) joint angles [rad] within the position limits, NaN where there are none.
        """
        return nearest_branch(self.arm.inverse(x), seed, self.arm.limits)


def first_step(motion: FloatArray, max_step: FloatArray) -> FloatArray:
    """The beginning (N, n) of joint motions (N, n) that keeps max_step (n,), all in [rad]."""
    longest = (np.abs(motion) / max_step).max(axis=1, keepdims=True)
    return np.asarray(motion / np.maximum(longest, 1.0))
