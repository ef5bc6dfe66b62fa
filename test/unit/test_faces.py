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
    "zeroproof_ros.losses.coverage": {"coverage_metric"},
    "zeroproof_ros.metrics": {"tau_infer_sweep_from_q_abs", "write_tau_infer_sweep"},
    "zeroproof_ros.reference_robotics_deployment": {"load_reference_robotics_deployment_artifacts"},
    "zeroproof_ros.utils.ieee_bridge": {"from_ieee", "to_ieee"},
    "zeroproof_ros.utils.logging": {"JsonlLogger"},
}
NEED_TORCH = {
    "SCMInferenceWrapper",
    "export_bundle",
    "export_onnx_model",
    "run_bundle_reference_smoke_test",
}


def python(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("path", DOCUMENTED)
def test_a_face_offers_the_documented_names_and_no_others(path: str) -> None:
    module: Any = import_module(path)
    assert set(module.__all__) == DOCUMENTED[path]
    assert DOCUMENTED[path] <= set(dir(module))
    for name in DOCUMENTED[path] - NEED_TORCH:
        assert callable(getattr(module, name))


@pytest.mark.parametrize("name", sorted(NEED_TORCH))
def test_a_name_that_needs_torch_is_there_where_torch_is(name: str) -> None:
    pytest.importorskip("torch", reason="torch, which the name needs")
    assert getattr(zeroproof_ros.inference, name).__name__ == name


@pytest.mark.parametrize("name", sorted(NEED_TORCH))
def test_without_torch_a_name_that_needs_it_says_so(name: str) -> None:
    done = python(
        "import sys; sys.modules['torch'] = None\n"
        f"try:\n    from zeroproof_ros.inference import {name}\n"
        "except ImportError as error:\n    print(error.name, error)\n"
    )
    assert done.stdout.startswith(f"torch {name} needs torch, which is not installed here"), done


def test_the_faces_do_not_load_torch() -> None:
    pytest.importorskip("torch", reason="torch, which could be loaded")
    imports = "; ".join(f"from {path} import *" for path in DOCUMENTED if "inference" not in path)
    done = python(
        f"import sys; import zeroproof_ros.inference; {imports}; print('torch' in sys.modules)"
    )
    assert done.stdout == "False\n", done.stderr


def test_a_name_that_is_nowhere_is_refused_as_usual() -> None:
    with pytest.raises(
        AttributeError, match="'zeroproof_ros.inference' has no attribute 'nothing'"
    ):
        _ = zeroproof_ros.inference.nothing
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        from zeroproof_ros.inference import nothing  # noqa: F401
