"""What happens to rows the model may not serve, and how closely every answer is checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real

from zeroproof_ros.errors import ConfigError
from zeroproof_ros.kinematics import JointLimits
from zeroproof_ros.kinematics.limits import FloatArray

BOTTOM_POLICIES = ("fallback", "reject")
GAP_POLICIES = ("fallback", "accept", "reject")

# Rows that are drawn, to train or to try a model, have joint steps of up to this share of the
# largest that the arm may make.
DRAWN_STEP_SHARE = 0.1


@dataclass(frozen=True)
class Policy:
    """Frozen, validated choices of a deployment.

    Args:
        bottom_policy: rows without a value go to the solver ("fallback") or to nobody.
        gap_policy: risky rows go to the solver, are accepted like any other, or go to nobody.
        residual_tolerance: largest |J dq - dx| / |dx| of a model's joint step. Dimensionless.
        motion_tolerance: largest |FK(q + dq) - FK(q) - dx| / |dx| of a joint motion dq, the
            model's or the solver's. The solver meets a target within reach to rounding, or to
            second order in dq; one out of reach can not be met, and below 1 a motion at least ends
            nearer to it than it began (for dx of a micrometre or more, see
            `verify.SHORTEST_STEP`).
        position_tolerance: largest |FK(q) - x| of a joint position, whoever answered it [m].
        step_duration: the time one commanded step may take [s]. With the velocity limits of the
            arm it gives the largest joint step.
        max_batch: largest number of rows given to the model at once.

    Raises:
        ConfigError: a value outside these ranges.
    """

    bottom_policy: str = "fallback"
    gap_policy: str = "fallback"
    residual_tolerance: float = 0.05
    motion_tolerance: float = 0.9
    position_tolerance: float = 1e-3
    step_duration: float = 0.1
    max_batch: int = 65536

    def __post_init__(self) -> None:
        for name, allowed in (("bottom_policy", BOTTOM_POLICIES), ("gap_policy", GAP_POLICIES)):
            value = getattr(self, name)
            if value not in allowed:
                raise ConfigError(
                    f"{name} is {value!r}, expected one of {', '.join(allowed)}",
                    found=value,
                    expected=allowed,
                )
        for name, upper in (
            ("residual_tolerance", 1.0),
            ("motion_tolerance", 1.0),
            ("position_tolerance", math.inf),
            ("step_duration", math.inf),
            ("max_batch", math.inf),
        ):
            value = getattr(self, name)
            number = isinstance(value, Real) and not isinstance(value, bool)
            if not (number and 0 < value < upper):
                raise ConfigError(
                    f"{name} is {value!r}, expected a number between 0 and {upper}, both excluded",
                    found=value,
                    expected=(0, upper),
                )
        if not isinstance(self.max_batch, Integral):
            raise ConfigError(
                f"max_batch is {self.max_batch!r}, expected a whole number of rows",
                found=self.max_batch,
            )


def drawn_step(limits: JointLimits) -> FloatArray:
    """(n,) the largest joint step [rad] of a row that is drawn."""
    return DRAWN_STEP_SHARE * limits.max_step(Policy().step_duration)
