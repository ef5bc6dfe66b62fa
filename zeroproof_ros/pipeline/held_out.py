"""What a model answers to held-out rows when no threshold hides anything."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.bundle import Bundle, GraphKind, OutputKind
from zeroproof_ros.contract import InferenceConfig
from zeroproof_ros.errors import CalibrationError
from zeroproof_ros.kinematics.limits import FloatArray
from zeroproof_ros.pipeline.strict_ik import StrictIK
from zeroproof_ros.pipeline.verify import differential_residual, position_residual


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Held-out rows as a calibration needs them.

    Attributes:
        q_abs: (N,) |Q|, the smallest of a row with several; NaN where the model failed.
        determinant: (N,) det J [m^n].
        residual: (N,) of the model's own answer, by the check it has to pass to be served; inf
            where it has none, as at Q = 0.
    """

    q_abs: FloatArray
    determinant: FloatArray
    residual: FloatArray


def held_out(bundle: Bundle, rows: NDArray[Any]) -> HeldOut:
    """Run a projective bundle on rows (N, F), whatever its own thresholds are.

    Raises:
        ArrayError: not a table of F real columns.
        CalibrationError: a graph that decodes by itself, and so keeps its |Q| to itself.
        DeploymentError: the bundle says nothing about the arm.
    """
    if bundle.kind is not GraphKind.PROJECTIVE:
        raise CalibrationError(
            f"{bundle.path} has a {bundle.kind.name.lower()} graph, which decodes by thresholds of "
            "its own; calibrate the projective bundle and export this one from it",
            found=bundle.kind.name.lower(),
            expected=GraphKind.PROJECTIVE.name.lower(),
            path=bundle.path,
        )
    # Below every denominator that is not 0 and has an inverse.
    no_threshold = float(np.finfo(bundle.runtime.outputs[1].dtype).tiny)
    config = InferenceConfig(no_threshold, provenance="experimental")
    ik = StrictIK(replace(bundle, config=config))
    table, deployment = ik.solve(rows), ik.deployment
    arm, q = deployment.arm, table["in"][:, deployment.joint_columns]
    task, decoded = table["in"][:, deployment.task_columns], table["decoded"]
    if deployment.output_kind is OutputKind.JOINT_DELTA:
        residual = differential_residual(arm.jacobian(q), decoded, task)
    else:
        residual = position_residual(arm, decoded, task)
    # The table's own residual is the solver's, where the model's was too large.
    return HeldOut(
        q_abs=table["q_abs"].copy(),
        determinant=arm.determinant(q),
        residual=np.where(table["bottom"].astype(bool) | np.isnan(residual), np.inf, residual),
    )
