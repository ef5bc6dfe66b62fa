"""What the rest of the package asks of an arm."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from zeroproof_ros.kinematics.limits import BoolArray, FloatArray, JointLimits

# A step [rad] that uses its limit exactly is not refused for the rounding of its last bits.
STEP_ROUNDING = 1e-12


class Arm(Protocol):
    """A serial arm of n joints whose tool has m task coordinates in the base frame.

    Everything is batched over N rows, in float64, and takes rows that are not finite: what comes
    out of them is not finite either.
    """

    @property
    def limits(self) -> JointLimits:
        """Position and velocity limits of the n joints."""

    @property
    def task_axes(self) -> tuple[str, ...]:
        """The m tool coordinates by name, out of x, y, z [m]."""

    def forward(self, q: FloatArray) -> FloatArray:
        """Tool position in the base frame, (N, m) [m], at joint angles q (N, n) [rad]."""

    def jacobian(self, q: FloatArray) -> FloatArray:
        """Geometric Jacobian in the base frame, (N, m, n) [m/rad], at q (N, n) [rad]."""

    def forward_and_jacobian(self, q: FloatArray) -> tuple[FloatArray, FloatArray]:
        """`forward` and `jacobian` of the same q at the price of one."""

    def determinant(self, q: FloatArray) -> FloatArray:
        """det J, (N,) [m^n], at q (N, n) [rad]; 0 exactly at a singular configuration."""

    @property
    def max_determinant(self) -> float:
        """The largest |det J| of all configurations [m^n], the scale of `determinant`."""

    def inverse(self, x: FloatArray) -> FloatArray:
        """All joint angles that reach x (N, m) [m], up to whole turns: (N, branches, n) [rad].

        NaN where x is out of reach.
        """


def nearest_branch(branches: FloatArray, seed: FloatArray, limits: JointLimits) -> FloatArray:
    """The branch that is nearest to the seed, by its largest joint step, and within the limits.

    Each joint is taken in the turn that is nearest to the seed: an arm does not reach an angle by
    unwinding a whole turn in one step.

    Args:
        branches: (N, branches, n) joint angles [rad], NaN where there is none.
        seed: (N, n) joint angles [rad].
        limits: branches outside them are not chosen.

    Returns:
        (N, n) joint angles [rad], NaN where no branch is left. Ties go to the first branch.
    """
    seed = seed[:, None, :]
    branches = branches + 2 * np.pi * np.round((seed - branches) / (2 * np.pi))
    step = np.abs(branches - seed).max(axis=2)
    step = np.where(limits.contain(branches), step, np.inf)
    best = np.argmin(step, axis=1)
    rows = np.arange(len(branches))
    chosen: FloatArray = branches[rows, best]
    chosen[~np.isfinite(step[rows, best])] = np.nan
    return chosen


def moved_within(
    limits: JointLimits, target: FloatArray, dq: FloatArray, duration: float
) -> BoolArray:
    """(N,) whether a target is within the position limits and the step to it within its own.

    Args:
        limits: of the arm.
        target: (N, n) joint angles [rad] as they would be commanded. Summing them up from a start
            and a step again could round a target beyond a limit back onto it.
        dq: (N, n) joint steps [rad] that lead there.
        duration: the time a step may take [s].
    """
    return limits.contain(target) & step_within(limits, dq, duration)


def step_within(limits: JointLimits, dq: FloatArray, duration: float) -> BoolArray:
    """(N,) whether joint steps dq (N, n) [rad] are within the limits for `duration` [s]."""
    return np.asarray((np.abs(dq) <= limits.max_step(duration) + STEP_ROUNDING).all(axis=1))
