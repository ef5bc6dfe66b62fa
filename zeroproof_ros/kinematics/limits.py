"""Joint limits, checked in the form that a NaN fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.errors import ArmError

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class JointLimits:
    """Where the joints may be and how fast they may move.

    Args:
        lower, upper: (n,) joint positions [rad], lower < upper.
        velocity: (n,) joint speeds [rad/s], > 0.

    Raises:
        ArmError: lengths that differ, values that are not finite, an empty range.
    """

    lower: FloatArray
    upper: FloatArray
    velocity: FloatArray

    def __post_init__(self) -> None:
        for name in ("lower", "upper", "velocity"):
            array = np.array(getattr(self, name), dtype=np.float64)
            array.flags.writeable = False
            object.__setattr__(self, name, array)
            if array.ndim != 1 or not np.isfinite(array).all():
                raise ArmError(f"{name} limits are {array}, expected n finite numbers", found=array)
        if not (self.lower.shape == self.upper.shape == self.velocity.shape):
            raise ArmError(
                f"{self.lower.size} lower, {self.upper.size} upper and {self.velocity.size} "
                "velocity limits, expected one of each per joint"
            )
        if not (self.lower < self.upper).all():
            raise ArmError(f"lower limits {self.lower} are not all below upper {self.upper}")
        if not (self.velocity > 0.0).all():
            raise ArmError(f"velocity limits are {self.velocity}, expected all > 0")

    @classmethod
    def symmetric(cls, position: Sequence[float], velocity: Sequence[float]) -> JointLimits:
        """Limits -position..position [rad] and speeds [rad/s], each (n,)."""
        upper = np.asarray(position, dtype=np.float64)
        return cls(-upper, upper, np.asarray(velocity, dtype=np.float64))

    def contain(self, q: FloatArray) -> BoolArray:
        """(N,) whether each row of q (N, n) [rad] lies within the limits; a NaN does not."""
        return np.asarray(((self.lower <= q) & (q <= self.upper)).all(axis=-1))

    def max_step(self, duration: float) -> FloatArray:
        """(n,) the largest joint steps [rad] within `duration` [s]."""
        return self.velocity * duration
