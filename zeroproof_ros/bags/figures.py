"""What is told of an evaluation: a number for each name, which a limit may speak of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from zeroproof_ros.bags.evaluation import Evaluation
from zeroproof_ros.calibration import default_det_bound
from zeroproof_ros.pipeline import Reason, Source
from zeroproof_ros.report.gates import Gate, safety_gate
from zeroproof_ros.report.splits import Split, rates_of, residuals_of

Figures = dict[str, float | int | None]


def figures_of(evaluation: Evaluation) -> Figures:
    """Counts, rates and quantiles by name; None where there were no rows to tell it of.

    `model_residual_*` and `solver_residual_*` are of the rows that each served: |J dq - dx| / |dx|
    and |FK(q + dq) - FK(q) - dx| / |dx| of joint steps, |FK(q) - x| [m] of joint positions.
    """
    split = split_of(evaluation)
    rows = evaluation.rows
    figures: Figures = {
        "messages": sum(bag.messages for bag in evaluation.bags),
        "messages_refused": sum(sum(bag.refused.values()) for bag in evaluation.bags),
        **rates_of(split),
        "unsafe_accepts": unsafe_accepts(evaluation).found,
    }
    for server, residuals in residuals_of(split).items():
        figures[f"{server}_rows"] = residuals.pop("rows")
        figures |= {f"{server}_residual_{level}": value for level, value in residuals.items()}
    return figures | _counts("source", Source, rows) | _counts("reason", Reason, rows)


def unsafe_accepts(evaluation: Evaluation) -> Gate:
    """How many rows were unsafely accepted, as a report of the bundle would say; and why."""
    ik = evaluation.ik
    bound = default_det_bound(ik.deployment.arm)
    return safety_gate({"": split_of(evaluation)}, ik.deployment, ik.policy, bound)


def split_of(evaluation: Evaluation) -> Split:
    """The rows with |det J| at the joints of each."""
    deployment = evaluation.ik.deployment
    joints = evaluation.rows["in"][:, list(deployment.joint_columns)]
    with np.errstate(invalid="ignore"):  # the joints of a bad input
        determinant = np.abs(deployment.arm.determinant(joints))
    return Split(evaluation.rows, determinant, evaluation.rows["decoded"].shape)


def _counts(field: str, codes: Iterable[Any], rows: Any) -> Figures:
    counts = np.bincount(rows[field], minlength=len(list(codes)))
    return {f"{field}_{code.name.lower()}": int(counts[code]) for code in codes}
