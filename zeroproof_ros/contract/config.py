"""The thresholds of a strict decode, validated once and frozen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real

from zeroproof_ros.errors import ConfigError, ThresholdError

PROVENANCE_MODES = ("off", "experimental")
PROVENANCE_REPRESENTATIONS = ("split_masks", "bottom_provenance")


@dataclass(frozen=True)
class InferenceConfig:
    """When a projective pair (P, Q) has a value, and when that value is risky.

    Args:
        tau_infer: |Q| below this has no value (bottom). In the unit of Q, finite, > 0.
        tau_train: |Q| below this, but not below `tau_infer`, is risky (gap). Finite and at
            least `tau_infer`, or None for no gap.
        provenance: "experimental" keeps why a row is bottom, "off" does not.
        provenance_representation: as two masks ("split_masks") or as one code array
            ("bottom_provenance").

    Raises:
        ThresholdError: a threshold breaks the rule above.
        ConfigError: a name outside the allowed ones.
    """

    tau_infer: float = 1e-6
    tau_train: float | None = None
    provenance: str = "off"
    provenance_representation: str = "split_masks"

    def __post_init__(self) -> None:
        object.__setattr__(self, "tau_infer", check_threshold("tau_infer", self.tau_infer))
        if self.tau_train is not None:
            object.__setattr__(self, "tau_train", check_threshold("tau_train", self.tau_train))
            if self.tau_train < self.tau_infer:
                raise ThresholdError(
                    f"tau_train is {self.tau_train}, below tau_infer {self.tau_infer}; "
                    "give tau_train >= tau_infer, or None for no gap",
                    found=self.tau_train,
                    expected=f">= {self.tau_infer}",
                )
        _one_of("provenance", self.provenance, PROVENANCE_MODES)
        _one_of(
            "provenance_representation",
            self.provenance_representation,
            PROVENANCE_REPRESENTATIONS,
        )


def check_threshold(name: str, value: object) -> float:
    """A threshold as a float.

    Raises:
        ThresholdError: it is not a finite number > 0; the message names it.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ThresholdError(
            f"{name} is {value!r} ({type(value).__name__}), expected a finite number > 0",
            found=value,
            expected="a finite number > 0",
        )
    try:
        number = float(value)
    except OverflowError:  # an integer beyond every float
        number = math.inf
    if not (0.0 < number < math.inf):
        raise ThresholdError(
            f"{name} is {number}, expected a finite number > 0",
            found=number,
            expected="a finite number > 0",
        )
    return number


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(
            f"{name} is {value!r}, expected one of {', '.join(allowed)}",
            found=value,
            expected=allowed,
        )
