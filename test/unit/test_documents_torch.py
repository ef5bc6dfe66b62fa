"""The snippets of both ZeroProofML documents that call torch, with our package's name."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from snippets import run

from zeroproof_ros.contract import InferenceConfig, strict_inference
from zeroproof_ros.inference import SCMMonitor, batch_inference
from zeroproof_ros.runtimes.onnx import OnnxRuntime

torch = pytest.importorskip("torch", reason="torch, which these snippets call")

CONFIG = InferenceConfig(tau_infer=1e-6, tau_train=1e-4)
# Rows (N1, N2, D): a value, one in the gap, one without a value.
X = torch.tensor([[1.0, 2.0, 2.0], [1.0, 2.0, 5e-5], [1.0, 2.0, 5e-7]])
BOTTOM, GAP = [False, False, True], [False, True, False]


class Model(torch.nn.Module):  # type: ignore[misc, name-defined]
    """Answers (N, D) as its input has them: its weights are ones."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(3))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = x * self.weight
        return y[:, :2], y[:, 2]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def decoded() -> dict[str, Any]:
    """What the snippets after a decode take for granted."""
    values, bottom_mask, gap_mask = strict_inference(X[:, :2], X[:, 2], CONFIG)
    return {"decoded": values, "bottom_mask": bottom_mask, "gap_mask": gap_mask}


CONSERVATIVE_APPROACH = """
# Conservative approach
safe_mask = ~bottom_mask & ~gap_mask
final_output = torch.where(safe_mask, decoded, fallback_value)
"""


def test_conservative_approach() -> None:
    decode = decoded()
    decode["decoded"] = decode["decoded"][:, 0]
    found = run(CONSERVATIVE_APPROACH, torch=torch, **decode, fallback_value=-1.0)
    assert found["final_output"].tolist() == [0.5, -1.0, -1.0]


WRAPPER_CLASSES = """
from zeroproof_ros.inference import SCMInferenceWrapper, InferenceConfig
# Wrap trained model
wrapped_model = SCMInferenceWrapper(
    model,
    config=InferenceConfig(tau_infer=1e-6, tau_train=1e-4)
)
# Use like normal PyTorch model
wrapped_model.eval()
with torch.no_grad():
    decoded, bottom_mask, gap_mask = wrapped_model(x)
"""


def test_wrapper_classes() -> None:
    found = run(WRAPPER_CLASSES, torch=torch, model=Model(), x=X)
    assert found["bottom_mask"].tolist() == BOTTOM
    assert found["gap_mask"].tolist() == GAP


BATCH_PROCESSING = '''
def batch_inference(model, data_loader, config):
    """Safe batch inference with coverage tracking."""
    all_outputs = []
    all_bottom_masks = []
    all_gap_masks = []
    model.eval()
    with torch.no_grad():
        for batch_x in data_loader:
            decoded, bottom_mask, gap_mask = model(batch_x)
            all_outputs.append(decoded)
            all_bottom_masks.append(bottom_mask)
            all_gap_masks.append(gap_mask)
    outputs = torch.cat(all_outputs)
    bottom_masks = torch.cat(all_bottom_masks)
    gap_masks = torch.cat(all_gap_masks)
    # Coverage metrics
    coverage = (~bottom_masks).float().mean()
    gap_rate = gap_masks.float().mean()
    return outputs, bottom_masks, gap_masks, coverage, gap_rate
'''


def test_batch_inference_of_the_document_and_ours_answer_alike() -> None:
    wrapped = run(WRAPPER_CLASSES, torch=torch, model=Model(), x=X)["wrapped_model"]
    theirs = run(BATCH_PROCESSING, torch=torch)["batch_inference"](wrapped, X.split(2), CONFIG)
    ours = list(batch_inference(wrapped, X.split(2), CONFIG))
    for found, expected in zip(ours[:3], theirs[:3], strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)
    assert ours[3:] == pytest.approx([float(rate) for rate in theirs[3:]])


TORCHSCRIPT = """
import torch
# Ensure model is in eval mode
model.eval()
# Script the model
scripted_model = torch.jit.script(model)
# Save
torch.jit.save(scripted_model, "model.pt")
# Load and use
loaded_model = torch.jit.load("model.pt")
with torch.no_grad():
    output = loaded_model(x)
"""


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_torchscript() -> None:
    from zeroproof_ros.runtimes.torchscript import TorchScriptRuntime

    found = run(TORCHSCRIPT, model=Model(), x=X)
    expected = strict_inference(*found["output"], CONFIG)
    runtime = TorchScriptRuntime(Path("model.pt"), features=3)
    values, bottom_mask, gap_mask = strict_inference(*runtime.run(X.numpy()), CONFIG)
    np.testing.assert_array_equal(values, expected.decoded.numpy(force=True))
    assert bottom_mask.tolist() == expected.bottom_mask.tolist() == BOTTOM
    assert gap_mask.tolist() == expected.gap_mask.tolist() == GAP


ONNX_EXPORT = """
import torch.onnx
# Prepare dummy input
dummy_input = torch.randn(1, input_dim)
# Export
torch.onnx.export(
    model,
    dummy_input,
    "model.onnx",
    export_params=True,
    opset_version=14,
    input_names=['input'],
    output_names=['numerator', 'denominator'],
    dynamic_axes={
        'input': {0: 'batch_size'},
        'numerator': {0: 'batch_size'},
        'denominator': {0: 'batch_size'}
    }
)
"""


