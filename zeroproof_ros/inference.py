"""Inference, under the path of the ZeroProofML documents."""

from zeroproof_ros.bundle import load_bundle as load_onnx_runtime_bundle
from zeroproof_ros.bundle import validate_bundle
from zeroproof_ros.contract import (
    InferenceConfig,
    decode_strict_censored_3way,
    strict_inference,
)
from zeroproof_ros.monitor import SCMMonitor, StrictInferenceMonitor
from zeroproof_ros.pipeline import (
    batch_inference,
    reject_on_bottom,
    reject_on_gap,
    route_to_analytic_solver,
    safe_sentinel,
)

__all__ = [
    "InferenceConfig",
    "SCMMonitor",
    "StrictInferenceMonitor",
    "batch_inference",
    "decode_strict_censored_3way",
    "load_onnx_runtime_bundle",
    "reject_on_bottom",
    "reject_on_gap",
    "route_to_analytic_solver",
    "safe_sentinel",
    "strict_inference",
    "validate_bundle",
]
