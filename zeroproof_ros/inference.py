"""Inference, under the path of the ZeroProofML documents.

What needs torch is loaded when it is touched, and not before: a robot has no torch.
"""

from typing import TYPE_CHECKING, Any

from zeroproof_ros.bundle import load_bundle as load_onnx_runtime_bundle
from zeroproof_ros.bundle import validate_bundle
from zeroproof_ros.contract import (
    InferenceConfig,
    decode_strict_censored_3way,
    strict_inference,
)
from zeroproof_ros.lazy import load_lazily
from zeroproof_ros.monitor import SCMMonitor, StrictInferenceMonitor
from zeroproof_ros.pipeline import (
    batch_inference,
    reject_on_bottom,
    reject_on_gap,
    route_to_analytic_solver,
    safe_sentinel,
)

if TYPE_CHECKING:
    from zeroproof_ros.training.export import export_bundle, export_onnx_model
    from zeroproof_ros.training.smoke import run_bundle_reference_smoke_test
    from zeroproof_ros.training.wrapper import SCMInferenceWrapper

__all__ = [
    "InferenceConfig",
    "SCMInferenceWrapper",
    "SCMMonitor",
    "StrictInferenceMonitor",
    "batch_inference",
    "decode_strict_censored_3way",
    "export_bundle",
    "export_onnx_model",
    "load_onnx_runtime_bundle",
    "reject_on_bottom",
    "reject_on_gap",
    "route_to_analytic_solver",
    "run_bundle_reference_smoke_test",
    "safe_sentinel",
    "strict_inference",
    "validate_bundle",
]

_TORCH = {
    "SCMInferenceWrapper": "zeroproof_ros.training.wrapper",
    "export_bundle": "zeroproof_ros.training.export",
    "export_onnx_model": "zeroproof_ros.training.export",
    "run_bundle_reference_smoke_test": "zeroproof_ros.training.smoke",
}


def __getattr__(name: str) -> Any:
    return load_lazily(__name__, name, _TORCH)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
