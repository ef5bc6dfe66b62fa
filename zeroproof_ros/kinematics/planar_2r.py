"""The planar arm with two revolute joints.

With c1 = cos(q1), c12 = cos(q1 + q2) and so on (Siciliano et al., Robotics: Modelling, Planning
and Control, 2009, sections 2.12.1 and 3.2.1):

    x = l1 c1 + l2 c12          J = [-l1 s1 - l2 s12   -l2 s12]     det J = l1 l2 s2
    y = l1 s1 + l2 s12              [ l1 c1 + l2 c12    l2 c12]

It is singular where s2 = 0: stretched (q2 = 0, tool at radius l1 + l2) and folded (q2 = +-pi,
tool at radius |l1 - l2|).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zeroproof_ros.errors import ArmError
from zeroproof_ros.kinematics.limits import FloatArray, JointLimits

# A tool position this far outside the workspace, relative to the reach, is rounding of one on it.
REACH_ROUNDING = 1e-9


class Planar2R:
    """A planar two-link arm in the x-y plane of its base frame.

    Args:
        link_lengths: l1, l2 [m], finite and > 0.
        limits: of the two joints.

    Raises:
        ArmError: other than two lengths or joints, or a length that is not finite and > 0.
    """

    task_axes = ("x", "y")

    def __init__(self, link_lengths: Sequence[float], limits: JointLimits) -> None:
        lengths = np.asarray(link_lengths, dtype=np.float64)
        if lengths.shape != (2,) or not (np.isfinite(lengths) & (lengths > 0)).all():
            raise ArmError(
                f"link lengths are {list(link_lengths)}, expected two finite numbers > 0 [m]",
                found=list(link_lengths),
            )
        if limits.lower.size != 2:
            raise ArmError(f"{limits.lower.size} joint limits, expected 2", found=limits)
        self.l1, self.l2 = map(float, lengths)
        self._lengths = lengths[:, None]
        self.limits = limits

    @property
    def max_determinant(self) -> float:
        """l1 l2 [m^2], reached with the elbow at a right angle."""
        return self.l1 * self.l2

    @property
    def outer_radius(self) -> float:
        """Radius [m] of the circle on which the arm is stretched."""
        return self.l1 + self.l2

    @property
    def inner_radius(self) -> float:
        """Radius [m] of the circle on which the arm is folded."""
        return abs(self.l1 - self.l2)

    def forward(self, q: FloatArray) -> FloatArray:
        """Tool position (N, 2) [m] at q (N, 2) [rad]."""
        (elbow_x, forearm_x), (elbow_y, forearm_y) = self._links(q)
        return np.array((elbow_x + forearm_x, elbow_y + forearm_y)).T

    def jacobian(self, q: FloatArray) -> FloatArray:
        """Jacobian (N, 2, 2) [m/rad] at q (N, 2) [rad]."""
        return self.forward_and_jacobian(q)[1]

    def forward_and_jacobian(self, q: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Tool positions (N, 2) [m] and Jacobians (N, 2, 2) [m/rad] at q (N, 2) [rad]."""
        (elbow_x, forearm_x), (elbow_y, forearm_y) = self._links(q)
        tool_x, tool_y = elbow_x + forearm_x, elbow_y + forearm_y
        J = np.array(((-tool_y, -forearm_y), (tool_x, forearm_x)))
        return np.array((tool_x, tool_y)).T, J.transpose(2, 0, 1)

    def _links(self, q: FloatArray) -> tuple[FloatArray, FloatArray]:
        """x and y of both links in the base frame, each (2, N) [m]."""
        angles = np.array((q[:, 0], q[:, 0] + q[:, 1]))
        return self._lengths * np.cos(angles), self._lengths * np.sin(angles)

    def determinant(self, q: FloatArray) -> FloatArray:
        """det J (N,) [m^2] at q (N, 2) [rad]."""
        return np.asarray(self.l1 * self.l2 * np.sin(q[:, 1]))

    def inverse(self, x: FloatArray) -> FloatArray:
        """Both elbow branches (N, 2, 2) [rad] that reach x (N, 2) [m]: q2 >= 0 first.

        With r = |x|, cos(q2) = (r^2 - l1^2 - l2^2) / (2 l1 l2). Near the singular circles the
        half angle keeps the digits that acos would lose:

            tan(q2 / 2)^2 = ((l1 + l2)^2 - r^2) / (r^2 - (l1 - l2)^2)

        At the base of an arm with equal links every q1 reaches; -+pi/2 is answered.
        """
        outer, inner = self.outer_radius, self.inner_radius
        r = np.hypot(x[:, 0], x[:, 1])
        slack = REACH_ROUNDING * outer
        in_reach = (r <= outer + slack) & (r >= inner - slack)
        q2 = 2.0 * np.arctan2(
            np.sqrt(np.maximum((outer - r) * (outer + r), 0.0)),
            np.sqrt(np.maximum((r - inner) * (r + inner), 0.0)),
        )
        q2 = np.where(in_reach, q2, np.nan)
        tool = np.arctan2(x[:, 1], x[:, 0])
        ahead = np.arctan2(self.l2 * np.sin(q2), self.l1 + self.l2 * np.cos(q2))
        branches = np.array(((tool - ahead, q2), (tool + ahead, -q2)))
        return branches.transpose(2, 0, 1)
