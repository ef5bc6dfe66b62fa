"""The names of the documents, under their paths, with torch loaded only for those that need it."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import zeroproof_ros.inference

ROOT = Path(__file__).parents[2]

DOCUMENTED = {
    "zeroproof_ros.inference": {
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
    },
    "zeroproof_ros.losses": {
        "gauge_loss",
        "implicit_loss",
        "margin_loss",
        "rejection_loss",
        "separation_loss",
        "sign_loss",
    },
    "zeroproof_ros.losses.coverage": {"coverage_metric"},
    "zeroproof_ros.metrics": {"tau_infer_sweep_from_q_abs", "write_tau_infer_sweep"},
    "zeroproof_ros.reference_robotics_deployment": {
        "ReferenceRoboticsDeploymentConfig",
        "load_reference_robotics_deployment_artifacts",
        "run_reference_robotics_deployment",
    },
    "zeroproof_ros.training": {"SCMTrainer"},
    "zeroproof_ros.utils.ieee_bridge": {"from_ieee", "to_ieee"},
    "zeroproof_ros.utils.logging": {"JsonlLogger"},
}
NEED_TORCH = {
    "zeroproof_ros.inference": {
        "SCMInferenceWrapper",
        "export_bundle",
        "export_onnx_model",
        "run_bundle_reference_smoke_test",
    },
    "zeroproof_ros.losses": DOCUMENTED["zeroproof_ros.losses"],
    "zeroproof_ros.training": DOCUMENTED["zeroproof_ros.training"],
    "zeroproof_ros.reference_robotics_deployment": {
        "ReferenceRoboticsDeploymentConfig",
        "run_reference_robotics_deployment",
    },
}
LAZY = sorted((path, name) for path, names in NEED_TORCH.items() for name in names)


def python(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("path", DOCUMENTED)
def test_a_face_offers_the_documented_names_and_no_others(path: str) -> None:
    module: Any = import_module(path)
    assert set(module.__all__) == DOCUMENTED[path]
    assert DOCUMENTED[path] <= set(dir(module))
    for name in DOCUMENTED[path] - NEED_TORCH.get(path, set()):
        assert callable(getattr(module, name))


@pytest.mark.parametrize(("path", "name"), LAZY)
def test_a_name_that_needs_torch_is_there_where_torch_is(path: str, name: str) -> None:
    pytest.importorskip("torch", reason="torch, which the name needs")
    assert getattr(import_module(path), name).__name__ == name


@pytest.mark.parametrize(("path", "name"), LAZY)
def test_without_torch_a_name_that_needs_it_says_so(path: str, name: str) -> None:
    done = python(
        "import sys; sys.modules['torch'] = None\n"
        f"try:\n    from {path} import {name}\n"
        "except ImportError as error:\n    print(error.name, error)\n"
    )
    assert done.stdout.startswith(f"torch {name} needs torch, which is not installed here"), done


def test_the_faces_do_not_load_torch() -> None:
    pytest.importorskip("torch", reason="torch, which could be loaded")
    imports = "; ".join(f"import {path}" for path in DOCUMENTED)
    done = python(f"import sys; {imports}; print('torch' in sys.modules)")
    assert done.stdout == "False\n", done.stderr


def test_a_name_that_is_nowhere_is_refused_as_usual() -> None:
    with pytest.raises(
        AttributeError, match="'zeroproof_ros.inference' has no attribute 'nothing'"
    ):
        _ = zeroproof_ros.inference.nothing
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        from zeroproof_ros.inference import nothing  # noqa: F401
