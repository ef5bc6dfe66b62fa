"""Snippets of the older "Inference & Deployment" of ZeroProof, with our package's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from snippets import run

from zeroproof_ros.contract import InferenceConfig, strict_inference
from zeroproof_ros.inference import SCMMonitor

AsArray = Callable[[Any], Any]

# A value, one in the gap, one without a value.
N = np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]])
D = np.array([2.0, 5e-5, 5e-7])
CONFIG = InferenceConfig(tau_infer=1e-6, tau_train=1e-4)


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


TO_IEEE = """
from zeroproof_ros.utils.ieee_bridge import to_ieee
# Convert SCM outputs to IEEE (⊥ → NaN)
ieee_output = to_ieee(decoded, bottom_mask)
"""


def test_converting_to_standard_floats(asarray: AsArray) -> None:
    names = decoded_by(asarray)
    names["decoded"] = asarray([[0.5, 1.0], [2.0, 4.0], [7.0, 7.0]])
    found = run(TO_IEEE, **names)
    np.testing.assert_array_equal(
        np.asarray(found["ieee_output"]), [[0.5, 1.0], [2.0, 4.0], [np.nan, np.nan]]
    )


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


def test_the_monitor_takes_arrays(asarray: AsArray) -> None:
    names = decoded_by(asarray)
    monitor = SCMMonitor()
    monitor.update(names["bottom_mask"], names["gap_mask"])
    assert monitor.report() == {
        "coverage": pytest.approx(1 / 3),
        "bottom_rate": pytest.approx(1 / 3),
        "gap_rate": pytest.approx(1 / 3),
        "total_predictions": 3,
    }
