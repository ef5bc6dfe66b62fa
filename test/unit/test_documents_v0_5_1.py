"""Snippets of "Inference & Deployment" of ZeroProofML v0.5.1, with our package's name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from snippets import run

from zeroproof_ros.contract import CensoredClass, InferenceConfig, strict_inference
from zeroproof_ros.errors import ThresholdError

AsArray = Callable[[Any], Any]

# A value, one in the gap, one without a value, one that overflows.
P = np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0], [3e38, 1.0]], dtype=np.float32)
Q = np.array([2.0, 5e-5, 5e-7, 1e-3], dtype=np.float32)
BOTTOM, GAP = [False, False, True, True], [False, True, False, False]


@pytest.fixture
def decode(asarray: AsArray) -> dict[str, Any]:
    """What the snippets about fallbacks take for granted."""
    decoded, bottom_mask, gap_mask = strict_inference(
        asarray(P), asarray(Q), InferenceConfig(1e-6, 1e-4)
    )
    return {"decoded": decoded, "bottom_mask": bottom_mask, "gap_mask": gap_mask}


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


STABLE_OUTPUT_CONTRACT = """
decoded, bottom_mask, gap_mask = result
"""


def test_stable_output_contract(asarray: AsArray) -> None:
    result = strict_inference(asarray(P), asarray(Q), InferenceConfig(1e-6, 1e-4))
    found = run(STABLE_OUTPUT_CONTRACT, result=result)
    assert found["bottom_mask"].tolist() == BOTTOM
    assert found["gap_mask"].tolist() == GAP


STRICT_DECODE = """
from zeroproof_ros.inference import InferenceConfig, strict_inference
cfg = InferenceConfig(tau_infer=1e-6, tau_train=1e-4)
decoded, bottom_mask, gap_mask = strict_inference(P, Q, config=cfg)
"""


def test_strict_decode(asarray: AsArray) -> None:
    found = run(STRICT_DECODE, P=asarray(P), Q=asarray(Q))
    assert found["bottom_mask"].tolist() == BOTTOM
    assert found["gap_mask"].tolist() == GAP
    decoded = np.asarray(found["decoded"])
    np.testing.assert_array_equal(np.isnan(decoded).any(axis=1), BOTTOM)
    np.testing.assert_array_equal(decoded[:2], P[:2] / Q[:2, None])


CHOOSING_TAU_INFER = """
from zeroproof_ros.metrics import tau_infer_sweep_from_q_abs, write_tau_infer_sweep
curves = tau_infer_sweep_from_q_abs(
    q_abs=q_abs_held_out,
    is_in_range=is_in_range,
    taus=[1e-6, 3e-6, 1e-5, 3e-5, 1e-4],
)
write_tau_infer_sweep(
    "results/tau_calibration",
    curves,
    provenance={"split": "held_out"},
)
"""


def test_choosing_tau_infer(asarray: AsArray) -> None:
    found = run(
        CHOOSING_TAU_INFER,
        q_abs_held_out=asarray([5e-7, 5e-6, 1.0, np.nan]),
        is_in_range=asarray([False, True, True, False]),
    )
    assert found["curves"]["fn_in"] == [0.0, 0.0, 0.5, 0.5, 0.5]
    assert found["curves"]["fp_cens"] == [0.0] * 5
    assert found["curves"]["bottom_rate"] == [0.5, 0.5, 0.75, 0.75, 0.75]
    written = json.loads(Path("results/tau_calibration/tau_infer_sweep.json").read_text("utf-8"))
    assert written == {"curves": found["curves"], "provenance": {"split": "held_out"}}


REJECT_ON_BOTTOM = """
from zeroproof_ros.inference import reject_on_bottom
decoded_safe, accept_mask = reject_on_bottom(decoded, bottom_mask)
"""


def test_reject_on_bottom(decode: dict[str, Any]) -> None:
    found = run(REJECT_ON_BOTTOM, **decode)
    assert found["accept_mask"].tolist() == [not bottom for bottom in BOTTOM]
    safe = np.asarray(found["decoded_safe"])
    np.testing.assert_array_equal(np.isfinite(safe).all(axis=1), found["accept_mask"])


REJECT_ON_GAP = """
from zeroproof_ros.inference import reject_on_gap
decoded_safe, accept_mask = reject_on_gap(decoded, bottom_mask, gap_mask)
"""


def test_reject_on_gap(decode: dict[str, Any]) -> None:
    found = run(REJECT_ON_GAP, **decode)
    assert found["accept_mask"].tolist() == [True, False, False, False]
    safe = np.asarray(found["decoded_safe"])
    np.testing.assert_array_equal(np.isfinite(safe).all(axis=1), found["accept_mask"])


ROUTE_TO_ANALYTIC_SOLVER = """
from zeroproof_ros.inference import route_to_analytic_solver
resolved, route_mask = route_to_analytic_solver(
    decoded,
    bottom_mask=bottom_mask,
    analytic_solver=solver,
    inputs=x,
)
"""


def test_route_to_analytic_solver(asarray: AsArray, decode: dict[str, Any]) -> None:
    x = asarray([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0], [4.0, 4.0]])
    found = run(ROUTE_TO_ANALYTIC_SOLVER, **decode, solver=lambda rows: rows * 10, x=x)
    assert found["route_mask"].tolist() == BOTTOM
    resolved = np.asarray(found["resolved"])
    np.testing.assert_array_equal(resolved[2:], [[30.0, 30.0], [40.0, 40.0]])
    np.testing.assert_array_equal(resolved[:2], np.asarray(decode["decoded"])[:2])


MONITORING = """
from zeroproof_ros.inference import StrictInferenceMonitor
from zeroproof_ros.utils.logging import JsonlLogger
events = JsonlLogger("strict_inference_events.jsonl")
monitor = StrictInferenceMonitor(
    bundle_id="robotics_rr_ik_v1",
    event_logger=events,
    acceptance_rate_drift_threshold=0.1,
)
monitor.update(bottom_mask, gap_mask)
rates = monitor.rates()
state = monitor.export_state(
    include_histograms=True,
    include_batch_summaries=True,
)
"""


def test_monitoring(decode: dict[str, Any]) -> None:
    found = run(MONITORING, **decode)
    rates, state = found["rates"], found["state"]
    assert (rates["bottom_rate"], rates["gap_rate"], rates["accept_rate"]) == (0.5, 0.25, 0.5)
    assert rates["bundle_id"] == "robotics_rr_ik_v1"
    assert state["n_bottom"] == 2
    assert len(state["batch_summaries"]) == 1
    lines = Path("strict_inference_events.jsonl").read_text("utf-8").splitlines()
    assert {json.loads(line)["event"] for line in lines} == {"bottom-trigger", "gap-trigger"}


def test_the_events_of_a_routing_go_to_the_same_log(
    asarray: AsArray, decode: dict[str, Any]
) -> None:
    events = run(MONITORING, **decode)["events"]
    x = asarray(np.ones((4, 2)))
    with_log = ROUTE_TO_ANALYTIC_SOLVER.replace("inputs=x,", "inputs=x, event_logger=events,")
    run(with_log, **decode, solver=lambda rows: rows, x=x, events=events)
    last = Path("strict_inference_events.jsonl").read_text("utf-8").splitlines()[-1]
    assert json.loads(last)["routed_count"] == 2


OPTIONAL_PROVENANCE_DIAGNOSTICS = """
from zeroproof_ros.inference import InferenceConfig, strict_inference
cfg = InferenceConfig(
    tau_infer=1e-6,
    tau_train=1e-4,
    provenance="experimental",
    provenance_representation="split_masks",
)
result = strict_inference(P, Q, config=cfg)
decoded, bottom_mask, gap_mask = result
fault_mask = getattr(result, "fault_mask", None)
semantic_bottom_mask = getattr(result, "semantic_bottom_mask", None)
bottom_provenance = getattr(result, "bottom_provenance", None)
"""


def test_optional_provenance_diagnostics(asarray: AsArray) -> None:
    found = run(OPTIONAL_PROVENANCE_DIAGNOSTICS, P=asarray(P), Q=asarray(Q))
    assert found["bottom_mask"].tolist() == BOTTOM
    assert found["fault_mask"].tolist() == [False, False, False, True]
    assert found["semantic_bottom_mask"].tolist() == [False, False, True, False]
    assert found["bottom_provenance"] is None


DIRECTION_AWARE_CENSORING = """
from zeroproof_ros.inference import decode_strict_censored_3way
decoded, bottom_mask, class_id = decode_strict_censored_3way(
    P.squeeze(-1),
    Q.squeeze(-1),
    tau_infer=1e-6,
    direction_logits=direction_logits,
)
"""


@pytest.mark.parametrize("with_logits", [True, False])
def test_direction_aware_censoring(asarray: AsArray, *, with_logits: bool) -> None:
    logits = [[2.0, -1.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0]]
    found = run(
        DIRECTION_AWARE_CENSORING,
        P=asarray([[3.0], [1.0], [-1.0], [0.0]]),
        Q=asarray([[2.0], [1e-7], [-1e-7], [0.0]]),
        direction_logits=asarray(logits) if with_logits else None,
    )
    below, in_range, above, unknown = CensoredClass
    assert found["class_id"].tolist() == [in_range, above, below, unknown]
    assert found["bottom_mask"].tolist() == [False, True, True, True]
    np.testing.assert_array_equal(np.asarray(found["decoded"]), [1.5, np.nan, np.nan, np.nan])


def test_a_threshold_of_zero_is_not_a_threshold(asarray: AsArray) -> None:
    with_zero = STRICT_DECODE.replace("tau_infer=1e-6", "tau_infer=0.0")
    with pytest.raises(ThresholdError, match=r"tau_infer is 0.0, expected a finite number > 0"):
        run(with_zero, P=asarray(P), Q=asarray(Q))
