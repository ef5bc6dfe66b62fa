"""The rows of a smoke test: random ones, and those that random ones never are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.bundle import Bundle, Deployment, OutputKind
from zeroproof_ros.kinematics.limits import FloatArray
from zeroproof_ros.pipeline.policy import drawn_step

# Where revolute arms are singular, and how near to 0 rounding brings |det J| there.
SINGULAR_ANGLES = (0.0, np.pi, -np.pi)
DETERMINANT_ROUNDING = 1e-9
PER_ANGLE = 4
NOT_FINITE = {"nan": (np.nan,), "infinite": (np.inf, -np.inf)}
# The kinds of rows that are finite.
USABLE = ("random", "singular", "twice")


def random_rows(bundle: Bundle, count: int, random: np.random.Generator) -> FloatArray:
    """Rows (N, F) as a robot could ask them: over the whole workspace, each with a small step.

    Joint positions are uniform within the limits of the arm, and the tool shall go where a step of
    a tenth of the largest leads. Standard normal without an arm, where nobody knows what to ask.
    """
    rows = random.standard_normal((count, int(bundle.runtime.inputs[0].shape[1])))
    if bundle.deployment is None:
        return rows
    limits = bundle.deployment.arm.limits
    q = random.uniform(limits.lower, limits.upper, (count, limits.lower.size))
    return _with_targets(bundle.deployment, rows, q, random)


def smoke_rows(
    bundle: Bundle, count: int, random: np.random.Generator
) -> tuple[FloatArray, NDArray[np.str_]]:
    """Rows (N, F) for a bundle, and what each is for (N,).

    They are `count` random rows, rows in which the arm is exactly singular, one row for each
    column and each number that is not finite, and the first row once more.
    """
    rows = random_rows(bundle, count, random)
    singular = rows[:0]
    if bundle.deployment is not None:
        q = rows[:PER_ANGLE, bundle.deployment.joint_columns]
        q = _singular(bundle.deployment, q)
        singular = random.standard_normal((len(q), rows.shape[1]))
        singular = _with_targets(bundle.deployment, singular, q, random)
    parts = {"random": rows, "singular": singular}
    for kind, numbers in NOT_FINITE.items():
        parts[kind] = np.concatenate([_replaced(rows[0], number) for number in numbers])
    parts["twice"] = rows[:1]
    kinds = np.repeat(list(parts), [len(part) for part in parts.values()])
    return np.concatenate(list(parts.values())), kinds


def _with_targets(
    deployment: Deployment, rows: FloatArray, q: FloatArray, random: np.random.Generator
) -> FloatArray:
    """The rows with joint positions q (N, n) [rad] and, as task, where a small step leads."""
    arm = deployment.arm
    step = drawn_step(arm.limits)
    to = np.clip(q + random.uniform(-step, step, q.shape), arm.limits.lower, arm.limits.upper)
    task = arm.forward(to)
    if deployment.output_kind is OutputKind.JOINT_DELTA:
        task = task - arm.forward(q)
    rows[:, deployment.joint_columns] = q
    rows[:, deployment.task_columns] = task
    return rows


def _singular(deployment: Deployment, q: FloatArray) -> FloatArray:
    """Joint positions (M, n) [rad] made of q (N, n) by one joint angle, in which det J is 0."""
    arm = deployment.arm
    found = [np.empty((0, q.shape[1]))]
    for joint in range(q.shape[1]):
        for angle in SINGULAR_ANGLES:
            bent = q.copy()
            bent[:, joint] = angle
            zero = np.abs(arm.determinant(bent)) <= DETERMINANT_ROUNDING * arm.max_determinant
            found.append(bent[zero & arm.limits.contain(bent)])
    return np.concatenate(found)


def _replaced(row: FloatArray, number: float) -> FloatArray:
    """(F, F), the row with one column after the other replaced."""
    return np.where(np.eye(row.size, dtype=bool), number, row)
