"""Thresholds from held-out rows: the sweep over tau_infer, and the choice by an objective."""

from zeroproof_ros.calibration.choice import (
    DET_RANGE,
    Calibration,
    Objective,
    calibrate,
    calibration_curves,
    default_det_bound,
)
from zeroproof_ros.calibration.plot import draw_calibration
from zeroproof_ros.calibration.sweep import (
    Curve,
    tau_infer_sweep_from_q_abs,
    write_tau_infer_sweep,
)

__all__ = [
    "DET_RANGE",
    "Calibration",
    "Curve",
    "Objective",
    "calibrate",
    "calibration_curves",
    "default_det_bound",
    "draw_calibration",
    "tau_infer_sweep_from_q_abs",
    "write_tau_infer_sweep",
]
