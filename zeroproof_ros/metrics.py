"""Metrics, under the path of the ZeroProofML documents."""

from zeroproof_ros.calibration import tau_infer_sweep_from_q_abs, write_tau_infer_sweep

__all__ = ["tau_infer_sweep_from_q_abs", "write_tau_infer_sweep"]
