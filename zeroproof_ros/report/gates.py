"""The verdict: what a bundle must reach before a model may move an arm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from zeroproof_ros.bundle import Deployment, OutputKind
from zeroproof_ros.kinematics.limits import BoolArray
from zeroproof_ros.monitor import Rates
from zeroproof_ros.pipeline import Policy, Source
from zeroproof_ros.report.splits import Split, short

# From the checklist and the troubleshooting section of the ZeroProofML documents.
LEAST_COVERAGE = 0.95
MOST_GAP = 0.05
MOST_BOTTOM = 0.10
LEAST_SERVED = 0.90
RATE_GATES = {
    "coverage": f">= {LEAST_COVERAGE:.2f}",
    "gap": f"<= {MOST_GAP:.2f}",
    "bottom": f"<= {MOST_BOTTOM:.2f}",
}
# Of 1 - bottom - gap, which is computed from two quotients.
ROUNDING = 1e-12
# How near a model of float32 joint angles can know det J, as a share of its largest value.
DETERMINANT_ROUNDING = 1e-6
NOT_JUDGED = "not judged: the bundle has no deployment block, so there is no arm to check by"


@dataclass(frozen=True)
class Gate:
    """One condition, and whether it holds. What could not be judged does not hold.

    Attributes:
        name: what is judged.
        expected: the condition in words.
        found: the figure that was judged, None where there is none.
        passed: whether the condition holds.
        why: what is behind the figure.
    """

    name: str
    expected: str
    found: float | int | None
    passed: bool
    why: str


def rate_gates(rates: Rates | None) -> list[Gate]:
    """Coverage, gap and bottom; None where the rows mean nothing."""
    if rates is None:
        return [Gate(name, told, None, False, NOT_JUDGED) for name, told in RATE_GATES.items()]
    coverage, gap, bottom = rates.coverage, rates.gap_rate, rates.bottom_rate
    judged = (
        (coverage, coverage >= LEAST_COVERAGE - ROUNDING, "rows that are neither bottom nor gap"),
        (gap, gap <= MOST_GAP + ROUNDING, "rows with a value near the threshold"),
        (bottom, bottom <= MOST_BOTTOM + ROUNDING, "rows without a value"),
    )
    return [
        Gate(name, told, short(found), passed, why)
        for (name, told), (found, passed, why) in zip(RATE_GATES.items(), judged, strict=True)
    ]


def model_gate(split: Split) -> Gate:
    """The model must serve most of the rows that its masks call good.

    Coverage says nothing of P, so a model that is always wrong may cover everything: then each of
    its answers is found to be wrong, and the bundle is its fallback.
    """
    expected = f">= {LEAST_SERVED:.2f} of coverage"
    if split.determinant is None:
        return Gate("served_by_model", expected, None, False, NOT_JUDGED)
    counts = split.counts
    served, covered = counts.served - counts.fallback, counts.rows - counts.bottom - counts.gap
    share = served / covered if covered else 0.0
    told = "the model serves none of" if not served else f"the model serves {served} of"
    why = f"{told} {counts.rows} rows, {covered} are neither bottom nor gap"
    return Gate("served_by_model", expected, short(share), share >= LEAST_SERVED, why)


def calibration_gate(refused: str) -> Gate:
    """The thresholds could not be chosen, so they are nobody's."""
    return Gate("calibration", "thresholds chosen on held-out rows", None, False, refused)


def smoke_gate(failures: Mapping[str, Mapping[str, Any]]) -> Gate:
    """Every check of the smoke test."""
    why = "; ".join(f"{name}: {failure['what']}" for name, failure in failures.items())
    return Gate("smoke_test", "0 failed checks", len(failures), not failures, why or "all passed")


def safety_gate(
    splits: Mapping[str, Split],
    deployment: Deployment | None,
    policy: Policy,
    det_bound: float | None,
) -> Gate:
    """No unsafe accept in any split.

    Unsafe is a served row with an answer that is not finite or with a residual above the tolerance
    of its source, and an accepted row with |det J| below the bound [m^n]. The gap counts as
    accepted: whether it is served is up to the policy of the robot.
    """
    name, expected = "no_unsafe_accept", "0 rows"
    if deployment is None or det_bound is None:
        return Gate(name, expected, None, False, NOT_JUDGED)
    below = det_bound - DETERMINANT_ROUNDING * deployment.arm.max_determinant
    inaccurate = near = either = 0
    for split in splits.values():
        wrong = _inaccurate(split, deployment.output_kind, policy)
        close = split.accepted & split.near(below)
        inaccurate += int(np.count_nonzero(wrong))
        near += int(np.count_nonzero(close))
        either += int(np.count_nonzero(wrong | close))
    why = (
        f"{inaccurate} served with an answer that is not finite or a residual above its tolerance; "
        f"{near} accepted with |det J| below {det_bound:g}"
    )
    return Gate(name, expected, either, not either, why)


def _inaccurate(split: Split, kind: OutputKind, policy: Policy) -> BoolArray:
    rows = split.rows
    model = solver = policy.position_tolerance
    if kind is OutputKind.JOINT_DELTA:
        model, solver = policy.residual_tolerance, policy.motion_tolerance
    tolerance = np.where(rows["source"] == Source.MODEL, model, solver)
    good = (rows["residual"] <= tolerance) & np.isfinite(rows["resolved"]).all(axis=1)
    return np.asarray((rows["source"] != Source.NONE) & ~good)
