"""Thresholds from held-out rows: the sweep over tau_infer, and the choice by an objective."""

from zeroproof_ros.calibration.choice import Calibration, Objective, calibrate, calibration_curves
from zeroproof_ros.calibration.plot import draw_calibration
from zeroproof_ros.calibration.sweep import (
    Curve,
    tau_infer_sweep_from_q_abs,
    write_tau_infer_sweep,
)

__all__ = [
    "Calibration",
    "Curve",
    "Objective",
    "calibrate",
    "calibration_curves",
    "draw_calibration",
    "tau_infer_sweep_from_q_abs",
    "write_tau_infer_sweep",
]
