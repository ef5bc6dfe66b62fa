"""What became of one row, in a sentence with the figures that decided it."""

from __future__ import annotations

from typing import Any

import numpy as np

from zeroproof_ros.bundle import OutputKind
from zeroproof_ros.pipeline.strict_ik import StrictIK
from zeroproof_ros.pipeline.table import Reason, ResultTable, Source


def explain(ik: StrictIK, table: ResultTable, index: int) -> str:
    """Say who served row `index` of a table that `ik` made, and why not the model if it was not."""
    row = table.rows[index]
    source, reason = Source(row["source"]), Reason(row["reason"])
    served = "rejected" if source is Source.NONE else f"served by the {source.name.lower()}"
    return f"row {index} {served}: {reason.name.lower()}: {_figures(ik, table, index, reason)}"


def _figures(ik: StrictIK, table: ResultTable, index: int, reason: Reason) -> str:
    row, config = table.rows[index], ik.bundle.config
    denominator = f"|Q| {row['q_abs']:.3g}" if np.isfinite(row["q_abs"]) else "|Q| not told"
    names = ik.layout.features
    inputs = ", ".join(f"{name} {value:.4g}" for name, value in zip(names, row["in"], strict=True))
    texts = {
        Reason.OK: f"{denominator}, residual {row['residual']:.3g}",
        Reason.BOTTOM: f"{denominator}, tau_infer {config.tau_infer:.3g}",
        Reason.GAP: f"{denominator}, tau_train {config.tau_train or config.tau_infer:.3g}",
        Reason.RESIDUAL: f"the model's answer missed its tolerance; {denominator}",
        Reason.LIMIT: f"the model's answer {_limit(ik, table, index)}",
        Reason.BAD_INPUT: "an input is not a finite number",
        Reason.STALE: "the target was older than the timeout",
        Reason.RUNTIME_ERROR: "the model raised or answered in another shape",
        Reason.FALLBACK_FAILED: f"{denominator}; the solver's best answer {_miss(ik, row)}",
    }
    return f"{texts[reason]} ({inputs})"


def _miss(ik: StrictIK, row: Any) -> str:
    """What was wrong with the solver's answer: it is not in the table, but its residual is."""
    delta = ik.deployment.output_kind is OutputKind.JOINT_DELTA
    tolerance = ik.policy.solver_tolerance if delta else ik.policy.position_tolerance
    if row["residual"] <= tolerance:
        return "would break a position or step limit"
    return f"left residual {row['residual']:.3g}, tolerance {tolerance:.3g}"


def _limit(ik: StrictIK, table: ResultTable, index: int) -> str:
    """Which joint would have broken which limit, from what the model answered."""
    row, limits = table.rows[index], ik.deployment.arm.limits
    q = row["in"][list(ik.deployment.joint_columns)]
    to = ik.absolute(row["in"][None], row["decoded"][None])[0]
    step = limits.max_step(ik.policy.step_duration)
    for joint, name in enumerate(ik.deployment.joint_names):
        if not (limits.lower[joint] <= to[joint] <= limits.upper[joint]):
            return (
                f"puts {name} at {to[joint]:.4g} rad, limits {limits.lower[joint]:.4g} to "
                f"{limits.upper[joint]:.4g}"
            )
        if not (abs(to[joint] - q[joint]) <= step[joint]):
            return (
                f"moves {name} by {to[joint] - q[joint]:.4g} rad, limit {step[joint]:.4g} in "
                f"{ik.policy.step_duration:.4g} s"
            )
    return "broke a limit"