@pytest.mark.filterwarnings("ignore")  # torch warns of what the document asks it for
def test_onnx_export() -> None:
    pytest.importorskip("onnxscript", reason="onnxscript, with which torch exports")
    run(ONNX_EXPORT, torch=torch, model=Model().eval(), input_dim=3)
    runtime = OnnxRuntime(Path("model.onnx"))
    assert [output.name for output in runtime.outputs] == ["numerator", "denominator"]
    _, bottom_mask, gap_mask = strict_inference(*runtime.run(X.numpy()), CONFIG)
    assert bottom_mask.tolist() == BOTTOM
    assert gap_mask.tolist() == GAP


CONVERTING_TO_STANDARD_FLOATS = """
from zeroproof_ros.utils.ieee_bridge import to_ieee
# Convert SCM outputs to IEEE (⊥ → NaN)
ieee_output = to_ieee(decoded, bottom_mask)
# Use with standard libraries
import numpy as np
numpy_array = ieee_output.cpu().numpy()
"""


def test_converting_to_standard_floats() -> None:
    found = run(CONVERTING_TO_STANDARD_FLOATS, **decoded())
    assert isinstance(found["numpy_array"], np.ndarray)
    np.testing.assert_array_equal(np.isnan(found["numpy_array"]).all(axis=1), BOTTOM)


CONVERTING_FROM_STANDARD_FLOATS = """
from zeroproof_ros.utils.ieee_bridge import from_ieee
# Convert IEEE floats to SCM (NaN/Inf → ⊥)
scm_value, bottom_mask = from_ieee(torch.tensor([1.0, float('nan'), float('inf')]))
"""


def test_converting_from_standard_floats() -> None:
    found = run(CONVERTING_FROM_STANDARD_FLOATS, torch=torch)
    assert found["bottom_mask"].tolist() == [False, True, True]
    np.testing.assert_array_equal(found["scm_value"].numpy(), [1.0, np.nan, np.nan])


GAP_REGION_ANALYSIS = """
_, _, gap_mask = strict_inference(N, D, config)
gap_rate = gap_mask.float().mean()
if gap_rate > 0.05:
    warnings.warn(f"High gap rate: {gap_rate:.3f}. Consider retraining.")
"""


def test_gap_region_analysis() -> None:
    pair = {"N": X[:, :2], "D": X[:, 2], "config": CONFIG}
    with pytest.warns(UserWarning, match="High gap rate: 0.333"):
        run(GAP_REGION_ANALYSIS, strict_inference=strict_inference, warnings=warnings, **pair)


SCM_MONITOR = """
class SCMMonitor:
    def __init__(self):
        self.bottom_count = 0
        self.gap_count = 0
        self.total_count = 0
    def update(self, bottom_mask, gap_mask):
        self.bottom_count += bottom_mask.sum().item()
        self.gap_count += gap_mask.sum().item()
        self.total_count += bottom_mask.numel()
    def report(self):
        bottom_rate = self.bottom_count / self.total_count
        gap_rate = self.gap_count / self.total_count
        coverage = 1 - bottom_rate - gap_rate
        return {
            'coverage': coverage,
            'bottom_rate': bottom_rate,
            'gap_rate': gap_rate,
            'total_predictions': self.total_count
        }
"""


def test_the_monitor_of_the_document_and_ours_report_alike() -> None:
    theirs, ours, decode = run(SCM_MONITOR)["SCMMonitor"](), SCMMonitor(), decoded()
    for monitor in (theirs, theirs, ours, ours):
        monitor.update(decode["bottom_mask"], decode["gap_mask"])
    assert ours.report() == pytest.approx(theirs.report())


WRAPPING_A_MODEL = """
from zeroproof_ros.inference import InferenceConfig, SCMInferenceWrapper
wrapped = SCMInferenceWrapper(
    model,
    config=InferenceConfig(tau_infer=1e-6, tau_train=1e-4),
).eval()
decoded, bottom_mask, gap_mask = wrapped(x)
"""


def test_wrapping_a_model() -> None:
    found = run(WRAPPING_A_MODEL, model=Model(), x=X)
    assert found["bottom_mask"].tolist() == BOTTOM
    assert found["gap_mask"].tolist() == GAP
    pair = found["wrapped"].train()(X)
    assert [tuple(part.shape) for part in pair] == [(3, 2), (3,)]


ONNX_BUNDLES = """
from zeroproof_ros.inference import (
    export_bundle,
    load_onnx_runtime_bundle,
    run_bundle_reference_smoke_test,
    validate_bundle,
)
export_bundle(wrapped, "bundle_dir", example_inputs=(x_example,))
validate_bundle("bundle_dir")
runtime = load_onnx_runtime_bundle(
    "bundle_dir",
    providers=["CPUExecutionProvider"],
)
decoded, bottom_mask, gap_mask = runtime.run(x_numpy)
run_bundle_reference_smoke_test("bundle_dir", wrapped, (x_smoke,))
"""


def test_onnx_bundles() -> None:
    pytest.importorskip("onnx", reason="onnx, which writes the model of this snippet")
    wrapped = run(WRAPPING_A_MODEL, model=Model(), x=X)["wrapped"]
    found = run(ONNX_BUNDLES, wrapped=wrapped, x_example=X[:1], x_numpy=X.numpy(), x_smoke=X)
    assert found["bottom_mask"].tolist() == BOTTOM
    assert found["gap_mask"].tolist() == GAP
    files = sorted(path.name for path in Path("bundle_dir").iterdir())
    assert files == ["metadata.json", "model.onnx"]
