"""What is told of an evaluation: a number for each name, which a limit may speak of."""

from __future__ import annotations

import numpy as np

from zeroproof_ros.bags.evaluation import Evaluation
from zeroproof_ros.calibration import default_det_bound
from zeroproof_ros.report.gates import Gate, safety_gate
from zeroproof_ros.report.splits import Split, residuals_of, short

Figures = dict[str, float | int | None]


def figures_of(evaluation: Evaluation) -> Figures:
    """Counts, rates and quantiles by name; None where there were no rows to tell it of.

    `model_residual_*` and `solver_residual_*` are of the rows that each served: |J dq - dx| / |dx|
    and |FK(q + dq) - FK(q) - dx| / |dx| of joint steps, |FK(q) - x| [m] of joint positions.
    """
    split = split_of(evaluation)
    rates = split.rates.to_dict()
    del rates["rows_per_second"]  # there was no clock
    figures: Figures = {
        "messages": sum(bag.messages for bag in evaluation.bags),
        "messages_refused": sum(sum(bag.refused.values()) for bag in evaluation.bags),
        **{name: short(rate) for name, rate in rates.items()},
        "rows": len(split.rows),
        "unsafe_accepts": unsafe_accepts(evaluation).found,
    }
    for server, residuals in residuals_of(split).items():
        figures[f"{server}_rows"] = residuals.pop("rows")
        figures |= {f"{server}_residual_{level}": value for level, value in residuals.items()}
    return figures


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
