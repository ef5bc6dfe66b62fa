"""Every snippet of the older "Inference & Deployment" of ZeroProof, with our package's name."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from snippets import run

from zeroproof_ros.contract import InferenceConfig, strict_inference

AsArray = Callable[[Any], Any]

# A value, one in the gap, one without a value.
N = np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]])
D = np.array([2.0, 5e-5, 5e-7])
CONFIG = InferenceConfig(tau_infer=1e-6, tau_train=1e-4)


@pytest.fixture
def torch() -> Any:
    """Torch, for the snippets that call it."""
    return pytest.importorskip("torch", reason="torch, which this snippet calls")


def decoded_by(asarray: AsArray) -> dict[str, Any]:
    decoded, bottom_mask, gap_mask = strict_inference(asarray(N), asarray(D), CONFIG)
    return {"decoded": decoded, "bottom_mask": bottom_mask, "gap_mask": gap_mask}


USING_STRICT_INFERENCE = """
from zeroproof_ros.inference import strict_inference, InferenceConfig
# Configure thresholds
config = InferenceConfig(
    tau_infer=1e-6, # Strict singularity threshold
    tau_train=1e-4 # Training margin (for gap detection)
)
# Decode projective outputs
N, D = model(x) # Projective model outputs ⟨N,D⟩
decoded, bottom_mask, gap_mask = strict_inference(N, D, config=config)
# Handle outputs
valid_predictions = decoded[~bottom_mask & ~gap_mask]
singular_cases = decoded[bottom_mask]
risky_cases = decoded[gap_mask] # In training-inference gap
"""


def test_using_strict_inference(asarray: AsArray) -> None:
    found = run(USING_STRICT_INFERENCE, model=lambda x: (x, asarray(D)), x=asarray(N))
    assert found["valid_predictions"].tolist() == [[0.5, 1.0]]
    np.testing.assert_array_equal(np.asarray(found["risky_cases"]), N[1:2] / D[1])
    assert np.isnan(np.asarray(found["singular_cases"])).all()
    assert len(found["singular_cases"]) == 1


CONSERVATIVE_APPROACH = """
# Conservative approach
safe_mask = ~bottom_mask & ~gap_mask
final_output = torch.where(safe_mask, decoded, fallback_value)
"""


def test_conservative_approach(torch: Any) -> None:
    decoded, bottom_mask, gap_mask = strict_inference(
        torch.tensor(N[:, 0]), torch.tensor(D), CONFIG
    )
    found = run(
        CONSERVATIVE_APPROACH,
        torch=torch,
        decoded=decoded,
        bottom_mask=bottom_mask,
        gap_mask=gap_mask,
        fallback_value=-1.0,
    )
    assert found["final_output"].tolist() == [0.5, -1.0, -1.0]


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


TO_IEEE = """
from zeroproof_ros.utils.ieee_bridge import to_ieee
# Convert SCM outputs to IEEE (⊥ → NaN)
ieee_output = to_ieee(decoded, bottom_mask)
"""

TO_NUMPY = """
# Use with standard libraries
import numpy as np
numpy_array = ieee_output.cpu().numpy()
"""


def test_converting_to_standard_floats(asarray: AsArray) -> None:
    names = decoded_by(asarray)
    names["decoded"] = asarray([[0.5, 1.0], [2.0, 4.0], [7.0, 7.0]])
    found = run(TO_IEEE, **names)
    np.testing.assert_array_equal(
        np.asarray(found["ieee_output"]), [[0.5, 1.0], [2.0, 4.0], [np.nan, np.nan]]
    )


def test_converting_to_numpy(torch: Any) -> None:
    found = run(TO_IEEE + TO_NUMPY, **decoded_by(torch.tensor))
    assert isinstance(found["numpy_array"], np.ndarray)
    np.testing.assert_array_equal(np.isnan(found["numpy_array"][:, 0]), [False, False, True])


FROM_IEEE = """
from zeroproof_ros.utils.ieee_bridge import from_ieee
# Convert IEEE floats to SCM (NaN/Inf → ⊥)
scm_value, bottom_mask = from_ieee(torch.tensor([1.0, float('nan'), float('inf')]))
"""


def test_converting_from_standard_floats(torch: Any) -> None:
    found = run(FROM_IEEE, torch=torch)
    assert found["bottom_mask"].tolist() == [False, True, True]
    np.testing.assert_array_equal(found["scm_value"].numpy(), [1.0, np.nan, np.nan])


COVERAGE_VERIFICATION = """
from zeroproof_ros.losses.coverage import coverage_metric
# Validate on held-out test set
_, bottom_mask, _ = model(test_data)
test_coverage = coverage_metric(bottom_mask)
assert test_coverage >= 0.95, f"Coverage too low: {test_coverage:.3f}"
"""


def test_coverage_verification(asarray: AsArray) -> None:
    def model(data: Any) -> Any:
        return strict_inference(data, asarray(D), CONFIG)

    with pytest.raises(AssertionError, match="Coverage too low: 0.667"):
        run(COVERAGE_VERIFICATION, model=model, test_data=asarray(N))
    found = run(
        COVERAGE_VERIFICATION,
        model=lambda data: strict_inference(data, asarray(np.ones(3))),
        test_data=asarray(N),
    )
    assert found["test_coverage"] == 1.0


GAP_REGION_ANALYSIS = """
_, _, gap_mask = strict_inference(N, D, config)
gap_rate = gap_mask.float().mean()
if gap_rate > 0.05:
    warnings.warn(f"High gap rate: {gap_rate:.3f}. Consider retraining.")
"""


def test_gap_region_analysis(torch: Any) -> None:
    names = {"N": torch.tensor(N), "D": torch.tensor(D), "config": CONFIG}
    with pytest.warns(UserWarning, match="High gap rate: 0.333"):
        run(GAP_REGION_ANALYSIS, strict_inference=strict_inference, warnings=warnings, **names)


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


def test_the_monitor_of_the_document_and_ours_report_alike(torch: Any) -> None:
    from zeroproof_ros.inference import SCMMonitor

    theirs, ours = run(SCM_MONITOR)["SCMMonitor"](), SCMMonitor()
    names = decoded_by(torch.tensor)
    for monitor in (theirs, ours):
        for _ in range(2):
            monitor.update(names["bottom_mask"], names["gap_mask"])
    assert ours.report() == pytest.approx(theirs.report())


def test_our_monitor_takes_arrays(asarray: AsArray) -> None:
    from zeroproof_ros.inference import SCMMonitor

    names = decoded_by(asarray)
    monitor = SCMMonitor()
    monitor.update(names["bottom_mask"], names["gap_mask"])
    assert monitor.report() == {
        "coverage": pytest.approx(1 / 3),
        "bottom_rate": pytest.approx(1 / 3),
        "gap_rate": pytest.approx(1 / 3),
        "total_predictions": 3,
    }
