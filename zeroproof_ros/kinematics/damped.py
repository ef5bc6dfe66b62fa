"""Least squares with adaptive damping, for steps near a singularity."""

from __future__ import annotations

import numpy as np

from zeroproof_ros.kinematics.limits import FloatArray


def damped_least_squares(
    J: FloatArray, dx: FloatArray, w: FloatArray, *, w0: float, k0: float
) -> FloatArray:
    """Joint steps dq = J^T (J J^T + k I)^-1 dx, damped only near a singularity.

    With the manipulability w = |det J|,

        k = k0 (1 - w / w0)^2  where w < w0,  else 0

    Y. Nakamura, H. Hanafusa, "Inverse kinematic solutions with singularity robustness for robot
    manipulator control", Journal of Dynamic Systems, Measurement, and Control 108(3), 1986,
    equations 20 and 23.

    Args:
        J: (N, n, n) Jacobians [m/rad].
        dx: (N, n) task steps [m].
        w: (N,) |det J| [m^n].
        w0: |det J| below which damping sets in [m^n], > 0.
        k0: the damping at the singularity [m^2/rad^2], > 0.

    Returns:
        (N, n) joint steps [rad]; |J dq| <= |dx|, so damping only ever shortens a step.
    """
    k = k0 * (1.0 - np.minimum(w / w0, 1.0)) ** 2
    Jt = J.transpose(0, 2, 1)
    damped = J @ Jt + k[:, None, None] * np.eye(J.shape[1])
    return np.asarray((Jt @ np.linalg.solve(damped, dx[:, :, None]))[:, :, 0])
