"""What became of one row, in a sentence with the figures that decided it."""

from __future__ import annotations

from typing import Any

import numpy as np

from zeroproof_ros.bundle import OutputKind
from zeroproof_ros.contract import Reason, Source
from zeroproof_ros.pipeline.strict_ik import StrictIK
from zeroproof_ros.pipeline.table import ResultTable


def explain(ik: StrictIK, table: ResultTable, index: int) -> str:
    """Say who served row `index` of a table that `ik` made, and why not the model if it was not."""
    row = table.rows[index]
    source, reason = Source(row["source"]), Reason(row["reason"])
    fates = {
        Source.NONE: "rejected",
        Source.MODEL: "served by the model",
        Source.ANALYTIC: "served by the solver",
    }
    return (
        f"row {index} {fates[source]}: {reason.name.lower()}: {_figures(ik, table, index, reason)}"
    )


def _figures(ik: StrictIK, table: ResultTable, index: int, reason: Reason) -> str:
    row, config = table.rows[index], ik.bundle.config
    denominator = f"|Q| {row['q_abs']:.3g}" if np.isfinite(row["q_abs"]) else "|Q| not told"
    names = ik.layout.features
    inputs = ", ".join(f"{name} {value:.4g}" for name, value in zip(names, row["in"], strict=True))
    texts = {
        Reason.OK: f"{denominator}, residual {row['residual']:.3g}",
        Reason.BOTTOM: f"{denominator}, tau_infer {config.tau_infer:.3g}",
        Reason.GAP: f"{denominator}, tau_train {config.tau_train or config.tau_infer:.3g}",
        Reason.RESIDUAL: f"{denominator}; the model's answer {_model_fault(ik, row)}",
        Reason.LIMIT: f"{denominator}; the model's answer {_model_fault(ik, row)}",
        Reason.BAD_INPUT: "an input is not a finite number",
        Reason.STALE: "the target was older than the timeout",
        Reason.RUNTIME_ERROR: "the model raised or answered in another shape",
        Reason.FALLBACK_FAILED: f"{denominator}; the model's answer {_model_fault(ik, row)}; "
        f"the solver's {_solver_fault(ik, row)}",
    }
    return f"{texts[reason]} ({inputs})"


def _solver_fault(ik: StrictIK, row: Any) -> str:
    """What was wrong with the solver's answer: it is not in the table, but its residual is."""
    delta = ik.deployment.output_kind is OutputKind.JOINT_DELTA
    tolerance = ik.policy.motion_tolerance if delta else ik.policy.position_tolerance
    if row["residual"] <= tolerance:
        return "would break a position or step limit"
    return f"leaves residual {row['residual']:.3g}, tolerance {tolerance:.3g}"


def _model_fault(ik: StrictIK, row: Any) -> str:
    """What was wrong with the model's answer: which joint would break which limit, if any."""
    if row["bottom"]:
        return "has no value"
    limits, duration = ik.deployment.arm.limits, ik.policy.step_duration
    q = row["in"][list(ik.deployment.joint_columns)]
    to = ik.absolute(row["in"][None], row["decoded"][None])[0]
    for name, q_i, to_i, lower, upper, step in zip(
        ik.deployment.joint_names,
        *(q, to, limits.lower, limits.upper, limits.max_step(duration)),
        strict=True,
    ):
        if not (lower <= to_i <= upper):
            return f"puts {name} at {to_i:.4g} rad, limits {lower:.4g} to {upper:.4g}"
        if not (abs(to_i - q_i) <= step):
            return f"moves {name} by {to_i - q_i:.4g} rad, limit {step:.4g} in {duration:.4g} s"
    return "is risky" if row["gap"] else "misses its tolerances"
